package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
)

// A job tells a player what to publish. It is a line of JSON on its stdin.
type job struct {
	JID, Password, Domain string
	Addr, TLSAddr, CAFile string
	place
	Batch    int
	Payloads string // file: a JSON list of the payloads of a batch, for those that do not make them
	Profile  string // directory, "" for none
}

// A player publishes batch after batch in a process of its own. After the job
// it says ready, then plays one round for each line on its stdin and reports
// it in JSON.
type player interface {
	// load makes a batch ready. It is not measured.
	load(ctx context.Context) error
	// send publishes it and returns the time from the first result to the last.
	send(ctx context.Context) (time.Duration, error)
}

// A round is what a player reports.
type round struct {
	Items  int
	Span   float64 // seconds from the first result to the last
	CPU    float64 // seconds, user and system, of the whole process
	Allocs float64
	Err    string
}

// rate is in items a second.
func (r round) rate() float64 { return float64(r.Items-1) / r.Span }

// cpu is in microseconds for an item.
func (r round) cpu() float64 { return r.CPU * 1e6 / float64(r.Items) }

func (r round) allocs() float64 { return r.Allocs / float64(r.Items) }

// play is the life of a player's process.
func play(ctx context.Context, name string) error {
	lines := bufio.NewReader(os.Stdin)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	if name == bare {
		return replay(ctx, line, lines)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return err
	}
	makers := map[string]func(context.Context, job) (player, error){"agent": newAgentPlayer, "raw": newRawPlayer, "mellium": newMelliumPlayer}
	if makers[name] == nil {
		return fmt.Errorf("no player is called %q", name)
	}
	p, err := makers[name](ctx, j)
	if err != nil {
		return err
	}
	return rounds(ctx, j, p, lines)
}

func rounds(ctx context.Context, j job, p player, lines *bufio.Reader) error {
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(round{}); err != nil { // ready
		return err
	}
	for k := 0; ; k++ {
		if _, err := lines.ReadBytes('\n'); errors.Is(err, io.EOF) {
			return nil
		}
		if err := p.load(ctx); err != nil {
			return err
		}
		stop, err := profile(j.Profile, k)
		if err != nil {
			return err
		}
		r, err := measure(ctx, p)
		stop()
		if err != nil {
			r.Err = err.Error()
		}
		r.Items = j.Batch
		if err := out.Encode(r); err != nil {
			return err
		}
	}
}

func measure(ctx context.Context, p player) (r round, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu := processCPU()
	span, err := p.send(ctx)
	r.CPU = (processCPU() - cpu).Seconds()
	runtime.ReadMemStats(&after)
	r.Span, r.Allocs = span.Seconds(), float64(after.Mallocs-before.Mallocs)
	return r, err
}

// processCPU is what this process has used so far, user and system.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// profile starts a CPU profile of one round, and writes the allocations when
// it is stopped.
func profile(dir string, k int) (stop func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("cpu-%d.pprof", k)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
		if f, err := os.Create(filepath.Join(dir, "allocs.pprof")); err == nil {
			_ = pprof.Lookup("allocs").WriteTo(f, 0)
			_ = f.Close()
		}
	}, nil
}

func (j job) pool() (*x509.CertPool, error) {
	ca, err := os.ReadFile(j.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", j.CAFile)
	}
	return pool, nil
}

// payloads reads those of a batch.
func (j job) payloads() (list []string, err error) {
	b, err := os.ReadFile(j.Payloads)
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err == nil && len(list) != j.Batch {
		err = fmt.Errorf("%s holds %d payloads, not %d", j.Payloads, len(list), j.Batch)
	}
	return list, err
}
