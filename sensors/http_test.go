package sensors

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// web serves answers by path.
func web(t *testing.T, answers map[string]string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, ok := answers[r.URL.RequestURI()]; ok && r.Method == http.MethodGet && r.UserAgent() == "pipit" {
			_, _ = io.WriteString(w, body)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	return s
}

func buildHTTP(t *testing.T, h *Host, url, keys string) *httpSensor {
	t.Helper()
	s := build(t, httpKind(), h, fmt.Sprintf("url = %q\n%s", url, keys)).Sensor.(*httpSensor)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestHTTP(t *testing.T) {
	s := web(t, map[string]string{
		"/now?key=secret": answer, "/number": "21.5\n", "/empty": "", "/html": "<html>", "/half": `{"a":`,
		"/exact": " " + strings.Repeat(" ", maxBody-2) + "1", "/huge": strings.Repeat(" ", maxBody) + "1",
	})
	host := strings.TrimPrefix(s.URL, "http://")
	tests := []struct {
		path, keys string
		want       []string
	}{
		{"/now?key=secret", "json = \"main.temp\"\nunit = \"°C\"", []string{": 21.5 °C"}},
		{"/now?key=secret", `json = "main.none"`, []string{": missing: there is no main.none in the answer"}},
		{"/now?key=secret", "fields = { b = \"sensors[1].value\", a = \"main.humidity\" }\nunits = { a = \"%\" }", []string{"a: 48 %", "b: true"}},
		{"/number", "", []string{": 21.5"}},
		{"/number", `unit = "V"`, []string{": 21.5 V"}},
		{"/number", `json = "a"`, []string{": missing: there is no a in the answer"}},
		{"/exact", "", []string{": 1"}},
		{"/huge", "", []string{"error: " + host + " answered with more than 256 KiB"}},
		{"/empty", "", []string{"error: the answer is empty"}},
		{"/html", "", []string{`error: "<html>" is not a number`}},
		{"/html", `json = "a"`, []string{`error: the answer is not JSON: "<html>"`}},
		{"/half", `json = "a"`, []string{`error: the answer is not JSON: "{\"a\":"`}},
		{"/none?key=secret", "", []string{"error: " + host + " answered with status 404 Not Found"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, read(t, buildHTTP(t, NewHost("/"), s.URL+tt.path, tt.keys))); diff != "" {
			t.Errorf("%s with %s: %s", tt.path, tt.keys, diff)
		}
	}
}

func TestHTTPFailsWithoutTheKey(t *testing.T) {
	s := web(t, nil)
	s.Close() // nobody listens
	got := strings.Join(read(t, buildHTTP(t, NewHost("/"), s.URL+"/?key=secret", "")), "")
	if !strings.HasPrefix(got, "error: get from 127.0.0.1:") || strings.Contains(got, "secret") || !strings.Contains(got, "refused") {
		t.Errorf("nobody listens: %q", got)
	}
}

func TestHTTPEndsInTime(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "2")
			_ = http.NewResponseController(w).Flush()
		}
		<-release
	}))
	defer s.Close()
	defer close(release)
	for _, path := range []string{"/head", "/body"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		readings, err := buildHTTP(t, NewHost("/"), s.URL+path, "").Read(ctx)
		if cancel(); readings != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, %v", path, readings, err)
		}
	}
}

func TestHTTPVerifiesTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "7") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer s.Close()
	h := tree(t, map[string]string{
		"/ca.pem":   string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})),
		"/none.pem": "no certificate",
	})
	named := strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // the certificate is for 127.0.0.1 and example.com
	for _, tt := range []struct{ url, ca, want string }{
		{s.URL, "/ca.pem", ": 7"},
		{s.URL, "", "certificate signed by unknown authority"},
		{s.URL, "/none.pem", "error: /none.pem holds no certificate in PEM form"},
		{s.URL, "/absent.pem", "missing: there is no /absent.pem"},
		{named, "/ca.pem", "certificate is valid for"},
	} {
		sensor := buildHTTP(t, h, tt.url, fmt.Sprintf("ca_file = %q", tt.ca))
		if got := strings.Join(read(t, sensor), ""); !strings.HasSuffix(got, tt.want) && !strings.Contains(got, tt.want) {
			t.Errorf("%s with %q: %q, want %q", tt.url, tt.ca, got, tt.want)
		}
	}
}

