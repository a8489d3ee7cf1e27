package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"pipit/agent/xmpp/pubsub"
)

// A replayJob is what the bare program publishes, again and again.
type replayJob struct {
	job
	Script []step
	Period time.Duration
}

// A step is a publish request at its time in the period.
type step struct {
	At      time.Duration
	Payload string
}

// scriptOf makes the requests that published what the watcher has received.
func scriptOf(ctx context.Context, from time.Time, list []notice) ([]step, error) {
	c := &capture{}
	nodes := make(map[string]*pubsub.Node)
	var script []step
	for _, n := range list {
		node := nodes[n.node]
		if node == nil {
			node = &pubsub.Node{Conn: c, Name: n.node, Access: "presence"}
			nodes[n.node] = node
		}
		if err := node.Publish(ctx, n.item.ID, n.item.Payload); err != nil {
			return nil, err
		}
		script = append(script, step{n.at.Sub(from), string(c.last)})
	}
	if len(script) == 0 {
		return nil, fmt.Errorf("nothing came in for %v", recorded)
	}
	return script, nil
}

// replay is the bare program: all stanzas of the period are ready, and so is
// everything it needs to send them. It runs until the
// end of its stdin.
func replay(ctx context.Context, line []byte, stdin io.Reader) error {
	var j replayJob
	if err := json.Unmarshal(line, &j); err != nil {
		return err
	}
	s, err := j.melliumSession()
	if err != nil {
		return err
	}
	ready := make([]tokens, len(j.Script))
	for i, step := range j.Script {
		if ready[i], err = tokensOf(string(iq("b"+strconv.Itoa(i), "", []byte(step.Payload)))); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(round{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	for start := time.Now(); ; start = start.Add(j.Period) {
		for i, step := range j.Script {
			select {
			case <-time.After(time.Until(start.Add(step.At))):
			case <-ctx.Done():
				return nil
			}
			again := ready[i].clone()
			if err := ask(s, &again); err != nil {
				return err
			}
		}
	}
}
