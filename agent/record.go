package agent

import "context"

// An Entry is a reading with its place in a record.
type Entry struct {
	Pos uint64 // greater than 0, growing by one within a field
	Reading
}

// A Record keeps accepted readings, each field in the order of acceptance, and
// knows for each link how far that has come in each field: so a link goes on
// after an outage or a restart. Its methods may be called from any goroutine
// and never wait for a disk. A link is a name that stays the same: "xmpp".
type Record interface {
	// Append adds a reading.
	Append(Reading)
	// Pending waits until fields have entries behind the link's position, or
	// ctx ends, and returns those fields, sorted.
	Pending(ctx context.Context, link string) ([]string, error)
	// After returns up to limit entries behind the link's position in a
	// field, oldest first.
	After(link, field string, limit int) []Entry
	// Done says that the link has delivered everything up to pos in a field.
	Done(link, field string, pos uint64)
}
