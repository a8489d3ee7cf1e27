package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/store"
)

const (
	commits = 300
	minutes = 30 * 24 * 60
)

// store measures the store alone: commits of ten readings as every 10 s on a
// device, and a query over 30 days.
func (b *bench) store(ctx context.Context) error {
	if err := b.storeWrites(ctx); err != nil {
		return err
	}
	return b.storeQuery(ctx)
}

func stored(name string, i int, start time.Time) agent.Reading {
	return agent.Reading{Name: name, Unit: "°C", Value: agent.Number(float64(i*7919%1000) / 10), Time: start.Add(time.Duration(i) * time.Minute)}
}

// commit makes the store commit and returns how long that took: Run commits
// when its context ends.
func commit(ctx context.Context, s *store.Store) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	end, _ := ctx.Deadline()
	err := s.Run(ctx)
	took := time.Since(end)
	if err == nil && s.Stats().Uncommitted > 0 {
		err = fmt.Errorf("the store did not commit: %s", s.Stats().Error)
	}
	return took, err
}

func (b *bench) storeWrites(ctx context.Context) error {
	s, err := store.Open(filepath.Join(b.dir, "store-writes"), store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	start := time.Now().Add(-commits * time.Minute)
	var took []float64
	cpu, wrote := processCPU(), writtenBytes()
	for i := range commits {
		for f := range sensors {
			s.Append(stored(fmt.Sprint("sensor", f, ".field"), i, start))
		}
		t, err := commit(ctx, s)
		if err != nil {
			return err
		}
		took = append(took, t.Seconds()*1000)
	}
	cpu, wrote = processCPU()-cpu, writtenBytes()-wrote
	n := float64(commits * sensors)
	b.table.tell("store: write of a reading", fmt.Sprintf("%.0f µs CPU, %.0f bytes", cpu.Seconds()*1e6/n, wrote/n),
		fmt.Sprintf("%d commits of %d readings: ms each %s; write_bytes %.0f; kept %.1f bytes a reading of file", commits, sensors, spread(took), wrote, float64(s.Stats().Bytes)/n))
	return nil
}

func (b *bench) storeQuery(ctx context.Context) error {
	s, err := store.Open(filepath.Join(b.dir, "store-query"), store.Options{Keep: 60 * 24 * time.Hour})
	if err != nil {
		return err
	}
	defer s.Close()
	const fields, batch = 5, 2000
	start := time.Now().Add(-minutes * time.Minute)
	var appending time.Duration
	for i := 0; i < minutes; i += batch {
		began := time.Now()
		for k := i; k < min(i+batch, minutes); k++ {
			for f := range fields {
				s.Append(stored(fmt.Sprint("sensor", f, ".field"), k, start))
			}
		}
		appending += time.Since(began)
		if _, err := commit(ctx, s); err != nil {
			return err
		}
	}
	var times []float64
	for range 21 {
		err := timed(&times, func() error {
			list, err := s.Buckets("sensor2.field", start.Truncate(time.Millisecond), time.Now(), 800)
			if err == nil && len(list) == 0 {
				err = fmt.Errorf("nothing is stored: %+v", s.Stats())
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	b.table.most("store: query of 30 days of one field, p50", "%.1f ms", median(times), 50,
		fmt.Sprintf("ms: %s; %d readings of each of %d fields, file %.1f bytes a reading; append %.2f µs", spread(times), minutes, fields,
			float64(s.Stats().Bytes)/(minutes*fields), appending.Seconds()*1e6/(minutes*fields)))
	return nil
}

// writtenBytes is what this process has caused to be written to storage so far.
func writtenBytes() float64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "\nwrite_bytes: ")
	number, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseFloat(number, 64)
	return n
}
