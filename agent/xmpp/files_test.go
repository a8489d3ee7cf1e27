package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/upload"
	"pipit/agent/xmpp/wire"
	"pipit/agent/xmpp/xmpptest"
)

func TestNoUpload(t *testing.T) {
	picture := &agent.File{Name: "plot.png", Type: "image/png", Data: []byte{1}}
	table := &agent.File{Name: "x.csv", Type: "text/csv", Data: []byte("time,value\r\n" + strings.Repeat("2026,1\r\n", 1000))}
	at := time.Date(2026, 11, 23, 17, 18, 0, 0, time.Local)
	for _, tt := range []struct {
		file *agent.File
		err  error
		want string
	}{
		{picture, fmt.Errorf("x has %w", upload.ErrNoService), "The server of this device takes no files (XEP-0363)."},
		{picture, &upload.TooLargeError{Size: 9e6, Max: 8e6}, "plot.png has 9000 kB, and the server takes 8000 kB at most: make the picture smaller."},
		{picture, &upload.TooLargeError{Size: 9e6}, "plot.png has 9000 kB, which is too much for the server: make the picture smaller."},
		{picture, &upload.RetryError{At: at}, "The server takes no more files for now; ask again after 17:18 on 23 November."},
		{picture, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}, "The upload to the server failed: tls: failed to verify certificate: unknown authority. ca_file in [xmpp] says whom this device trusts."},
		{picture, errors.New("no route"), "The upload to the server failed: no route. Ask again in a while."},
		{table, upload.ErrNoService, "The server of this device takes no files (XEP-0363).\n```\ntime,value\n2026,1"},
	} {
		got := noUpload(tt.file, tt.err)
		if tt.file == table {
			if !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(got, " more lines\n```") || len(got) > maxInline+200 {
				t.Errorf("%d bytes: %s", len(got), got)
			}
		} else if got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

// Files that wait are bounded by number and size, and whoever asks is told.
func TestFilesAreBounded(t *testing.T) {
	for size, want := range map[int]int{1: maxFiles, agent.MaxFile: maxWaiting / agent.MaxFile, agent.MaxFile / 3 * 2: 3} {
		l := New(Config{JID: "pi@example.org"}, &agent.Agent{}, slog.New(slog.DiscardHandler))
		for i := range 2 * maxFiles {
			if ok := l.chat.File("anna@example.org", &agent.File{Name: "x", Data: make([]byte, size)}); ok != (i < want) {
				t.Errorf("file %d of %d bytes: taken %v", i, size, ok)
			}
		}
		waiting := int64(0)
		for range want {
			waiting += int64(len((<-l.files).file.Data))
		}
		if l.waiting.Load() != waiting {
			t.Errorf("%d bytes wait, %d are counted", waiting, l.waiting.Load())
		}
	}
}

// A mute connection takes stanzas and answers none.
type mute chan struct{}

func (m mute) Send([]byte) error {
	m <- struct{}{}
	return nil
}

// A file waits for the next session when one ends over it, but not for ever;
// it is not sent to somebody who lost their role meanwhile.
func TestFileOutlivesSession(t *testing.T) {
	people := map[string]agent.Role{"anna@example.org": agent.Viewer}
	l := New(Config{JID: "pi@example.org"}, &agent.Agent{People: people}, slog.New(slog.DiscardHandler))
	l.chat.File("anna@example.org/phone", &agent.File{Name: "x", Data: []byte("x")})
	for i := range maxTries {
		asked := make(mute)
		s := &session{link: l, router: stanza.NewRouter(asked, "pi@example.org/pipit", l.mayAsk, l.log)}
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.sendFiles(ctx) }()
		<-asked // for an upload service
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
		left := 1
		if i == maxTries-1 {
			left = 0
		}
		if len(l.files) != left || l.waiting.Load() != int64(left) {
			t.Errorf("after %d sessions %d files wait, %d bytes", i+1, len(l.files), l.waiting.Load())
		}
	}
	s := &session{link: l, router: stanza.NewRouter(make(mute), "pi@example.org/pipit", l.mayAsk, l.log)}
	if err := s.sendParcel(t.Context(), nil, parcel{to: "eve@example.org/x", file: &agent.File{Name: "x"}}); err != nil {
		t.Error(err)
	}
}

