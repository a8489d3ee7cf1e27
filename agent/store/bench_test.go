package store

import (
	"fmt"
	"testing"
	"time"

	"pipit/agent"
)

func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	r := reading("a", 1)
	for i := 0; b.Loop(); i++ {
		s.Append(r)
		if i%10000 == 0 {
			b.StopTimer()
			commit(b, s)
			b.StartTimer()
		}
	}
}

// BenchmarkCommit commits ten readings of each of ten fields.
func BenchmarkCommit(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	before := s.db.Stats()
	i, commits := 0, 0
	for b.Loop() {
		for range 10 {
			for f := range 10 {
				s.Append(reading(fmt.Sprint("sensor", f, ".field"), i))
			}
			i++
		}
		commit(b, s)
		commits++
	}
	after := s.db.Stats()
	st := after.Sub(&before).TxStats
	b.ReportMetric(float64(st.GetPageAlloc())/float64(commits), "bytes/commit")
	b.ReportMetric(float64(st.GetWrite())/float64(commits), "writes/commit")
}

// BenchmarkBuckets sums up 30 days at one a minute of one field among five.
func BenchmarkBuckets(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	const n = 30 * 24 * 60
	for i := range n {
		for f := range 5 {
			r := reading(fmt.Sprint("sensor", f, ".field"), i)
			r.Value = agent.Number(float64(i*7919%1000) / 10)
			s.Append(r)
		}
		if i%10 == 9 {
			commit(b, s)
		}
	}
	st := s.db.Stats()
	used := s.Stats().Bytes - int64(st.FreePageN+st.PendingPageN)*pageSize
	for b.Loop() {
		list, err := s.Buckets("sensor2.field", start, start.Add(n*time.Minute), 800)
		if err != nil || list[0].Count != n/800 {
			b.Fatal(err, list[0])
		}
	}
	b.ReportMetric(float64(used)/float64(5*n), "bytes/reading")
}

// BenchmarkAppendAlert is two fdatasync(2) and little else.
func BenchmarkAppendAlert(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	pendingAlerts(b, s, "xmpp")
	for n := 0; b.Loop(); n++ {
		appendAlerts(b, s, n, n+1)
	}
}

// BenchmarkOpen opens a file that is full: 64 MB, 20 fields.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, Options{})
	for i := 0; s.Stats().Trimmed == 0; i++ {
		for f := range 20 {
			r := reading(fmt.Sprint("sensor", f, ".field"), i)
			r.Value = agent.Number(float64(i*7919%1000) / 10)
			s.Append(r)
		}
		if i%400 == 399 {
			commit(b, s)
		}
	}
	st := s.Stats()
	s.Close()
	for b.Loop() {
		s, err := Open(dir, Options{Keep: 100 * 365 * 24 * time.Hour})
		if err != nil || s.Stats().Readings != st.Readings {
			b.Fatal(err)
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(st.Bytes)/1e6, "MB")
	b.ReportMetric(float64(st.Readings)/1e6, "Mreadings")
}
