// Package entity answers what other entities ask about this one: XEP-0199
// (ping), XEP-0092 (software version), XEP-0202 (entity time) and XEP-0012
// (last activity). The router lets only authorised askers through. It also asks
// the server for its time.
package entity

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// Namespaces of the questions that are answered.
const (
	NSPing    = "urn:xmpp:ping"
	NSVersion = "jabber:iq:version"
	NSTime    = "urn:xmpp:time"
	NSLast    = "jabber:iq:last"
)

// Ping answers XEP-0199.
func Ping(context.Context, *stanza.Stanza) ([]byte, error) { return nil, nil }

// Version answers XEP-0092. The operating system is not told: it helps attackers only.
func Version(name, version string) stanza.IQHandler {
	b := []byte("<query xmlns='" + NSVersion + "'><name>")
	b = wire.Escape(b, name)
	b = append(b, "</name><version>"...)
	b = wire.Escape(b, version)
	b = append(b, "</version></query>"...)
	return func(context.Context, *stanza.Stanza) ([]byte, error) { return b, nil }
}

// Time answers XEP-0202 with the board's clock and zone.
func Time(context.Context, *stanza.Stanza) ([]byte, error) {
	now := time.Now()
	return fmt.Appendf(nil, "<time xmlns='"+NSTime+"'><tzo>%s</tzo><utc>%s</utc></time>",
		now.Format("-07:00"), now.UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

// Last answers XEP-0012 with the seconds since a person last asked for something.
type Last struct{ at atomic.Int64 }

// Touch notes that a person asks for something now.
func (l *Last) Touch() { l.at.Store(time.Now().UnixNano()) }

// Serve answers a query; before the first Touch it counts from started.
func (l *Last) Serve(started time.Time) stanza.IQHandler {
	return func(context.Context, *stanza.Stanza) ([]byte, error) {
		since := started
		if n := l.at.Load(); n != 0 {
			since = time.Unix(0, n)
		}
		return fmt.Appendf(nil, "<query xmlns='"+NSLast+"' seconds='%d'/>", max(0, int(time.Since(since).Seconds()))), nil
	}
}
