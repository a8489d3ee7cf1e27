package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed slixmpp.py
var slixmppPlayer string

// contestants are the players by name, which is also that of their account.
var contestants = []string{"agent", "raw", "mellium", "slixmpp"}

// Rounds are short, and the contestants take turns, so that what else the
// machine does meets all of them. The first round of all warms up.
const (
	contestTime = 25 * time.Second
	leastRounds = 5
)

// A contest is one kind of node.
type contest struct {
	name  string
	batch int // readings of a round
	place func(*lab) place
	bound bool // a rate is promised for it
}

var (
	persistent = contest{"persistent PEP node", 8 * fields, func(*lab) place { return place{Access: "presence"} }, true}
	memory     = contest{"memory node", 20 * fields, func(l *lab) place { return place{l.PubSub, "open"} }, false}
)

// publish lets the contestants publish the same items on the same kind of node.
func (b *bench) publish(ctx context.Context, l *lab, c contest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var teams []*team
	var failed error
	for _, name := range contestants {
		t, err := b.startTeam(ctx, l, c, name)
		if t != nil {
			teams = append(teams, t)
		}
		failed = errors.Join(failed, err)
	}
	results := make(map[string][]round)
	began := time.Now()
	for k := 0; failed == nil && (k <= leastRounds || time.Since(began) < contestTime); k++ {
		for i := range teams {
			t := teams[(i+k)%len(teams)] // nobody always follows the same one
			r, err := t.play()
			if err != nil {
				failed = fmt.Errorf("%s, round %d: %w", t.name, k, err)
				break
			}
			if k > 0 {
				results[t.name] = append(results[t.name], r)
			}
		}
	}
	for _, t := range teams {
		failed = errors.Join(failed, t.end(cancel))
	}
	if failed == nil {
		b.tellPublish(c, l.Name+", "+c.name, results)
	}
	return failed
}

// A team is a player's process seen from outside.
type team struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
	log  *bytes.Buffer // stderr; read it when the process has ended
}

// startTeam makes the nodes of a contestant and starts its process. The team
// must be ended, if there is one, also with an error.
func (b *bench) startTeam(ctx context.Context, l *lab, c contest, name string) (*team, error) {
	p := c.place(l)
	if err := l.makeNodes(ctx, name, p); err != nil {
		return nil, err
	}
	j := job{
		JID: jidOf(name), Password: passwordOf(name), Domain: domain,
		Addr: l.Addr, TLSAddr: l.TLSAddr, CAFile: l.CAFile, place: p, Batch: c.batch,
		Payloads: filepath.Join(b.dir, name+".json"),
	}
	if name == contestants[0] {
		j.Profile = b.profile
	}
	payloads, err := publishes(ctx, name, p, j.Batch)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(payloads))
	for i, p := range payloads {
		texts[i] = string(p)
	}
	if err := writeJSON(j.Payloads, texts); err != nil {
		return nil, err
	}
	t, err := b.startProcess(ctx, name, j)
	if err != nil {
		return nil, err
	}
	_, err = t.read()
	return t, err
}

// startProcess starts a player and gives it its job.
func (b *bench) startProcess(ctx context.Context, name string, job any) (*team, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	argv := []string{self, "player", name}
	if name == "slixmpp" {
		argv = []string{"/usr/bin/python3", "-I", "-c", slixmppPlayer}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir, "PYTHONUTF8=1")
	log := &bytes.Buffer{}
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &team{name, cmd, in, json.NewDecoder(out), log}
	return t, json.NewEncoder(in).Encode(job)
}

func (t *team) play() (round, error) {
	if _, err := io.WriteString(t.in, "\n"); err != nil {
		return round{}, err
	}
	return t.read()
}

func (t *team) read() (r round, err error) {
	if err = t.out.Decode(&r); err == nil && r.Err != "" {
		err = errors.New(r.Err)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", t.name, err)
	}
	return r, err
}

// end ends the process, by force if something went wrong with it.
func (t *team) end(kill context.CancelFunc) error {
	_ = t.in.Close()
	var rest round
	if err := t.out.Decode(&rest); !errors.Is(err, io.EOF) {
		kill()
	}
	if err := t.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", t.name, err, t.log)
	}
	return nil
}

func writeJSON(file string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

// tellPublish adds the rows of a contest. A ratio is the median of the ratios
// of rounds that were played side by side.
func (b *bench) tellPublish(c contest, where string, results map[string][]round) {
	column := func(name string, of func(round) float64) (list []float64) {
		for _, r := range results[name] {
			list = append(list, of(r))
		}
		return list
	}
	ratio := func(of func(round) float64, other string) (list []float64) {
		mine, theirs := column("agent", of), column(other, of)
		for i := range mine {
			list = append(list, mine[i]/theirs[i])
		}
		return list
	}
	rates, cpus := "items/s:", "µs/item:"
	for _, name := range contestants {
		rates += "  " + name + " " + spread(column(name, round.rate))
		cpus += "  " + name + " " + spread(column(name, round.cpu))
	}
	allocs := fmt.Sprintf("allocations/item: agent %.0f, mellium %.0f", median(column("agent", round.allocs)), median(column("mellium", round.allocs)))
	ratios := fmt.Sprintf("ratio over %d rounds: ", len(results["agent"]))
	r := ratio(round.rate, "raw")
	if title := "publish rate / raw, 16 in flight: " + where; c.bound {
		b.table.least(title, "%.2f", median(r), 0.95, ratios+spread(r), rates)
	} else {
		b.table.tell(title, fmt.Sprintf("%.2f", median(r)), ratios+spread(r), rates)
	}
	r = ratio(round.cpu, "mellium")
	b.table.most("publish CPU / mellium: "+where, "%.2f", median(r), 0.6, ratios+spread(r), cpus, allocs)
	r = ratio(round.cpu, "slixmpp")
	b.table.most("publish CPU / slixmpp: "+where, "%.3f", median(r), 0.15, ratios+spread(r))
}
