package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"pipit/agent"
)

const (
	maxCommand  = 16 << 10 // bytes
	maxRecent   = 256      // ids that are remembered
	commandTime = time.Minute
	oldAfter    = time.Minute // a command that says when it was sent is too old then
	maxAnswer   = 64 << 10
)

// command is the payload of the topic command.
type command struct {
	Name string         `json:"name"`
	Args map[string]any `json:"args"`
	ID   string         `json:"id"`
	Time *time.Time     `json:"time"`
}

// answer is what goes back.
type answer struct {
	ID      string     `json:"id,omitempty"`
	OK      bool       `json:"ok"`
	Text    string     `json:"text,omitempty"`
	Columns []string   `json:"columns,omitempty"`
	Rows    [][]string `json:"rows,omitempty"`
	Error   string     `json:"error,omitempty"`
}

var (
	errRetained = errors.New("refused: it was retained by the broker, so nobody knows how old it is; publish it without retain")
	errOld      = errors.New("refused: it was sent more than a minute ago, or the clocks differ")
	errAgain    = errors.New("refused: a command with this id was run before")
)

func (s *session) isCommand(topic string) bool {
	return topic == s.base+"/command" || s.outputOf(topic) != ""
}

// outputOf returns the output that a topic sets, "" for another topic.
func (s *session) outputOf(topic string) string {
	name, ok := strings.CutPrefix(topic, s.base+"/output/")
	if !ok {
		return ""
	}
	name, ok = strings.CutSuffix(name, "/set")
	if !ok || strings.Contains(name, "/") {
		return ""
	}
	return name
}

// takeCommands runs commands, one after the other.
func (s *session) takeCommands(ctx context.Context) error {
	for {
		var m incoming
		select {
		case <-ctx.Done():
			return nil
		case m = <-s.commands:
		}
		topic, a := s.runMessage(ctx, m)
		if topic == "" {
			continue
		}
		if err := s.conn.publish(ctx, topic, clip(a), false); err != nil {
			return err
		}
	}
}

// clip writes an answer; one that is too long loses its table.
func clip(a answer) []byte {
	b := encode(a)
	if len(b) > maxAnswer {
		a.Columns, a.Rows = nil, nil
		a.Text = a.Text[:min(len(a.Text), maxAnswer/8)] + "\n… the rest is left out"
		b = encode(a)
	}
	return b
}

// runMessage does what a message asks and returns where the answer goes.
func (s *session) runMessage(ctx context.Context, m incoming) (topic string, a answer) {
	req := agent.Request{Via: agent.ViaMQTT}
	if name := s.outputOf(m.topic); name != "" {
		if len(m.payload) == 0 {
			return "", answer{} // a retained message was cleared
		}
		req.Name, req.Args = "set", map[string]string{"output": name, "value": string(m.payload)}
		return s.base + "/answer/" + name, s.run(ctx, m, req, "")
	}
	if len(m.payload) == 0 {
		return "", answer{}
	}
	c, err := parseCommand(m.payload)
	topic = s.base + "/answer"
	if err == nil && c.ID != "" {
		topic += "/" + c.ID
	}
	if err != nil {
		s.counted.refused.Add(1)
		return topic, answer{Error: err.Error()}
	}
	req.Name, req.Args = c.Name, argWords(c.Args)
	if c.Time != nil && time.Since(*c.Time).Abs() > oldAfter {
		return topic, s.refuse(req, c.ID, errOld)
	}
	return topic, s.run(ctx, m, req, c.ID)
}

// run gives a request to the agent.
func (s *session) run(ctx context.Context, m incoming, req agent.Request, id string) answer {
	if m.retained {
		return s.refuse(req, id, errRetained)
	}
	if id != "" && !s.recent.add(id) {
		return s.refuse(req, id, errAgain)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	ans, err := s.cfg.Agent.Do(ctx, req)
	if err != nil {
		return answer{ID: id, Error: err.Error()}
	}
	a := answer{ID: id, OK: true, Text: ans.Text, Columns: ans.Columns, Rows: ans.Rows}
	if ans.File != nil {
		a.Text += "\nThe file " + ans.File.Name + " does not go by MQTT."
	}
	return a
}

// refuse notes a request that is not run.
func (s *session) refuse(req agent.Request, id string, why error) answer {
	s.counted.refused.Add(1)
	s.log.Warn("a command was refused", "command", req.Name, "error", why)
	s.cfg.Agent.Audit.Add(req, why)
	return answer{ID: id, Error: why.Error()}
}

// parseCommand reads a command. The id is one that can stand in a topic.
func parseCommand(payload []byte) (c command, err error) {
	if len(payload) > maxCommand {
		return c, fmt.Errorf("a command has at most %d bytes", maxCommand)
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&c); err != nil {
		return command{}, fmt.Errorf(`that is no command: %v; write {"name": "read", "args": {"name": "outside"}, "id": "1"}`, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return command{}, errors.New("there is something behind the command")
	}
	if c.Name == "" {
		return command{}, errors.New("the command has no name")
	}
	if len(c.ID) > 64 || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return command{}, errors.New("an id is made of at most 64 letters, digits, _ and -")
	}
	return c, nil
}

// argWords writes arguments as the agent takes them.
func argWords(args map[string]any) map[string]string {
	list := make(map[string]string, len(args))
	for name, v := range args {
		switch v := v.(type) {
		case string:
			list[name] = v
		case nil:
		case []any:
			parts := make([]string, len(v))
			for i, p := range v {
				parts[i] = fmt.Sprint(p)
			}
			list[name] = strings.Join(parts, " ")
		default:
			list[name] = fmt.Sprint(v)
		}
	}
	return list
}

// recent remembers the ids of the last commands. The zero value is empty.
type recent struct {
	mu   sync.Mutex
	ids  map[string]bool
	ring [maxRecent]string
	next int
}

// add reports false for an id that is remembered.
func (r *recent) add(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids[id] {
		return false
	}
	if r.ids == nil {
		r.ids = make(map[string]bool)
	}
	delete(r.ids, r.ring[r.next])
	r.ids[id], r.ring[r.next] = true, id
	r.next = (r.next + 1) % maxRecent
	return true
}
