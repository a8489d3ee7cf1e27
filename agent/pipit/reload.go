package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"pipit/agent/config"
)

// A source is where the config comes from, and what says that it has changed.
type source struct {
	load func() (*config.Config, error)
	hup  <-chan os.Signal
}

// A reloader is the part that puts a new config in force. A bad one leaves the
// present one as it is; owners are told of it once.
type reloader struct {
	source
	device *running
	log    *slog.Logger
	asked  chan struct{} // holds one
	told   string        // to owners, of the last bad config
}

func newReloader(s source, d *running, log *slog.Logger) *reloader {
	return &reloader{source: s, device: d, log: log, asked: make(chan struct{}, 1)}
}

// Run reloads whenever that is asked for, until ctx ends. It returns nil.
func (r *reloader) Run(ctx context.Context) error {
	for {
		asked := false
		select {
		case <-ctx.Done():
			return nil
		case <-r.hup:
		case <-r.asked:
			asked = true
		}
		r.reload(func() {
			if !asked {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(lastWords):
			}
		})
	}
}

func (r *reloader) reload(wait func()) {
	cfg, err := r.load()
	if err != nil {
		r.refuse(err)
		return
	}
	r.told = ""
	for _, w := range cfg.Warnings {
		r.log.Warn(w)
	}
	c := differences(r.device.cfg.Load(), cfg)
	for _, key := range c.old.NeedRestart(cfg) {
		r.log.Warn("in force after the next start of the program only", "key", key)
	}
	r.device.exchange(cfg, wait)
	r.log.Info("config reloaded", "changed", c.String())
}

// ask checks the config, says what will change, and lets Run do it: who asks may
// use a part that is exchanged.
func (r *reloader) ask() (string, error) {
	cfg, err := r.load()
	if err != nil {
		return "", errors.New(strings.Join(refusal(err), "\n"))
	}
	c := differences(r.device.cfg.Load(), cfg)
	text := "Reloading: " + c.String() + "."
	if c.String() == "nothing" {
		text = "Nothing has changed."
	}
	if keys := c.old.NeedRestart(cfg); len(keys) > 0 {
		text += " In force after the next start of the program only: " + strings.Join(keys, ", ") + "."
	}
	select {
	case r.asked <- struct{}{}:
	default: // it is on its way
	}
	return text, nil
}

// refuse logs each problem and tells owners of them, once.
func (r *reloader) refuse(err error) {
	lines := refusal(err)
	for _, line := range lines[1:] {
		r.log.Error("config not reloaded", "problem", line)
	}
	text := strings.Join(lines, "\n")
	if text == r.told {
		return
	}
	r.told = text
	for _, jid := range r.device.agent.Owners() {
		r.device.agent.Tell(jid, text)
	}
}

// mostProblems are told, and at most so many bytes of each.
const (
	mostProblems = 10
	mostProblem  = 300
)

// refusal says in lines why a config is not put in force.
func refusal(err error) []string {
	problems := []string{err.Error()}
	if list, ok := errors.AsType[config.Problems](err); ok {
		problems = nil
		for _, p := range list {
			problems = append(problems, p.String())
		}
	}
	lines := []string{"The new config is not in force, the old one stays:"}
	if n := len(problems) - mostProblems; n > 0 {
		problems = append(problems[:mostProblems], fmt.Sprintf("and %d more", n))
	}
	for _, p := range problems {
		if len(p) > mostProblem {
			p = strings.ToValidUTF8(p[:mostProblem], "") + "…"
		}
		lines = append(lines, p)
	}
	return lines
}
