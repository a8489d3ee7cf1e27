package mqtttest

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Message is what a subscriber received.
type Message struct {
	Topic, Payload string
	Retained       bool
}

// A Subscriber is mosquitto_sub, which connects again by itself. Its methods are
// called from the goroutine of the test.
type Subscriber struct {
	t   testing.TB
	cmd *exec.Cmd

	mu   sync.Mutex
	list []Message
	news chan struct{}
	done chan struct{}
}

// Subscribe starts a subscriber with QoS 1 and returns when the broker has its
// subscriptions. It ends with the test.
func Subscribe(t testing.TB, b *Broker, filters ...string) *Subscriber {
	t.Helper()
	fence := "fence/" + t.Name() + time.Now().Format("150405.000000")
	args := append(b.hostPort(), "-q", "1", "-F", "%j", "-t", fence)
	for _, f := range filters {
		args = append(args, "-t", f)
	}
	s := &Subscriber{t: t, cmd: exec.Command("/usr/bin/mosquitto_sub", args...), news: make(chan struct{}, 1), done: make(chan struct{})}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("%v: %s", err, install)
	}
	go func() {
		defer close(s.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			s.note(lines.Bytes())
		}
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		Publish(t, b, fence, "here", false)
		select {
		case <-s.news:
		case <-time.After(100 * time.Millisecond):
		}
		if len(s.take(func(m Message) bool { return m.Topic == fence })) > 0 {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal("mosquitto_sub does not subscribe")
		}
	}
}

func (s *Subscriber) note(line []byte) {
	var m struct {
		Topic   string `json:"topic"`
		Payload string `json:"payload"`
		Retain  int    `json:"retain"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		m.Topic, m.Payload = "not JSON", string(line)
	}
	s.mu.Lock()
	s.list = append(s.list, Message{m.Topic, m.Payload, m.Retain == 1})
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// take removes and returns the messages that match.
func (s *Subscriber) take(match func(Message) bool) (found []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(m Message) bool {
		ok := match(m)
		if ok {
			found = append(found, m)
		}
		return ok
	})
	return found
}

// Messages returns all that is there.
func (s *Subscriber) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// Wait waits for a message on a topic whose payload has all parts, removes it
// and returns it.
func (s *Subscriber) Wait(wait time.Duration, topic string, parts ...string) Message {
	s.t.Helper()
	match := func(m Message) bool {
		return m.Topic == topic && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(m.Payload, p) })
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		i := slices.IndexFunc(s.list, match)
		if i >= 0 {
			m := s.list[i]
			s.list = slices.Delete(s.list, i, i+1)
			s.mu.Unlock()
			return m
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-deadline.C:
			s.t.Fatalf("nothing on %s with %q within %v; there are %+v", topic, parts, wait, s.Messages())
		}
	}
}

// Publish publishes with mosquitto_pub and QoS 1.
func Publish(t testing.TB, b *Broker, topic, payload string, retained bool) {
	t.Helper()
	args := append(b.hostPort(), "-q", "1", "-t", topic)
	if payload == "" {
		args = append(args, "-n")
	} else {
		args = append(args, "-s")
	}
	if retained {
		args = append(args, "-r")
	}
	cmd := exec.Command("/usr/bin/mosquitto_pub", args...)
	cmd.Stdin = strings.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v, %s; %s", err, out, install)
	}
}
