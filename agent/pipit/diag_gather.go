package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/agent/diag"
	"pipit/agent/store"
	"pipit/sensors"
)

const (
	diagTime    = 100 * time.Second // for all of it
	diagProgram = 10 * time.Second  // for one program
	diagOutput  = 4 << 20           // bytes that are read of one
	stateDir    = "/var/lib/pipit"  // where packages have it
)

// A piece is one file of the archive. err says what of it could not be had.
type piece struct {
	name, what, text string
	err              error
}

// A gatherer collects what the archive holds. It needs no config that is right.
type gatherer struct {
	root    string // "/", or a fake tree in tests
	host    *sensors.Host
	path    string // of the config
	offline bool

	cfg *config.Config // nil: it has problems
	bad error
}

// A diagSource is where a piece comes from.
type diagSource struct {
	name, what string
	get        func(ctx context.Context) (string, error)
}

// gather returns all pieces, within diagTime.
func (g *gatherer) gather(ctx context.Context) []piece {
	ctx, cancel := within(ctx, diagTime)
	defer cancel()
	g.cfg, g.bad = loadOn(g.path, g.host)
	var tree, rest []piece
	one := func(ctx context.Context, s diagSource) piece {
		p := piece{name: s.name, what: s.what}
		if p.err = context.Cause(ctx); p.err == nil {
			p.text, p.err = s.get(ctx)
		}
		return p
	}
	err := together(ctx,
		func(ctx context.Context) error { tree = g.check(ctx); return nil },
		func(ctx context.Context) error {
			for _, s := range g.sources() {
				rest = append(rest, one(ctx, s))
			}
			return nil
		})
	if err != nil {
		rest = append(rest, piece{name: "error.txt", err: err})
	}
	return append(tree, rest...)
}

func (g *gatherer) sources() []diagSource {
	return []diagSource{
		{"versions.txt", "the program and what it is built of", versions},
		{"config.toml", "the config in force", g.config},
		{"counters.txt", "readings of the kind self, as they were stored last", g.counters},
		{"store.txt", "the record of readings", g.store},
		{"log.txt", "the last lines of the journal", g.log},
		{"unit.txt", "the systemd unit", g.unit},
		{"crash.txt", "the trace of the last crash", g.crash},
		{"kernel.txt", "kernel, memory, mounts, modules", g.kernel},
		{"board.txt", "model, device nodes, rights", g.board},
		{"detect.json", "what pipit detect finds", g.detect},
	}
}

func versions(context.Context) (string, error) {
	text := fmt.Sprintf("pipit %s\n%s %s/%s, %d processors\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return text, errors.New("the program has no build information")
	}
	for _, s := range info.Settings {
		text += s.Key + " " + s.Value + "\n"
	}
	for _, m := range info.Deps {
		text += m.Path + " " + m.Version + " " + m.Sum + "\n"
	}
	return text, nil
}

func (g *gatherer) config(context.Context) (string, error) {
	if g.cfg == nil { // as it is written: what is wrong stands there
		text, err := headOf(g.path, diag.MaxFile)
		return text, errors.Join(g.bad, err)
	}
	text := g.cfg.Show()
	for _, w := range g.cfg.Warnings {
		text += "# " + w + "\n"
	}
	return text, nil
}

// check is the tree of pipit check, for people and for programs.
func (g *gatherer) check(ctx context.Context) []piece {
	text, list := piece{name: "check.txt", what: "what pipit check finds"}, piece{name: "check.json", what: "the same for programs"}
	if g.cfg == nil {
		text.err = errors.New("the config has problems: see config.toml")
		list.err = text.err
		return []piece{text, list}
	}
	i := newInspection(g.cfg)
	i.offline = g.offline
	r := i.run(ctx)
	var b strings.Builder
	text.err = r.write(&b, page{}, g.cfg) // whole lines: a secret that is folded is not found
	text.text = b.String()
	b.Reset()
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	list.err = e.Encode(r)
	list.text = b.String()
	return []piece{text, list}
}

func (g *gatherer) stateDir() string {
	if g.cfg == nil {
		return filepath.Join(g.root, stateDir)
	}
	return g.cfg.Device.StateDir
}

// inspection looks at the store; its last readings are those of the kind self.
func (g *gatherer) inspection(ctx context.Context) (store.Inspection, error) {
	ctx, cancel := context.WithTimeout(ctx, diagProgram)
	defer cancel()
	return store.Inspect(ctx, g.stateDir(), func(field string) bool {
		sensor, _, _ := strings.Cut(field, ".")
		return g.isSelf(sensor)
	})
}

func (g *gatherer) isSelf(sensor string) bool {
	if g.cfg == nil {
		return false
	}
	for _, t := range g.cfg.Sensors {
		if t.Name == sensor && t.Kind == "self" {
			return true
		}
	}
	return false
}

func (g *gatherer) counters(ctx context.Context) (string, error) {
	i, err := g.inspection(ctx)
	if err == nil && len(i.Last) == 0 {
		err = errors.New(`there are no stored readings of a sensor with kind = "self"`)
	}
	var b strings.Builder
	for _, r := range i.Last {
		b.WriteString(lineOf(r) + "\n")
	}
	return b.String(), err
}

