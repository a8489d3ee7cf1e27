package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipit/agent/xmpp/sensordata"
)

const sensors = 10 // each with one reading every 10 s

// nodesOf are the nodes that the program publishes on.
func nodesOf() []string {
	nodes := []string{sensordata.NS}
	for i := range sensors {
		nodes = append(nodes, fmt.Sprintf("pipit/s%d", i))
	}
	return nodes
}

// A program is a running `pipit run`.
type program struct {
	cmd    *exec.Cmd
	began  time.Time
	stderr bytes.Buffer
}

// startProgram runs the program as the device, with simulated sensors. What it
// keeps is in the directory state.
func (b *bench) startProgram(ctx context.Context, l *lab, state string, people []string) (*program, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	var c strings.Builder
	fmt.Fprintf(&c, "[device]\nname = \"Bench\"\nstate_dir = %q\n", state)
	fmt.Fprintf(&c, "[xmpp]\njid = %q\npassword_file = \"password\"\nserver = %q\ndirect_tls = true\nca_file = %q\n", jidOf(device), l.TLSAddr, l.CAFile)
	c.WriteString("[people]\n")
	for _, p := range people {
		fmt.Fprintf(&c, "%q = \"owner\"\n", jidOf(p))
	}
	for i := range sensors {
		fmt.Fprintf(&c, "[sensor.s%d]\nkind = \"sim\"\nevery = \"10s\"\nshape = \"walk\"\nseed = %d\n", i, i)
	}
	config := filepath.Join(state, "config.toml")
	for file, text := range map[string]string{config: c.String(), filepath.Join(state, "password"): passwordOf(device)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	p := &program{cmd: exec.CommandContext(ctx, b.pipit, "run", "--config", config)}
	p.cmd.Stderr = &p.stderr
	p.began = time.Now()
	return p, p.cmd.Start()
}

// stop ends the program as systemd does.
func (p *program) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("pipit run: %w\n%s", err, p.stderr.String())
	}
	return nil
}

// cpuOf is what the threads of a process have run so far, by the scheduler's
// own count in nanoseconds. Go's runtime does not end threads.
func cpuOf(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// memoryOf returns what smaps_rollup says of a process, in bytes by key.
func memoryOf(pid int) (map[string]float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]float64)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "kB" {
			kilo, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				return nil, err
			}
			sizes[strings.TrimSuffix(f[0], ":")] = kilo * 1024
		}
	}
	return sizes, nil
}
