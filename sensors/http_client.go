package sensors

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	maxRedirects = 3
	maxHeader    = 32 << 10
	maxToken     = 4 << 10
)

// open makes the client at the first Read, or later when ca_file could not be read.
func (s *httpSensor) open() (*http.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	var roots *x509.CertPool // nil: the system's
	if s.cfg.CAFile != "" {
		pem, err := s.host.bytes(s.cfg.CAFile, nil)
		if err != nil {
			return nil, err
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", s.cfg.CAFile)
		}
	}
	s.client = newClient(roots)
	return s.client, nil
}

// newClient returns a client that keeps one connection, for HTTP/1.1 alone:
// there is one request at a time.
func newClient(roots *x509.CertPool) *http.Client {
	one := new(http.Protocols)
	one.SetHTTP1(true)
	return &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			DisableCompression:     true, // the bound of the body is the bound of what came
			MaxIdleConns:           1,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: maxHeader,
			Protocols:              one,
		},
	}
}

// checkRedirect follows few steps, never out of TLS, and takes the token off
// where another host, or another port of it, is asked. net/http has copied the
// headers by now. Its own rule is wider: it trusts subdomains and all ports.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first, last := via[0].URL, via[len(via)-1].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	case last.Scheme == "https" && req.URL.Scheme != "https":
		return errors.New("it redirects from https to http")
	case req.URL.User != nil:
		return errors.New("it redirects with a password")
	}
	req.Header.Del("Referer") // it holds the address, and that may hold a key
	if req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		req.Header.Del("Authorization")
	}
	return nil
}

// token reads a file that holds a token in one line. Nobody but the owner of
// the file may be able to read it, unless it is a systemd credential (below
// $CREDENTIALS_DIRECTORY).
func (h *Host) token(name string) (string, error) {
	f, err := os.OpenFile(h.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("read %s: %w: it must be readable by the user that runs pipit", name, errors.Unwrap(err))
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("read %s: %w", name, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a regular file", name)
	case info.Mode()&0o044 != 0 && !credential(name):
		return "", fmt.Errorf("others may read %s (mode %04o): run chmod 600 on it", name, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, errors.Unwrap(err))
	}
	token := strings.TrimRight(string(data), "\r\n")
	if token == "" || len(data) > maxToken || strings.ContainsFunc(token, notToken) {
		return "", fmt.Errorf("%s is not one line with a token", name)
	}
	return token, nil
}

// notToken tells what cannot stand in a header's token.
func notToken(r rune) bool { return r <= ' ' || r > '~' }

// credential tells whether a file is one that systemd gives to the service.
func credential(name string) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	rel, err := filepath.Rel(dir, name)
	return dir != "" && err == nil && filepath.IsLocal(rel)
}
