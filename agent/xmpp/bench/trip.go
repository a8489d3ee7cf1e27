package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"pipit/agent/xmpp/adhoc"
	"pipit/agent/xmpp/remote"
)

const (
	calls = 25 // of one person with forms, fewer than are taken at once
	lines = 10 // of one person: more at once are refused
)

// trip measures round trips of commands and chat lines to the program, beside
// pings of the server from the same client.
func (b *bench) trip(ctx context.Context, l *lab) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	people := []string{owner}
	for i := range talkers {
		people = append(people, talker(i))
	}
	p, err := b.startProgram(ctx, l, filepath.Join(b.dir, "trip-"+l.Name), people)
	if err != nil {
		return err
	}
	if err := b.commands(ctx, l); err != nil {
		return err
	}
	if err := b.chats(ctx, l); err != nil {
		return err
	}
	return p.stop()
}

func (b *bench) commands(ctx context.Context, l *lab) error {
	v, err := l.visit(ctx, owner, nil)
	if err != nil {
		return err
	}
	defer v.close()
	ping := func() error {
		_, err := v.router.Request(ctx, domain, "get", []byte("<ping xmlns='urn:xmpp:ping'/>"))
		return err
	}
	var commands, pings []float64
	for i := range talkers {
		if err := call(ctx, l, talker(i), &commands, func() error { return timed(&pings, ping) }); err != nil {
			return fmt.Errorf("%s: %w", talker(i), err)
		}
	}
	raw := fmt.Sprintf("ms over %d: p50 %.2f p90 %.2f p99 %.2f; ping of the server: p50 %.2f p99 %.2f", len(commands),
		median(commands), quantile(commands, 0.9), quantile(commands, 0.99), median(pings), quantile(pings, 0.99))
	b.table.most("ad-hoc round trip p50, "+l.Name, "%.2f ms", median(commands), 2, raw)
	b.table.most("ad-hoc round trip p99, "+l.Name, "%.2f ms", quantile(commands, 0.99), 10)
	return nil
}

// call runs the commands of one person, each followed by a ping.
func call(ctx context.Context, l *lab, account string, times *[]float64, ping func() error) error {
	client, err := remote.Open(ctx, l.login(account), jidOf(device))
	if err != nil {
		return err
	}
	defer client.Close()
	version := func() error {
		_, err := client.Call(ctx, "version", nil, adhoc.Consent{})
		return err
	}
	if err := version(); err != nil { // and wait for the device
		return err
	}
	for range calls {
		if err := timed(times, version); err != nil {
			return err
		}
		if err := ping(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) chats(ctx context.Context, l *lab) error {
	var times []float64
	for i := range talkers {
		if err := talk(ctx, l, talker(i), &times); err != nil {
			return fmt.Errorf("%s: %w", talker(i), err)
		}
	}
	b.table.tell("chat round trip p50 and p99, "+l.Name, fmt.Sprintf("%.2f and %.2f ms", median(times), quantile(times, 0.99)),
		fmt.Sprintf("ms over %d lines of %d people: p90 %.2f", len(times), talkers, quantile(times, 0.9)))
	return nil
}

// talk sends the lines of one person.
func talk(ctx context.Context, l *lab, account string, times *[]float64) error {
	client, err := remote.Open(ctx, l.login(account), jidOf(device))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Online(ctx); err != nil {
		return err
	}
	for range lines {
		err := timed(times, func() error {
			if _, err := client.Say("version"); err != nil {
				return err
			}
			_, err := client.Hear(ctx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// timed adds how long f takes, in milliseconds.
func timed(list *[]float64, f func() error) error {
	start := time.Now()
	err := f()
	*list = append(*list, time.Since(start).Seconds()*1000)
	return err
}
