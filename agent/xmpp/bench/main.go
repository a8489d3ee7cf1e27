// Command bench measures what Pipit promises, on private servers on loopback,
// and prints one table; `make bench` runs it. Each figure that compares is a
// ratio of numbers taken in the same run, side by side, because the machine
// may be shared and its speed changes.
//
//	build.go    the binary for armv6: its size; and the one that is measured
//	publish.go  rate and CPU of publishing: contestants, each in a process of its own (player.go),
//	            all sending the same stanzas to nodes of the same configuration, 16 in flight
//	            agent.go    the device's own Link, fed by a Record with a backlog
//	            raw.go      ready bytes on a TLS socket: the server's limit
//	            mellium.go  ready tokens through a mellium Session
//	            slixmpp.py  ready elements through slixmpp
//	start.go    the program: from its start to the first reading at a subscriber
//	idle.go     the program at 10 readings every 10 s: CPU beside mellium (bare.go), memory
//	trip.go     the program: round trips of commands and chat lines
//	store.go    the store: a commit, bytes written, a query
//
// Nothing here is a test: what is slow or over its bound is told, not failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	only := flag.String("only", "", "parts to measure, with commas: build, publish, start, idle, trip, store, ejabberd")
	profile := flag.String("profile", "", "directory for CPU and allocation profiles of the agent's publisher")
	flag.Parse()
	switch args := flag.Args(); {
	case len(args) == 2 && args[0] == "player":
		return play(ctx, args[1])
	case len(args) > 0:
		return fmt.Errorf("%q is no argument of bench", args[0])
	}
	b := &bench{profile: *profile}
	if *only != "" {
		b.only = strings.Split(*only, ",")
	}
	began := time.Now()
	err := errors.Join(b.run(ctx), b.clean())
	b.table.print(os.Stdout)
	fmt.Printf("\nmeasured in %v\n", time.Since(began).Round(time.Second))
	return err
}

// A bench is one run.
type bench struct {
	only    []string // parts; none: all
	profile string
	dir     string // temporary
	pipit   string // the program
	table   table
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "pipit-bench-"); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	if err := b.part("store", func() error { return b.store(ctx) }); err != nil {
		return err
	}
	return errors.Join(b.onProsody(ctx), b.part("ejabberd", func() error { return b.onEjabberd(ctx) }))
}

func (b *bench) onProsody(ctx context.Context) error {
	l, err := startLab(ctx, "prosody")
	if err != nil {
		return err
	}
	return errors.Join(
		b.part("publish", func() error { return b.publish(ctx, l, persistent) }),
		b.part("publish", func() error { return b.publish(ctx, l, memory) }),
		b.part("start", func() error { return b.start(ctx, l) }),
		b.part("trip", func() error { return b.trip(ctx, l) }),
		b.part("idle", func() error { return b.idle(ctx, l) }),
		l.stop(),
	)
}

func (b *bench) onEjabberd(ctx context.Context) error {
	l, err := startLab(ctx, "ejabberd")
	if err != nil {
		return err
	}
	return errors.Join(
		b.part("publish", func() error { return b.publish(ctx, l, persistent) }),
		b.part("trip", func() error { return b.trip(ctx, l) }),
		l.stop(),
	)
}

// part runs a part if it is wanted.
func (b *bench) part(name string, run func() error) error {
	if len(b.only) > 0 && !slices.Contains(b.only, name) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "bench:", name)
	if err := run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (b *bench) clean() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}
