package agent

import "sync"

// A Mood is how things stand with the rules, as contacts see it.
type Mood struct {
	Fires    bool   // a rule of level warning or worse
	Silenced bool   // all that do, or all rules: somebody is at work there
	Text     string // what the worst says, "" when nothing fires
}

// Moods holds the present mood. The zero value is ready: nothing fires. Its
// methods may be called from any goroutine and never block for long.
type Moods struct {
	mu      sync.Mutex
	mood    Mood
	changed chan struct{}
}

// Set sets the mood.
func (m *Moods) Set(mood Mood) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mood == m.mood {
		return
	}
	m.mood = mood
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// Watch returns the mood, and a channel that is closed when it is another one.
func (m *Moods) Watch() (Mood, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.mood, m.changed
}
