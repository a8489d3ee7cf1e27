package emulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// A qmp speaks QEMU's machine protocol: one JSON object a line, a reply to each
// command, events between them.
type qmp struct {
	mu   sync.Mutex
	conn net.Conn
	in   *json.Decoder
}

// A reply is what QEMU sends: a greeting, an event, or the answer to a command.
type reply struct {
	Greeting json.RawMessage `json:"QMP"`
	Event    string          `json:"event"`
	Return   json.RawMessage `json:"return"`
	Error    *struct {
		Desc string `json:"desc"`
	} `json:"error"`
}

// dialQMP waits until the socket is there and begins to speak.
func dialQMP(ctx context.Context, path string) (*qmp, error) {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			q := &qmp{conn: conn, in: json.NewDecoder(conn)}
			if err := q.do(ctx, "qmp_capabilities", nil, nil); err != nil {
				conn.Close()
				return nil, err
			}
			return q, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("no answer on QEMU's control socket: %w", context.Cause(ctx))
		}
	}
}

// do runs a command and decodes what it returns into result, unless that is
// nil. The end of ctx ends the connection.
func (q *qmp) do(ctx context.Context, command string, arguments, result any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer context.AfterFunc(ctx, func() { q.conn.Close() })()
	b, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{command, arguments})
	if err != nil {
		return err
	}
	if _, err := q.conn.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	for {
		var r reply
		if err := q.in.Decode(&r); err != nil {
			return fmt.Errorf("%s: %w", command, errors.Join(err, context.Cause(ctx)))
		}
		switch {
		case r.Error != nil:
			return fmt.Errorf("%s: %s", command, r.Error.Desc)
		case r.Return == nil: // a greeting or an event
		case result == nil:
			return nil
		default:
			return json.Unmarshal(r.Return, result)
		}
	}
}
