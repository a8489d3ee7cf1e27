package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"pipit/agent/store"
)

// storeStatus tells the state of the store in lines for people: one when all
// is well, one more for each kind of trouble.
func storeStatus(st store.Stats) []string {
	lines := []string{fmt.Sprintf("store: %d readings in %.1f MB", st.Readings+uint64(st.Uncommitted), float64(st.Bytes)/1e6)}
	if st.Error != "" {
		lines[0] = fmt.Sprintf("store: %d readings in memory only, which a power cut would lose: %s", st.Uncommitted, st.Error)
	}
	if st.Notice != "" {
		lines = append(lines, "store: "+st.Notice)
	}
	for _, dropped := range []struct {
		n   uint64
		why string
	}{
		{st.Trimmed, "readings dropped because the file was at its max_size"},
		{st.Overflowed, "readings dropped because the disk failed and memory was full"},
		{st.AlertsDropped, "alerts dropped because too many waited to be sent"},
	} {
		if dropped.n > 0 {
			lines = append(lines, fmt.Sprintf("store: %d %s", dropped.n, dropped.why))
		}
	}
	for _, l := range st.Links {
		if l.Lag > backlogWorthTelling {
			lines = append(lines, fmt.Sprintf("%s: %d readings wait to be sent", l.Name, l.Lag))
		}
		if l.Lost > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d readings were dropped before they could be sent", l.Name, l.Lost))
		}
	}
	return lines
}

// backlogWorthTelling is how many readings may be on their way.
const backlogWorthTelling = 100

// logEvery is how often the counters go to the log, at debug level.
const logEvery = 5 * time.Minute

// lines tells the counters to owners.
func (h *health) lines() []string {
	c := h.counters()
	memory := "unknown"
	if c.memoryError == nil {
		memory = fmt.Sprintf("%.1f MB (%.1f MB private)", float64(c.rss)/1e6, float64(c.anon)/1e6)
	}
	return []string{
		fmt.Sprintf("counters: %d reconnects, %d resumes, %d unacked, %d in backlog, %d dropped", c.reconnects, c.resumes, c.unacked, c.backlog, c.dropped),
		fmt.Sprintf("memory: %s, %d goroutines; store: %d B", memory, c.goroutines, c.storeBytes),
	}
}

// Run logs the counters at debug level every 5 min until ctx ends. It returns nil.
func (h *health) Run(ctx context.Context) error {
	t := time.NewTicker(logEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if h.log.Enabled(ctx, slog.LevelDebug) {
			c := h.counters()
			h.log.Debug("counters", "reconnects", c.reconnects, "resumes", c.resumes, "unacked", c.unacked,
				"backlog", c.backlog, "dropped", c.dropped, "store_bytes", c.storeBytes, "store_error", c.storeError,
				"rss", c.rss, "rss_anon", c.anon, "goroutines", c.goroutines)
		}
	}
}