// A redirect is followed, but not for ever, not out of TLS, and not with the token.
func TestHTTPRedirects(t *testing.T) {
	var seen []string // host, token and referer of each request
	tell := func(r *http.Request) {
		seen = append(seen, strings.Join([]string{r.Host, r.Header.Get("Authorization"), r.Referer()}, " "))
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tell(r)
		_, _ = io.WriteString(w, "8")
	}))
	defer other.Close()
	var self string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tell(r)
		switch {
		case r.URL.Path == "/other":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case r.URL.Path == "/back":
			http.Redirect(w, r, strings.Replace(self, "//", "//anna:pw@", 1), http.StatusFound)
		case r.URL.Path > "/0":
			http.Redirect(w, r, "/"+string(r.URL.Path[1]-1), http.StatusFound)
		default:
			_, _ = io.WriteString(w, "7")
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	h := tree(t, map[string]string{
		"/ca.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})),
		"/token":  "tok-en\n",
	})
	chmod(t, h.path("/token"), 0o600)
	host := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	self = plain.URL
	tests := []struct {
		url  string
		want string
		seen []string
	}{
		{plain.URL + "/0", ": 7", []string{host(plain) + " Bearer tok-en "}},
		{plain.URL + "/3", ": 7", []string{host(plain) + " Bearer tok-en ", host(plain) + " Bearer tok-en ", host(plain) + " Bearer tok-en ", host(plain) + " Bearer tok-en "}},
		{plain.URL + "/4", "error: get from " + host(plain) + ": it redirects more than 3 times", nil},
		{plain.URL + "/other?key=secret", ": 8", []string{host(plain) + " Bearer tok-en ", host(other) + "  "}},
		{plain.URL + "/back", "error: get from " + host(plain) + ": it redirects with a password", nil},
		{secure.URL + "/2", ": 7", nil},
		{secure.URL + "/other", "error: get from " + host(secure) + ": it redirects from https to http", []string{host(secure) + " Bearer tok-en "}},
	}
	for _, tt := range tests {
		seen = nil
		sensor := buildHTTP(t, h, tt.url, "token_file = \"/token\"\nca_file = \"/ca.pem\"")
		if got := strings.Join(read(t, sensor), ""); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.url, got, tt.want)
		}
		if diff := cmp.Diff(tt.seen, seen); tt.seen != nil && diff != "" {
			t.Errorf("%s: %s", tt.url, diff)
		}
	}
}

func TestHTTPTokenFile(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer tok-en" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "7")
	}))
	defer s.Close()
	h := tree(t, map[string]string{"/run/good": "tok-en\r\n", "/open": "tok-en", "/wrong": "other", "/empty": "\n", "/two": "a\nb", "/long": strings.Repeat("x", maxToken+1)})
	for _, name := range []string{"/run/good", "/wrong", "/empty", "/two", "/long"} {
		chmod(t, h.path(name), 0o600)
	}
	chmod(t, h.path("/open"), 0o640)
	host := s.Listener.Addr().String()
	for name, want := range map[string]string{
		"/run/good": ": 7",
		"":          "error: " + host + " answered with status 401 Unauthorized: it may want a token, see token_file",
		"/wrong":    "error: " + host + " answered with status 401 Unauthorized: it does not take the token in /wrong",
		"/open":     "error: others may read /open (mode 0640): run chmod 600 on it",
		"/none":     "error: read /none: no such file or directory: it must be readable by the user that runs pipit",
		"/run":      "error: /run is not a regular file",
		"/empty":    "error: /empty is not one line with a token",
		"/two":      "error: /two is not one line with a token",
		"/long":     "error: /long is not one line with a token",
	} {
		sensor := buildHTTP(t, h, s.URL, fmt.Sprintf("token_file = %q", name))
		if got := strings.Join(read(t, sensor), ""); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	chmod(t, h.path("/run/good"), 0o440) // as systemd gives it
	t.Setenv("CREDENTIALS_DIRECTORY", "/run")
	if got := strings.Join(read(t, buildHTTP(t, h, s.URL, `token_file = "/run/good"`)), ""); got != ": 7" {
		t.Errorf("a credential: %q", got)
	}
	for _, dir := range []string{"", "/ru", "/run/good/x"} {
		t.Setenv("CREDENTIALS_DIRECTORY", dir)
		if credential(filepath.Clean("/run/good")) {
			t.Errorf("below %q", dir)
		}
	}
}

// One connection is kept between Reads, and given back by Close.
func TestHTTPKeepsOneConnection(t *testing.T) {
	conns := make(chan http.ConnState, 100)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "7") }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew || state == http.StateClosed {
			conns <- state
		}
	}
	s.Start()
	defer s.Close()
	sensor := buildHTTP(t, NewHost("/"), s.URL, "")
	for range 3 {
		if diff := cmp.Diff([]string{": 7"}, read(t, sensor)); diff != "" {
			t.Fatal(diff)
		}
	}
	if err := sensor.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []http.ConnState{http.StateNew, http.StateClosed} {
		select {
		case got := <-conns:
			if got != want {
				t.Errorf("connection is %v, want %v", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no connection is %v", want)
		}
	}
}
