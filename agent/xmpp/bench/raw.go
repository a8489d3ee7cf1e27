package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"time"
)

// A rawPlayer writes stanzas that are ready to a TLS socket and counts results:
// what the server can take at this window. It joins what it may send at once.
type rawPlayer struct {
	job
	conn  *tls.Conn
	all   []string
	batch [][]byte
}

func newRawPlayer(_ context.Context, j job) (player, error) {
	all, err := j.payloads()
	if err != nil {
		return nil, err
	}
	_, conn, err := j.login()
	if err != nil {
		return nil, err
	}
	_, err = conn.Write([]byte("<presence/>"))
	return &rawPlayer{job: j, conn: conn, all: all}, err
}

func (p *rawPlayer) load(context.Context) error {
	p.batch = make([][]byte, p.Batch)
	for i := range p.batch {
		p.batch[i] = iq("r"+strconv.Itoa(i), p.Service, []byte(p.all[i]))
	}
	return nil
}

func (p *rawPlayer) send(ctx context.Context) (time.Duration, error) {
	deadline, _ := ctx.Deadline()
	if err := p.conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	var first time.Time
	in, rest := make([]byte, 64<<10), []byte(nil)
	sent, results := 0, 0
	for results < len(p.batch) {
		if now := min(len(p.batch), results+inFlight); now > sent {
			if _, err := p.conn.Write(bytes.Join(p.batch[sent:now], nil)); err != nil {
				return 0, err
			}
			sent = now
		}
		n, err := p.conn.Read(in)
		if err != nil {
			return 0, err
		}
		rest = append(rest, in[:n]...)
		got, failed, used := count(rest)
		if failed {
			return 0, errors.New("the server refuses: " + string(rest))
		}
		rest = append(rest[:0], rest[used:]...)
		if results += got; got > 0 && first.IsZero() {
			first = time.Now()
		}
	}
	return time.Since(first), nil
}

// count counts the results in what came in; what is used need not be looked
// at again.
func count(in []byte) (results int, failed bool, used int) {
	for {
		start := bytes.Index(in[used:], []byte("<iq "))
		if start < 0 {
			return results, failed, max(used, len(in)-len("<iq "))
		}
		used += start
		end := bytes.IndexByte(in[used:], '>')
		if end < 0 {
			return results, failed, used
		}
		tag := in[used : used+end]
		switch {
		case bytes.Contains(tag, []byte("type='result'")), bytes.Contains(tag, []byte(`type="result"`)):
			results++
		case bytes.Contains(tag, []byte("error")):
			failed = true
		}
		used += end
	}
}
