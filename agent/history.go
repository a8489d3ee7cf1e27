package agent

import "time"

// A History gives recorded readings back. Range may be called from any
// goroutine and may wait for a disk.
type History interface {
	// Range returns the first limit readings of a field whose time is in
	// [from, to), in the order of acceptance. What was found before an error
	// is returned with it.
	Range(name string, from, to time.Time, limit int) ([]Reading, error)
}
