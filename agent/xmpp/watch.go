package xmpp

import "time"

// What the link promises the loops: the longest times between two moves.
const (
	loopName = "xmpp"           // among the loops
	openTime = 90 * time.Second // from the start of a try to connect to the first read: logging in takes 60 s at most
	turnTime = 90 * time.Second // between two reads, which wait 25 s at most, and to end after the last
)

// moved tells that the link moves, online or not.
func (l *Link) moved(within time.Duration) { l.agent.Loops.Moved(loopName, within) }

// Watch returns how the link stands, in a line for people, and a channel that
// is closed when that changes. The first change comes when the first try to
// connect has ended, one way or the other.
func (l *Link) Watch() (line string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.state.line(), l.changed
}

// tellChange wakes those that Watch. The caller holds the lock.
func (l *Link) tellChange() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// line tells the state for people.
func (s *state) line() string {
	since := s.since.Format("2006-01-02 15:04")
	if s.phase == online {
		return "xmpp: online as " + s.jid + " since " + since
	}
	return "xmpp: offline since " + since + ": " + s.problem
}
