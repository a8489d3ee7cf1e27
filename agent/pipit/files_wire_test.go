package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/csv"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// download gets what a message links to, from the server whose name is only known here.
func download(t *testing.T, s *server.Server, message string) []byte {
	t.Helper()
	m := regexp.MustCompile(`<body>(https://[^<]+)</body>`).FindStringSubmatch(message)
	if m == nil || !strings.Contains(message, "jabber:x:oob") || strings.Count(message, m[1]) != 2 {
		t.Fatalf("no link in %s", message)
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.Pool()}}
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	res, err := (&http.Client{Transport: transport}).Get(m[1])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", res.Status, err)
	}
	return data
}

// shows waits until the device has read a level.
func (b *bench) shows(t *testing.T, c *xmpptest.Client, level string) {
	t.Helper()
	for range 8 { // the sensor is read five times a second, and ten questions may be asked at once
		time.Sleep(300 * time.Millisecond)
		c.Chat(full, "read level", "")
		if strings.Contains(c.Wait(xmpptest.Has("<body>level: "), patience), "<body>level: "+level+".0 cm") {
			return
		}
	}
	t.Fatalf("the level is not %s", level)
}

// Pictures and tables come as links that work; the answer comes first, in words.
func TestFilesOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		still := new(bytes.Buffer)
		if err := png.Encode(still, image.NewGray(image.Rect(0, 0, 64, 48))); err != nil {
			t.Fatal(err)
		}
		b := startDevice(t, s, fmt.Sprintf("[sensor.door]\nkind = \"camera\"\ncommand = \"file\"\npath = %q\n", write(t, t.TempDir(), "door.png", still.String(), 0o600)))
		owner, viewer := b.client(t, "owner/phone"), b.client(t, "viewer/x")
		for _, level := range []string{"12", "14", "11"} {
			b.set(t, level)
			b.shows(t, owner, level)
		}
		viewer.Chat(full, "plot level 1h", "")
		viewer.Wait(xmpptest.Has("<body>level, last 1 h: min 10.0 cm"), patience)
		picture := download(t, s, viewer.Wait(xmpptest.Has("<body>https://", ".png"), patience))
		if img, err := png.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() < 300 {
			t.Errorf("a picture of %d bytes: %v", len(picture), err)
		}
		viewer.Chat(full, "csv level", "")
		viewer.Wait(xmpptest.Has("<body>", "readings of level, last 7 days."), patience)
		table := download(t, s, viewer.Wait(xmpptest.Has("<body>https://", ".csv"), patience))
		if rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll(); err != nil || len(rows) < 5 || rows[1][1] != "10" || rows[1][2] != "cm" {
			t.Errorf("%q, %v", rows, err)
		}
		owner.Chat(full, "log 2", "")
		owner.Wait(xmpptest.Has("<body>The last 2 lines.\n```\n", "level="), patience)
		viewer.Chat(full, "photo", "")
		viewer.Wait(xmpptest.Has("<body>I do not know"), patience)
		owner.Chat(full, "photo", "")
		owner.Wait(xmpptest.Has("<body>door at "), patience)
		if photo := download(t, s, owner.Wait(xmpptest.Has("<body>https://", "/door-", ".png"), patience)); !bytes.Equal(photo, still.Bytes()) {
			t.Errorf("another photo of %d bytes", len(photo))
		}

		const command = "<command xmlns='http://jabber.org/protocol/commands' node='csv'"
		session := command + " sessionid='" + sessionOf(t, owner.IQ(full, "set", command+"/>")) + "'>"
		got := owner.IQ(full, "set", session+"<x xmlns='jabber:x:data' type='submit'><field var='name'><value>level</value></field></x></command>")
		if !strings.Contains(got, "The file comes as a message.") {
			t.Errorf("by form: %s", got)
		}
		download(t, s, owner.Wait(xmpptest.Has("<body>https://", ".csv"), patience))
	})
}

// Without an upload service what is text comes as text.
func TestNoUploadOnTheWire(t *testing.T) {
	t.Parallel()
	without := func(o *server.Options) { o.Without = []string{"http_file_share", "mod_http_upload"} }
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, "")
		viewer := b.client(t, "viewer/x")
		b.set(t, "12")
		b.shows(t, b.client(t, "owner/phone"), "12")
		viewer.Chat(full, "csv level 1h", "")
		viewer.Wait(xmpptest.Has("<body>The server of this device takes no files (XEP-0363).\n```\ntime,value,unit,quality\n", ",10,cm,good"), patience)
		viewer.Chat(full, "plot level 1h", "")
		viewer.Wait(xmpptest.Has("<body>The server of this device takes no files (XEP-0363).</body>"), patience)
	}, without)
}