// Files go to where they were asked for, and what is too large is told of.
func TestFilesOnServers(t *testing.T) {
	t.Parallel()
	limit := func(o *server.Options) { o.MaxFile = 20_000 }
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		t.Parallel()
		c := xmpptest.Slixmpp(t, s, xmpptest.Owner+"/phone")
		lab := "lab@" + s.MUC
		goIn(t, c, lab)
		d := newDevice(t, s)
		d.agent.Commands = append(d.agent.Commands, agent.Command{
			Name: "file", Needs: agent.Viewer, Params: []agent.Param{{Name: "size", Kind: agent.ParamNumber, Min: 1, Max: 1e6}},
			Run: func(_ context.Context, r agent.Request) (agent.Answer, error) {
				size, err := strconv.Atoi(r.Args["size"])
				return agent.Answer{Text: "here it is", File: &agent.File{Name: r.Args["size"] + ".bin", Type: "image/x-test", Data: make([]byte, size)}}, err
			}})
		d.cfg.Rooms = []Room{{Name: "lab", JID: lab, Nick: "pi", Commands: true}}
		d.run()
		c.Subscribe(xmpptest.JID(xmpptest.Device))
		c.Wait(xmpptest.Has("<presence", `from="`+lab+`/pi"`), patience)
		device := xmpptest.JID(xmpptest.Device) + "/pipit"
		c.Chat(device, "file 1000", "")
		c.Wait(xmpptest.Has("<body>here it is</body>"), patience)
		got := c.Wait(xmpptest.Has("<body>https://", "1000.bin</body>"), patience)
		h, err := wire.Scan([]byte(got))
		if err != nil || h.To != xmpptest.JID(xmpptest.Owner)+"/phone" || h.From != device || h.Type != "chat" || strings.Count(got, `id="`+h.ID+`"`) < 2 {
			t.Errorf("%v: %s", err, got)
		}
		for _, part := range []string{"<url>https://", "urn:xmpp:sid:0", "urn:xmpp:hints", "Auto-Submitted"} {
			if !strings.Contains(got, part) {
				t.Errorf("no %s in %s", part, got)
			}
		}
		c.Chat(device, "file 30000", "")
		c.Wait(xmpptest.Has("<body>30000.bin has 30 kB, and the server takes 20 kB at most: make the picture smaller.</body>"), patience)

		c.SendRaw("<message type='groupchat' id='g1' to='" + lab + "'><body>pi: file 2000</body></message>")
		c.Wait(xmpptest.Has(`from="`+lab+`/pi"`, `type="groupchat"`, "<body>anna: here it is</body>"), patience)
		c.Wait(xmpptest.Has(`from="`+lab+`/pi"`, `type="groupchat"`, "<body>https://", "2000.bin</body>", "<url>https://"), patience)
		c.SendRaw("<message type='chat' id='p1' to='" + lab + "/pi'><body>file 3000</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>")
		c.Wait(xmpptest.Has(`from="`+lab+`/pi"`, `type="chat"`, "<body>https://", "3000.bin</body>", "<url>https://"), patience)
		c.SendRaw("<message type='groupchat' id='g2' to='" + lab + "'><body>pi: file 40000</body></message>")
		c.Wait(xmpptest.Has(`from="`+lab+`/pi"`, `type="groupchat"`, "<body>anna: 40000.bin has 40 kB"), patience)

		d.proxy.Refuse(true)
		d.proxy.Cut()
		d.link.chat.File(xmpptest.JID(xmpptest.Owner), &agent.File{Name: "cut.bin", Data: []byte("x")})
		d.proxy.Refuse(false)
		c.Wait(xmpptest.Has("<body>https://", "cut.bin</body>"), patience)
	}, limit)
}
