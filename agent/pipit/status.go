package main

import (
	"fmt"

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
		{st.Trimmed, "dropped because the file was at its max_size"},
		{st.Overflowed, "dropped because the disk failed and memory was full"},
	} {
		if dropped.n > 0 {
			lines = append(lines, fmt.Sprintf("store: %d readings %s", dropped.n, dropped.why))
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
