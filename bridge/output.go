package bridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"pipit/agent"
)

// confirmTime is how long a device may take to say that it is set.
const confirmTime = 3 * time.Second

// An output drives a lamp of another device through its topics. What it has is
// what the device says of itself; one that has said nothing yet is believed to
// have what it was last sent.
type output struct {
	bridge *Bridge
	as     agent.Import

	mu    sync.Mutex
	state agent.Reading // the newest of the device; no Name: none yet
	sent  agent.Value
	news  chan struct{} // closed when the device says something
}

func newOutput(b *Bridge, as agent.Import) *output {
	return &output{bridge: b, as: as, news: make(chan struct{})}
}

// heard notes what the device says of itself.
func (o *output) heard(r agent.Reading) {
	o.mu.Lock()
	o.state = r
	close(o.news)
	o.news = make(chan struct{})
	o.mu.Unlock()
	if o.bridge.cfg.Changed != nil {
		o.bridge.cfg.Changed(o.as.Name)
	}
}

// Set publishes the value and waits until the broker has it, and then up to 3 s
// for the device to say that it is so.
func (o *output) Set(ctx context.Context, v agent.Value) error {
	c := o.bridge.live.Load()
	if c == nil {
		return errors.New("the MQTT broker is away: try again when it is back")
	}
	if err := c.publish(ctx, o.as.Output.Topic, []byte(o.payload(v)), false); err != nil {
		return fmt.Errorf("publishing to %s: %w", o.as.Output.Topic, err)
	}
	o.mu.Lock()
	o.sent = v
	o.mu.Unlock()
	o.await(ctx, v)
	return nil
}

// await waits until the device has v, for a while: Get tells what it has.
func (o *output) await(ctx context.Context, v agent.Value) {
	timer := time.NewTimer(confirmTime)
	defer timer.Stop()
	for {
		o.mu.Lock()
		known, state, news := o.state.Name != "", o.state.Value, o.news
		o.mu.Unlock()
		if !known || o.same(state, v) {
			return
		}
		select {
		case <-news:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (o *output) same(a, b agent.Value) bool {
	x, okX := a.Float()
	y, okY := b.Float()
	return okX && okY && math.Abs(x-y) <= (o.as.Output.Max-o.as.Output.Min)*0.005
}

// payload writes a value as the device takes it.
func (o *output) payload(v agent.Value) string {
	word := v.String()
	if on, ok := v.Bool(); ok {
		word = o.as.Output.Off
		if on {
			word = o.as.Output.On
		}
	}
	if o.as.Output.Payload == "" {
		return word
	}
	return strings.ReplaceAll(o.as.Output.Payload, "{value}", word)
}

// Get returns what the device says that it has.
func (o *output) Get(context.Context) (agent.Value, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.state.Name == "" && o.sent.Kind() == agent.None:
		return agent.Value{}, &agent.MissingError{Reason: "the device has said nothing yet"}
	case o.state.Name == "":
		return o.sent, nil
	case o.state.Value.Kind() == agent.None:
		return agent.Value{}, errors.New(o.state.Reason)
	}
	if b, isBool := o.state.Value.Bool(); isBool && o.as.Output.Min < o.as.Output.Max {
		return agent.Value{}, fmt.Errorf("the device says %t where a number is expected: check path of [mqtt.import.%s]", b, o.as.Name)
	}
	if o.state.Value.Kind() != agent.IsBool && !(o.as.Output.Min < o.as.Output.Max) {
		return agent.Value{}, fmt.Errorf("the device says %q, which is neither on nor off: check path, on and off of [mqtt.import.%s]", o.state.Value, o.as.Name)
	}
	return o.state.Value, nil
}

// Close has nothing to give back.
func (o *output) Close() error { return nil }