func (g *gatherer) store(ctx context.Context) (string, error) {
	i, err := g.inspection(ctx)
	text := fmt.Sprintf("file: %s\nbytes: %d\nreadings: %d\nfields: %d\nbytes of alerts: %d\n", i.File, i.Bytes, i.Readings, i.Fields, i.Alerts)
	if !i.Oldest.IsZero() {
		text += "oldest: " + agent.Stamp(i.Oldest) + "\nnewest: " + agent.Stamp(i.Newest) + "\n"
	}
	for _, name := range i.SetAside {
		text += "damaged and set aside: " + name + "\n"
	}
	entries, _ := os.ReadDir(g.stateDir())
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			text += fmt.Sprintf("%s %d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), e.Name())
		}
	}
	return text, err
}

func (g *gatherer) log(ctx context.Context) (string, error) {
	return g.program(ctx, "journalctl", "-u", "pipit", "-n", "2000", "-o", "short-iso", "--no-pager")
}

func (g *gatherer) unit(ctx context.Context) (string, error) {
	return g.all(
		func() (string, error) {
			return g.program(ctx, "systemctl", "status", "--no-pager", "--full", "--lines=0", "pipit")
		},
		func() (string, error) { return g.program(ctx, "systemctl", "cat", "--no-pager", "pipit") },
	)
}

func (g *gatherer) crash(context.Context) (string, error) {
	text := ""
	for _, name := range []string{crashFile, crashToldFile} {
		data, err := headOf(filepath.Join(g.stateDir(), name), maxCrash)
		if errors.Is(err, os.ErrNotExist) {
			text += name + ": there is none\n"
			continue
		}
		if err != nil {
			return text, err
		}
		text += name + ":\n" + data + "\n"
	}
	return text, nil
}

func (g *gatherer) detect(ctx context.Context) (string, error) {
	ctx, cancel := within(ctx, detectTime)
	defer cancel()
	var b bytes.Buffer
	err := writeJSON(&b, g.host.Detect(ctx))
	return b.String(), err
}

// all joins what several sources give.
func (g *gatherer) all(list ...func() (string, error)) (text string, failed error) {
	for _, get := range list {
		part, err := get()
		text += part
		failed = errors.Join(failed, err)
	}
	return text, failed
}

// program runs one of the system's programs and returns the end of what it
// writes; an exit status other than 0 is a line of it.
func (g *gatherer) program(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := within(ctx, diagProgram)
	defer cancel()
	var out []byte
	var more bool
	var err error
	for _, dir := range []string{"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"} {
		out, more, err = g.host.Capture(ctx, append([]string{dir + name}, args...), nil, diagOutput)
		var missing *agent.MissingError
		if !errors.As(err, &missing) {
			break
		}
		err = errors.New("there is no such program")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	text := "$ " + name + " " + strings.Join(args, " ") + "\n" + diag.Tail(string(out), diag.MaxFile/2)
	if more {
		text = text[:strings.LastIndexByte(text, '\n')+1] + "... it wrote more\n"
	}
	return text + "\n", err
}

// headOf returns the first bytes of a regular file, in whole lines where it is
// longer. It does not wait for a pipe.
func headOf(path string, most int64) (string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	return diag.Head(string(data), int(most)), err
}

// credentials are files that a unit hands over with LoadCredential.
var credentials = regexp.MustCompile(`(?m)^\s*LoadCredential(?:Encrypted)?=[^:\s]+:(/\S+)`)

// redactor knows the secrets and the names of this device.
func (g *gatherer) redactor(files []piece, rawNames bool) *diag.Redactor {
	var more []string
	for _, f := range files {
		for _, m := range credentials.FindAllStringSubmatch(f.text, -1) {
			more = append(more, filepath.Join(g.root, m[1]))
		}
	}
	l := config.FindLeaks(g.path, more...)
	names := g.ownNames()
	add := func(kind string, list ...string) {
		for _, text := range list {
			names = append(names, diag.Name{Kind: kind, Text: text})
		}
	}
	add("place", l.Places...)
	add("domain", slices.DeleteFunc(l.Hosts, isAddress)...)
	add("user", l.Users...)
	add("host", l.Device, agent.CleanName(l.Device)) // the second in topics
	return diag.New(l.Secrets, names, rawNames)
}

// isAddress tells whether a host is a number: that has a form of its own.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// ownNames are those of the machine.
func (g *gatherer) ownNames() (names []diag.Name) {
	hostname, _ := os.Hostname()
	for _, n := range []struct{ kind, file string }{
		{"host", "/proc/sys/kernel/hostname"}, {"host", "/etc/hostname"}, {"machine", "/etc/machine-id"},
		{"serial", "/proc/device-tree/serial-number"}, {"serial", "/sys/class/dmi/id/product_serial"}, {"serial", "/sys/class/dmi/id/board_serial"},
	} {
		text, _ := headOf(filepath.Join(g.root, n.file), 4<<10)
		names = append(names, diag.Name{Kind: n.kind, Text: strings.TrimRight(text, "\x00\n")})
	}
	short, _, _ := strings.Cut(hostname, ".")
	home := filepath.Base(cmp.Or(os.Getenv("HOME"), "/"))
	return append(names, diag.Name{Kind: "host", Text: hostname}, diag.Name{Kind: "host", Text: short},
		diag.Name{Kind: "user", Text: home}, diag.Name{Kind: "user", Text: os.Getenv("USER")}, diag.Name{Kind: "user", Text: os.Getenv("SUDO_USER")})
}
