package upload

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/xmpptest"
)

func login(t *testing.T, s *server.Server) *stanza.Router {
	t.Helper()
	link, err := stream.Dial(t.Context(), stream.Config{
		JID: xmpptest.JID(xmpptest.Device), Resource: "pipit", Server: s.Addr, RootCAs: s.Pool(),
		Password: func() (string, error) { return xmpptest.Password(xmpptest.Device), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	router := stanza.NewRouter(link, link.JID(), func(string) bool { return true }, slog.New(slog.DiscardHandler))
	wg.Go(func() { router.Run(ctx) })
	wg.Go(func() {
		if err := link.Serve(ctx, router.Receive); err != nil && ctx.Err() == nil {
			t.Log(err)
		}
	})
	t.Cleanup(func() {
		if err := link.Close(ctx); err != nil {
			t.Log(err)
		}
		end()
		wg.Wait()
	})
	return router
}

// Row 60 of the acceptance checks, on the servers that people run.
func TestServers(t *testing.T) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		r := login(t, s)
		service, err := Find(t.Context(), r, s.Domain)
		if err != nil || service.JID != "upload."+s.Domain || service.MaxSize < 1<<20 {
			t.Fatalf("found %+v, error %v", service, err)
		}
		f := File{Name: "one two°.bin", Type: "application/octet-stream", Data: make([]byte, 10<<10)}
		rand.Read(f.Data)
		url, err := Put(t.Context(), r, service, s.Pool(), f)
		if err != nil {
			t.Fatal(err)
		}
		if got := download(t, s, url); !bytes.Equal(got, f.Data) {
			t.Errorf("%d other bytes come back", len(got))
		}
		if _, err := Put(t.Context(), r, service, nil, f); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("with the roots of the system: error %v", err)
		}
		tooLarge(t, r, service)
	})
}

// tooLarge asks for a slot without looking at the limit that the service told.
func tooLarge(t *testing.T, r *stanza.Router, service Service) {
	var e *TooLargeError
	size := service.MaxSize + 1
	_, err := requestSlot(t.Context(), r, Service{JID: service.JID}, File{Name: "a", Type: "image/png"}, size)
	if !errors.As(err, &e) || *e != (TooLargeError{Size: size, Max: service.MaxSize}) {
		t.Errorf("error %v", err)
	}
}

func download(t *testing.T, s *server.Server, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.Pool()}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, error %v", resp.Status, err)
	}
	return data
}

func TestServersWithout(t *testing.T) {
	without := func(o *server.Options) { o.Without = []string{"http_file_share", "mod_http_upload"} }
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		if got, err := Find(t.Context(), login(t, s), s.Domain); !errors.Is(err, ErrNoService) {
			t.Errorf("found %+v, error %v", got, err)
		}
	}, without)
}
