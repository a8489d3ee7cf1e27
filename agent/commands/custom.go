package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"pipit/agent"
)

const (
	maxPrograms = 4               // at once
	askerWaits  = 5 * time.Second // for the answer; later it is told by itself
)

// Programs runs the commands of the config. Set the fields before the first
// call and leave them alone afterwards, but for Custom, which only Commands reads.
//
//	Agent.Do ──> Command.Run ──> a goroutine of Run: Capture ──> the answer, within 5 s
//	                                                       └───> Tell, later
type Programs struct {
	Custom []agent.Custom
	// Capture runs a program as sensors.Host.Capture does.
	Capture func(ctx context.Context, argv, env []string, most int) (out []byte, more bool, err error)
	Tell    func(to, text string) // to a bare JID, as agent.Agent.Tell does
	Log     *slog.Logger

	mu      sync.Mutex
	live    context.Context // of the programs; nil unless Run runs
	wg      sync.WaitGroup
	running []*job
}

// A job is one run of a program.
type job struct {
	name, from string
	started    time.Time
	done       chan struct{} // closed when ans and err are set
	ans        agent.Answer
	err        error
	left       bool // the asker does not wait any more; under the mutex of Programs
}

// Run lets programs run until ctx ends; then it stops them and waits for them.
func (p *Programs) Run(ctx context.Context) error {
	p.mu.Lock()
	p.live = ctx
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.live = nil
	p.mu.Unlock()
	p.wg.Wait()
	return nil
}

// Commands returns the commands in the order of the config.
func (p *Programs) Commands() []agent.Command {
	list := make([]agent.Command, len(p.Custom))
	for i := range p.Custom {
		c := &p.Custom[i]
		list[i] = c.Command
		list[i].Run = func(ctx context.Context, req agent.Request) (agent.Answer, error) { return p.run(ctx, c, req) }
	}
	return list
}

// run starts a program and waits for it, but no longer than a person does. A
// local asker cannot be told later, so it waits to the end.
func (p *Programs) run(ctx context.Context, c *agent.Custom, req agent.Request) (agent.Answer, error) {
	words, err := c.Words(req.Args)
	if err != nil {
		return agent.Answer{}, err
	}
	j, err := p.start(c, words, req)
	if err != nil {
		return agent.Answer{}, err
	}
	var late <-chan time.Time
	if req.From != "" {
		t := time.NewTimer(askerWaits)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-j.done:
	case <-late:
	case <-ctx.Done():
	}
	if p.leave(j) {
		return agent.Answer{Text: c.Name + " was started. I report when it is done."}, nil
	}
	return j.ans, j.err
}

// leave notes that the asker waits no more, and reports false when the answer
// is there.
func (p *Programs) leave(j *job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-j.done:
	default:
		j.left = true
	}
	return j.left
}

// start begins a run unless too much is under way.
func (p *Programs) start(c *agent.Custom, words []string, req agent.Request) (*job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	same := slices.IndexFunc(p.running, func(j *job) bool { return j.name == c.Name })
	switch {
	case p.live == nil || p.live.Err() != nil:
		return nil, errors.New("this device is starting or stopping: try again in a moment")
	case same >= 0:
		return nil, fmt.Errorf("busy, %s was %s", c.Name, p.running[same].since())
	case len(p.running) >= maxPrograms:
		return nil, fmt.Errorf("busy with %d commands, %s was %s: try again later", len(p.running), p.running[0].name, p.running[0].since())
	}
	j := &job{name: c.Name, from: req.From, started: time.Now(), done: make(chan struct{})}
	p.running = append(p.running, j)
	live := p.live
	p.wg.Go(func() {
		ans, err := p.capture(live, c, words, req)
		p.finish(live, j, ans, err)
	})
	return j, nil
}

// since says who started a job, and when.
func (j *job) since() string {
	who := j.from
	if who == "" {
		who = "this device"
	}
	return fmt.Sprintf("started %s by %s", ago(max(time.Since(j.started), time.Second)), who)
}

// finish hands the answer to who waits for it, or tells it.
func (p *Programs) finish(live context.Context, j *job, ans agent.Answer, err error) {
	p.mu.Lock()
	p.running = slices.DeleteFunc(p.running, func(other *job) bool { return other == j })
	j.ans, j.err = ans, err
	close(j.done)
	left := j.left
	p.mu.Unlock()
	p.Log.Info("command ended", "command", j.name, "from", j.from, "took", time.Since(j.started).Round(time.Millisecond), "error", err)
	if left && j.from != "" && live.Err() == nil {
		p.Tell(j.from, j.report())
	}
}

// report writes what is told later.
func (j *job) report() string {
	head := fmt.Sprintf("%s, started %s,", j.name, ago(time.Since(j.started)))
	if j.err != nil {
		return head + " failed: " + j.err.Error()
	}
	return head + " is done:\n" + j.ans.Text
}

// capture runs the program and makes an answer of what it writes.
func (p *Programs) capture(live context.Context, c *agent.Custom, words []string, req agent.Request) (agent.Answer, error) {
	ctx, cancel := context.WithTimeout(live, c.Timeout)
	defer cancel()
	out, more, err := p.Capture(ctx, words, programEnv(c.Name, req), c.Output)
	text := readable(out)
	switch {
	case err != nil && live.Err() != nil:
		return agent.Answer{}, errors.New("stopped, because this device stops")
	case errors.Is(err, context.DeadlineExceeded):
		return agent.Answer{}, withLine(fmt.Sprintf("stopped after %s, which is its timeout", every(c.Timeout)), lastLine(text))
	case err != nil:
		return agent.Answer{}, failure(err, text)
	case more:
		text = strings.TrimSuffix(text, "\uFFFD") // half a character
		text += fmt.Sprintf("\n… cut: it wrote more than %d bytes", c.Output)
	case text == "":
		text = "Done."
	}
	return agent.Answer{Text: text}, nil
}

// programEnv tells a program who asks. TZ is passed on, so that it shows the
// same time as pipit does; nothing else of our environment is.
func programEnv(name string, req agent.Request) []string {
	env := []string{"PIPIT_COMMAND=" + name, "PIPIT_FROM=" + req.From, "PIPIT_VIA=" + string(req.Via)}
	if tz := os.Getenv("TZ"); tz != "" {
		env = append(env, "TZ="+tz)
	}
	return env
}

// withLine adds a line of a program to what happened to it.
func withLine(what, line string) error {
	if line == "" {
		return errors.New(what)
	}
	return fmt.Errorf("%s: %s", what, strings.TrimSuffix(line, "."))
}
