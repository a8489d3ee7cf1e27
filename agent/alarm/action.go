package alarm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pipit/agent"
)

const (
	maxActions = 64               // lines that wait to be run
	actionTime = 30 * time.Second // for one line
)

// An action is a line of do or on_clear.
type action struct{ rule, line string }

// actions is the queue of what rules do, run by one worker in their order.
type actions struct {
	wake chan struct{} // holds one

	mu   sync.Mutex
	list []action
}

// do lets the worker run lines of a rule.
func (p *Pager) do(d *desk, lines []string) {
	a := &p.actions
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range lines {
		if len(a.list) == maxActions {
			p.Log.Error("too much to do at once: the oldest is dropped", "rule", a.list[0].rule, "line", a.list[0].line)
			a.list = a.list[1:]
		}
		a.list = append(a.list, action{d.Name, l})
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *actions) next(ctx context.Context) (action, bool) {
	for {
		a.mu.Lock()
		if len(a.list) > 0 {
			first := a.list[0]
			a.list = a.list[1:]
			a.mu.Unlock()
			return first, true
		}
		a.mu.Unlock()
		select {
		case <-a.wake:
		case <-ctx.Done():
			return action{}, false
		}
	}
}

// act runs what rules do until ctx ends. It needs no network.
func (p *Pager) act(ctx context.Context) {
	for {
		a, ok := p.actions.next(ctx)
		if !ok {
			return
		}
		if err := p.run(ctx, a); err != nil && ctx.Err() == nil {
			p.Agent.Alert(a.rule, agent.Warning, fmt.Sprintf("I could not do %q: %v", a.line, err))
		}
	}
}

func (p *Pager) run(ctx context.Context, a action) error {
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	name, args, err := agent.ParseLine(a.line, p.Agent.CommandsFor("", agent.ViaRule))
	if err != nil {
		return err
	}
	_, err = p.Agent.Do(ctx, agent.Request{Via: agent.ViaRule, Rule: a.rule, Name: name, Args: args})
	return err
}

// CheckActions tells which lines of do and on_clear the device could not run.
// Agent.Commands must be set.
func (p *Pager) CheckActions() error {
	var errs []error
	commands := p.Agent.CommandsFor("", agent.ViaRule)
	for _, d := range p.desks {
		for _, key := range []struct {
			name  string
			lines []string
		}{{"do", d.Do}, {"on_clear", d.OnClear}} {
			for _, l := range key.lines {
				if err := checkAction(l, commands); err != nil {
					errs = append(errs, fmt.Errorf("rule.%s.%s: %q: %w", d.Name, key.name, l, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func checkAction(line string, commands []agent.Command) error {
	name, args, err := agent.ParseLine(line, commands)
	if err != nil {
		return err
	}
	for _, c := range commands {
		if c.Name != name {
			continue
		}
		if args, err = c.CheckArgs(args); err != nil {
			return err
		}
		if c.NeedsFor != nil && c.NeedsFor(args) > agent.Operator {
			return errors.New("that is for owners, and a rule is an operator")
		}
		if c.Confirm != agent.ConfirmNone && (c.ConfirmIf == nil || c.ConfirmIf(args)) {
			return errors.New("it asks for confirmation, which a rule cannot give")
		}
		return nil
	}
	return agent.ErrUnknown
}
