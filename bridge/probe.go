package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const probeTime = 5 * time.Second

// Probe logs in as another client beside the agent, publishes below base and
// waits to receive it: a broker that denies a publish by its ACL does not say so
// in MQTT 3.1.1. The error says which step failed, and what to do.
func Probe(ctx context.Context, broker Broker, base string) error {
	broker.ClientID = broker.ClientID + "-check"
	b := New(Config{Broker: broker, Log: slog.New(slog.DiscardHandler)})
	b.base = ""
	c, err := dial(ctx, b)
	if err != nil {
		return err
	}
	defer c.close()
	topic, word, came := base+"/probe", rand.Text(), make(chan struct{}, 1)
	c.in = func(m incoming) {
		if m.topic == topic && string(m.payload) == word {
			select {
			case came <- struct{}{}:
			default:
			}
		}
	}
	refused, err := c.subscribe(ctx, topic)
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", topic, err)
	}
	if len(refused) > 0 {
		return fmt.Errorf("the broker refuses to subscribe to %s: allow it in its ACL", topic)
	}
	if err := c.publish(ctx, topic, []byte(word), false); err != nil {
		return fmt.Errorf("publishing to %s: %w", topic, err)
	}
	timer := time.NewTimer(probeTime)
	defer timer.Stop()
	select {
	case <-came:
		return nil
	case <-c.lost:
		return c.cause()
	case <-timer.C:
		return fmt.Errorf("the broker took what was published to %s and does not deliver it: allow %s/# in its ACL, to read and to write", topic, base)
	case <-ctx.Done():
		return errors.New("interrupted")
	}
}
