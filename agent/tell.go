package agent

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// A Message is a text for one person that comes by itself: nobody waits for it.
type Message struct {
	ID   string // unique, and the same however often it is sent
	Time time.Time
	To   string // normalised bare JID
	Text string // valid UTF-8, at most MaxMessage bytes
}

const (
	// MaxMessage is the longest text of a Message, in bytes.
	MaxMessage  = 4000
	maxMessages = 64 // that wait for a link
	cutMessage  = "\n… the rest is left out"
)

// Tell sends a text to one person as soon as a link can. It never blocks and
// keeps the message in memory only: what must survive a restart is an Alert.
// At most 64 wait; then the oldest is dropped, and the log says so. A text of
// more than MaxMessage bytes is cut, and says so.
func (a *Agent) Tell(to, text string) {
	if to == "" {
		return
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) > MaxMessage {
		text = cut(text, MaxMessage-len(cutMessage)) + cutMessage
	}
	a.Messages.put(Message{ID: rand.Text(), Time: time.Now(), To: to, Text: text}, a.log())
}

// Messages is a queue of messages for one link: in order, in memory. The zero
// value is ready. Its methods may be called from any goroutine.
type Messages struct {
	mu    sync.Mutex
	queue []Message
	news  chan struct{} // closed when one came; nil while nobody waits
}

func (m *Messages) put(msg Message, log *slog.Logger) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == maxMessages {
		log.Warn("a message was dropped: too many wait", "to", m.queue[0].To, "since", m.queue[0].Time)
		m.queue = append(m.queue[:0], m.queue[1:]...)
	}
	m.queue = append(m.queue, msg)
	if m.news != nil {
		close(m.news)
		m.news = nil
	}
}

// Next waits for the oldest message and leaves it in the queue: Sent removes
// it. The error is that of ctx.
func (m *Messages) Next(ctx context.Context) (Message, error) {
	for {
		m.mu.Lock()
		if len(m.queue) > 0 {
			msg := m.queue[0]
			m.mu.Unlock()
			return msg, nil
		}
		if m.news == nil {
			m.news = make(chan struct{})
		}
		news := m.news
		m.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// Sent removes a message that Next returned. One that was dropped meanwhile is
// not there any more, and nothing happens.
func (m *Messages) Sent(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) > 0 && m.queue[0].ID == id {
		m.queue = append(m.queue[:0], m.queue[1:]...)
	}
}
