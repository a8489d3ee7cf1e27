package main

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"slices"
	"sync"
	"time"

	"pipit/agent"
	"pipit/agent/config"
)

const (
	checkTime  = 57 * time.Second // for all parts
	lagTime    = 2 * time.Second  // more, for one that does not stop when it is told to
	sensorTime = 30 * time.Second
	mqttTime   = 20 * time.Second
	boardTime  = 5 * time.Second
	unitTime   = 5 * time.Second
)

// An inspection is one run of check. Its fields are the doors to the world, for
// tests to replace.
type inspection struct {
	cfg       *config.Config
	offline   bool
	resolver  resolver
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	systemctl func(ctx context.Context, args ...string) ([]byte, error) // nil: there is none
	proc      string                                                    // "/proc"
	synced    func() bool                                               // see agent.KernelSynced

	unit  unitFacts
	agent agentFacts
	names chan []string // of readings, from the sensors to the server's nodes
}

// A resolver looks names up; *net.Resolver is one.
type resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// A part is what is looked at by itself, beside the others.
type part struct {
	nodes  string // ids that are in the tree in any case
	online bool   // it connects somewhere
	bound  time.Duration
	look   func(ctx context.Context, b branch)
}

// parts is the order of the tree.
func (i *inspection) parts() []part {
	return []part{
		{"file secrets", false, boardTime, i.files},
		{serverNodes, true, checkTime, i.server},
		{"sensors", false, sensorTime, i.sensors},
		{"outputs", false, sensorTime, i.outputs},
		{"mqtt", true, mqttTime, i.mqtt},
		{"clock", false, boardTime, i.clock},
		{"disk", false, boardTime, i.disk},
		{"unit", false, boardTime, i.tellUnit},
	}
}

// run looks at everything. It returns within a minute, and soon after ctx has
// ended, with what was found until then.
func (i *inspection) run(parent context.Context) *result {
	ctx, cancel := context.WithTimeout(parent, checkTime)
	defer cancel()
	i.unit = i.askUnit(ctx)
	i.agent = i.findAgent()
	parts := i.parts()
	lists := make([][]finding, len(parts))
	var wg sync.WaitGroup
	for n, p := range parts {
		wg.Go(func() { lists[n] = i.finish(ctx, p) })
	}
	wg.Wait()
	return newResult(i.cfg, slices.Concat(lists...), parent.Err() != nil)
}

// finish looks at one part, and adds the nodes that this has left out.
func (i *inspection) finish(ctx context.Context, p part) []finding {
	t := &tree{}
	why := "not tried: --offline"
	if !i.offline || !p.online {
		why = i.await(ctx, p, t)
	}
	f := finding{State: stateSkipped, Text: why}
	if why == tooLong {
		f.State, f.Hint = stateFailed, "try again; if it stays so, see what hangs"
	}
	late := &tree{list: t.findings()} // t may still be filled by what was left behind
	late.rest(p.nodes, f)
	return late.findings()
}

const tooLong = "no end within its time"

// await waits for a part, and says why it has no more nodes than it has. One
// that hangs in a system call, such as on a dead network file system, is left
// behind: the program ends soon.
func (i *inspection) await(parent context.Context, p part, t *tree) (why string) {
	ctx, cancel := context.WithTimeout(parent, p.bound)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.look(ctx, branch{tree: t})
	}()
	select {
	case <-done:
	case <-ctx.Done():
		late := time.NewTimer(lagTime)
		defer late.Stop()
		select {
		case <-done:
		case <-late.C:
		}
	}
	switch {
	case errors.Is(parent.Err(), context.Canceled):
		return "not tried: interrupted"
	case ctx.Err() != nil:
		return tooLong
	}
	return "not tried"
}

// newInspection opens the doors of this machine.
func newInspection(cfg *config.Config) *inspection {
	i := &inspection{
		cfg: cfg, resolver: net.DefaultResolver, dial: new(net.Dialer).DialContext, proc: "/proc", synced: agent.KernelSynced,
		names: make(chan []string, 1),
	}
	if program, err := exec.LookPath("systemctl"); err == nil {
		i.systemctl = func(ctx context.Context, args ...string) ([]byte, error) {
			c := exec.CommandContext(ctx, program, args...)
			c.WaitDelay = time.Second
			return c.Output()
		}
	}
	return i
}
