package bridge

import (
	"context"
	"strings"
	"time"
)

const (
	importRate  = 100  // messages a second of other devices, over a longer time
	importBurst = 1000 // at once: retained ones come together
)

// takeImports makes readings of what other devices publish.
func (s *session) takeImports(ctx context.Context) error {
	limit := bucket{left: importBurst, last: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-s.imports:
			if s.isBirth(m) {
				s.comeUp()
				continue
			}
			now := time.Now()
			if !limit.take(now) {
				if s.counted.dropped.Add(1); limit.warn(now) {
					s.log.Warn("messages of other devices are dropped: too many a second", "at_most", importRate, "topic", m.topic)
				}
				continue
			}
			s.counted.received.Add(1)
			s.take(m, now)
		}
	}
}

// take hands the readings of a message on: those of an output to its driver,
// which the executor of outputs asks.
func (s *session) take(m incoming, now time.Time) {
	for _, r := range s.importer.take(m.topic, m.payload, m.retained, now) {
		if first, _, _ := strings.Cut(r.Name, "."); s.cfg.Own != nil && s.cfg.Own(first) {
			s.counted.dropped.Add(1)
			s.log.Debug("an imported reading was dropped: the device has one of this name", "reading", r.Name, "topic", m.topic)
			continue
		}
		if o, ok := s.outputs[r.Name]; ok {
			o.heard(r)
		} else if s.cfg.Put != nil {
			s.cfg.Put(r)
		}
	}
}

// isBirth tells whether a message says that Home Assistant has come up.
func (s *session) isBirth(m incoming) bool {
	return s.cfg.Announce != nil && m.topic == s.cfg.Announce().Discovery+"/status" && string(m.payload) == stateOnline
}

func (s *session) comeUp() {
	select {
	case s.born <- struct{}{}:
	default:
	}
}

// A bucket bounds a rate.
type bucket struct {
	left   float64
	last   time.Time
	warned time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.left = min(importBurst, b.left+now.Sub(b.last).Seconds()*importRate)
	b.last = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// warn reports true at most once a minute.
func (b *bucket) warn(now time.Time) bool {
	if now.Sub(b.warned) < time.Minute {
		return false
	}
	b.warned = now
	return true
}
