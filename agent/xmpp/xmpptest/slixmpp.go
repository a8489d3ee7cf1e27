package xmpptest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
)

//go:embed slixmpp.py
var slixmppDriver string

const (
	python      = "/usr/bin/python3" // the one that Debian's packages install for
	noSlixmpp   = "slixmpp is not installed: run: sudo apt-get install -y python3-slixmpp"
	clientWait  = 30 * time.Second
	maxJSONLine = 16 << 20
)

// A Client is an XMPP client made by others: slixmpp in a process of its own.
// It accepts subscriptions and subscribes in return, is available, and answers
// disco#info and pings. Never use it to judge certificates: it does not check
// the host name.
//
// Its methods are called from the goroutine of the test, which they end when
// the client fails.
type Client struct {
	JID string // full

	t     testing.TB
	stdin io.WriteCloser
	done  chan struct{} // closed when the process has ended

	inbox  *inbox
	prefix string // of ids: two clients of one test never use the same
	seq    int
}

// Slixmpp logs a client in at s and returns when it is available. account is
// one of the accounts of this package, with a resource if one is asked for:
// "owner/phone", and nodes are those of Notify. The client is gone at the end of
// the test, or after Close.
func Slixmpp(t testing.TB, s *server.Server, account string, nodes ...string) *Client {
	t.Helper()
	local, resource, _ := strings.Cut(account, "/")
	if resource == "" {
		resource = "slixmpp"
	}
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c := startClient(t)
	c.command(map[string]any{
		"jid": JID(local) + "/" + resource, "password": Password(local),
		"host": host, "port": number, "ca": s.CAFile, "notify": nodes,
	})
	c.inbox.wait(t, "slixmpp", "to log in", clientWait, func() bool {
		c.inbox.mu.Lock()
		defer c.inbox.mu.Unlock()
		return c.JID != ""
	})
	return c
}

func startClient(t testing.TB) *Client {
	t.Helper()
	c := &Client{t: t, done: make(chan struct{}), inbox: newInbox(), prefix: "slix-" + rand.Text()[:8] + "-"}
	home := t.TempDir()
	cmd := exec.Command(python, "-I", "-c", slixmppDriver)
	cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=/usr/bin:/bin", "PYTHONUTF8=1"}
	cmd.Dir = home
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s (%v)", noSlixmpp, err)
	}
	c.stdin = stdin
	go func() {
		defer close(c.done)
		c.read(stdout)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		c.stop(cmd)
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("slixmpp said:\n%s", stderr.String())
		}
	})
	return c
}

// stop ends the process: gently, then not.
func (c *Client) stop(cmd *exec.Cmd) {
	_ = c.stdin.Close()
	select {
	case <-c.done:
		return
	case <-time.After(5 * time.Second):
	}
	_ = cmd.Process.Kill()
	<-c.done
}

// read takes what the driver reports until the driver ends.
func (c *Client) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxJSONLine)
	for lines.Scan() {
		var report struct{ In, Event, JID, Why string }
		if err := json.Unmarshal(lines.Bytes(), &report); err != nil {
			c.inbox.end(fmt.Sprintf("it printed %q", lines.Text()))
			continue
		}
		switch report.Event {
		case "":
			c.inbox.put(report.In)
		case "ready":
			c.inbox.change(func() { c.JID = report.JID })
		case "missing":
			c.inbox.end(noSlixmpp)
		default:
			c.inbox.end(report.Why)
		}
	}
	c.inbox.end("the process has ended")
}

func (c *Client) command(v any) {
	c.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.stdin.Write(append(b, '\n')); err != nil {
		c.t.Fatalf("slixmpp takes no commands: %v\n%s", err, c.inbox)
	}
}

// Close ends the client's stream as it should be ended.
func (c *Client) Close() {
	_ = c.stdin.Close()
	select {
	case <-c.done:
	case <-time.After(clientWait):
		c.t.Fatal("slixmpp does not end")
	}
}

// SendRaw sends XML as it is, well-formed or not.
func (c *Client) SendRaw(xml string) {
	c.t.Helper()
	c.command(map[string]any{"do": "raw", "xml": xml})
}

// Chat sends a chat message with further elements, and returns its id.
func (c *Client) Chat(to, body, extra string) string {
	c.t.Helper()
	id := c.nextID()
	c.SendRaw("<message type='chat' id='" + id + "' to='" + escape(to) + "'><body>" + escape(body) + "</body>" + extra + "</message>")
	return id
}

// Subscribe asks for somebody's presence.
func (c *Client) Subscribe(to string) {
	c.t.Helper()
	c.SendRaw("<presence type='subscribe' to='" + escape(to) + "'/>")
}

// Notify announces interest in PEP nodes (XEP-0163 section 4, "+notify") with a
// new presence. What it asks for next comes after the server has heard of that.
func (c *Client) Notify(nodes ...string) {
	c.t.Helper()
	c.command(map[string]any{"do": "notify", "nodes": nodes})
}

// IQ sends a request and returns the reply, result or error, as it came. to may
// be "" for the client's own account, typ is get or set.
func (c *Client) IQ(to, typ, payload string) string {
	c.t.Helper()
	id, addr := c.nextID(), ""
	if to != "" {
		addr = " to='" + escape(to) + "'"
	}
	c.SendRaw("<iq type='" + typ + "' id='" + id + "'" + addr + ">" + payload + "</iq>")
	return c.Wait(func(xml string) bool {
		tag, _, _ := strings.Cut(xml, ">")
		return strings.HasPrefix(tag, "<iq") && strings.Contains(tag, `id="`+id+`"`) &&
			(strings.Contains(tag, `type="result"`) || strings.Contains(tag, `type="error"`))
	}, clientWait)
}

func (c *Client) nextID() string {
	c.seq++
	return c.prefix + strconv.Itoa(c.seq)
}

// Wait returns the oldest stanza received that matches and was not returned
// before. The stanza has no xmlns of its own; attributes are in double quotes.
func (c *Client) Wait(match func(xml string) bool, timeout time.Duration) string {
	c.t.Helper()
	return c.inbox.expect(c.t, "slixmpp", match, timeout)
}

// Inbox returns all stanzas that were received and not returned by Wait or IQ.
// To show that something was not sent, first get the answer to a later request.
func (c *Client) Inbox() []string { return c.inbox.all() }

// Take returns the stanzas that Inbox returns, and forgets them.
func (c *Client) Take() []string { return c.inbox.empty() }

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;").Replace(s)
}
