package upload

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A got is what the HTTP server was sent.
type got struct {
	Method, Path, Type, Auth, Custom string
	Length                           int64
	Body                             string
}

// serve starts an HTTPS server that answers as h does. Its slot is that of the
// fake; the requests are sent on the channel.
func serve(t *testing.T, headers string, h http.HandlerFunc) (*fake, *x509.CertPool, <-chan got) {
	t.Helper()
	requests := make(chan got, 10)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- got{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("X-A"), r.ContentLength, string(body)}
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &fake{replies: map[string]string{"up.x request": slotOf(srv.URL+"/put/secret", getURL, headers)}}, pool, requests
}

func answer(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

var upX = Service{JID: "up.x"}

func TestPut(t *testing.T) {
	c, pool, requests := serve(t, header("Authorization", "Bearer x")+header("X-A", "no")+header("Content-Type", "no"), answer(http.StatusCreated))
	for _, typ := range []string{"text/csv", ""} {
		url, err := Put(t.Context(), c, upX, pool, File{Name: "a.csv", Type: typ, Data: []byte("a,b\n")})
		if err != nil || url != getURL {
			t.Fatalf("%q, error %v", url, err)
		}
		want := got{Method: "PUT", Path: "/put/secret", Type: typ, Auth: "Bearer x", Length: 4, Body: "a,b\n"}
		if typ == "" {
			want.Type = "application/octet-stream"
		}
		if diff := cmp.Diff(want, <-requests); diff != "" {
			t.Error(diff)
		}
	}
	if !strings.Contains(c.raw[1], "content-type='application/octet-stream'") {
		t.Errorf("asked %s", c.raw[1])
	}
}

func TestPutStatus(t *testing.T) {
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	}
	tests := []struct {
		name string
		h    http.HandlerFunc
		err  string
	}{
		{"ok", answer(200), ""},
		{"created", answer(201), ""},
		{"no content", answer(204), ""},
		{"accepted", answer(202), "the server answers 202 Accepted"},
		{"redirect", redirect, "the server answers 307 Temporary Redirect: redirects are not followed"},
		{"forbidden", answer(403), "403 Forbidden"},
		{"too large", answer(413), "413 Request Entity Too Large"},
		{"fault", answer(500), "500 Internal Server Error"},
		{"unknown", answer(599), "the server answers 599"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, pool, requests := serve(t, "", tt.h)
			url, err := Put(t.Context(), c, upX, pool, File{Name: "a", Data: []byte("x")})
			if len(requests) != 1 {
				t.Errorf("%d requests", len(requests))
			}
			if tt.err == "" {
				if err != nil || url != getURL {
					t.Errorf("%q, error %v", url, err)
				}
				return
			}
			if err == nil || url != "" || !strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(err.Error(), `uploading "a" to 127.0.0.1:`) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q, error %v", url, err)
			}
		})
	}
}

// The body of a response may be endless, and its header too.
func TestPutResponseIsBounded(t *testing.T) {
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}
	c, pool, _ := serve(t, "", endless)
	if _, err := Put(t.Context(), c, upX, pool, File{Name: "a", Data: []byte("x")}); err != nil {
		t.Error(err)
	}
	c, pool, _ = serve(t, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("s", 2*maxResponse))
		w.WriteHeader(http.StatusCreated)
	})
	if _, err := Put(t.Context(), c, upX, pool, File{Name: "a", Data: []byte("x")}); err == nil {
		t.Error("a header without end is taken")
	}
}

func TestPutVerifies(t *testing.T) {
	c, _, requests := serve(t, "", answer(http.StatusCreated))
	for _, pool := range []*x509.CertPool{nil, x509.NewCertPool()} {
		var unknown x509.UnknownAuthorityError
		if _, err := Put(t.Context(), c, upX, pool, File{Name: "a", Data: []byte("x")}); !errors.As(err, &unknown) || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
	}
	if len(requests) > 0 {
		t.Error("sent to a server that nobody vouches for")
	}
}

func TestPutEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, pool, _ := serve(t, "", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := Put(ctx, c, upX, pool, File{Name: "a", Data: []byte("x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPutRefusesFile(t *testing.T) {
	tests := []struct {
		name string
		file File
		err  string
	}{
		{"empty", File{Name: "a"}, "empty"},
		{"no name", File{Data: []byte("x")}, "name"},
		{"folder", File{Name: "a/b", Data: []byte("x")}, "name"},
		{"control", File{Name: "a\nb", Data: []byte("x")}, "name"},
		{"long", File{Name: strings.Repeat("a", maxName+1), Data: []byte("x")}, "name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &fake{}
			if _, err := Put(t.Context(), c, upX, nil, tt.file); err == nil || !strings.Contains(err.Error(), tt.err) || len(c.log) != 0 {
				t.Errorf("error %v after %q", err, c.log)
			}
		})
	}
}
