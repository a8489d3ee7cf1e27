package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

const (
	interval = 10 * time.Second // of the sensors
	recorded = 2 * interval     // what the bare program replays
	measured = 6 * interval
	settle   = 4 * time.Second
)

// idle runs the program at its usual load and beside it a bare program that
// publishes the same items at the same pace: a recording of the program's own.
func (b *bench) idle(ctx context.Context, l *lab) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	p, err := b.startProgram(ctx, l, filepath.Join(b.dir, "program"), []string{owner})
	if err != nil {
		return err
	}
	w, err := l.watch(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	w.collect(ctx, time.Now().Add(settle))
	from := time.Now()
	script, err := scriptOf(ctx, from, w.collect(ctx, from.Add(recorded)))
	if err != nil {
		return err
	}
	other, err := b.startProcess(ctx, bare, replayJob{
		job{JID: jidOf(bare), Password: passwordOf(bare), Domain: domain, TLSAddr: l.TLSAddr, CAFile: l.CAFile},
		script, recorded,
	})
	if err != nil {
		return err
	}
	if _, err := other.read(); err != nil {
		return err
	}
	w.collect(ctx, time.Now().Add(recorded)) // both are warm now
	return errors.Join(b.compare(ctx, w, p, other), other.end(cancel), p.stop())
}

// compare measures both programs over the same time.
func (b *bench) compare(ctx context.Context, w *watcher, p *program, other *team) error {
	pids := []int{p.cmd.Process.Pid, other.cmd.Process.Pid}
	var used [2]time.Duration
	for i, pid := range pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return err
		}
		used[i] = -cpu
	}
	n := len(w.collect(ctx, time.Now().Add(measured)))
	for i, pid := range pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return err
		}
		used[i] += cpu
	}
	ratio := float64(used[0]) / float64(used[1])
	b.table.most(fmt.Sprintf("CPU at %d readings every %v / bare mellium", sensors, interval), "%.2f", ratio, 1.3,
		fmt.Sprintf("%v: agent %v, bare %v for %d items (snapshots too)", measured, used[0].Round(100*time.Microsecond), used[1].Round(100*time.Microsecond), n))
	return b.tellMemory(pids[0])
}

func (b *bench) tellMemory(pid int) error {
	m, err := memoryOf(pid)
	if err != nil {
		return err
	}
	raw := fmt.Sprintf("smaps_rollup MB: Private_Clean %.1f (the program's own code and data files), Private_Dirty %.1f, Anonymous %.1f",
		m["Private_Clean"]/1e6, m["Private_Dirty"]/1e6, m["Anonymous"]/1e6)
	b.table.most("resident memory at that load", "%.1f MB", m["Rss"]/1e6, 14, raw)
	b.table.most("private memory at that load", "%.1f MB", m["Private_Dirty"]/1e6, 6, "Private_Dirty: what no file holds")
	return nil
}
