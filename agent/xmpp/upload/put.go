package upload

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

const (
	putWait     = 5 * time.Minute // for slot and PUT; slots are valid for one to five
	maxName     = 255             // bytes of a file's name
	maxResponse = 64 << 10        // bytes of the response's header

	defaultType = "application/octet-stream"
)

// A File is what is uploaded.
type File struct {
	Name string // without directories, 1 to 255 bytes; the URL mostly ends with it
	Type string // media type, "" is application/octet-stream
	Data []byte // at least one byte
}

// Put uploads a file and returns the URL that others read it at. roots verify
// the HTTPS server, nil are those of the system. It takes five minutes at most,
// follows no redirects and uses no proxy. For the refusals of the service see
// TooLargeError and RetryError.
func Put(ctx context.Context, c Conn, s Service, roots *x509.CertPool, f File) (url string, err error) {
	if err := f.check(); err != nil {
		return "", err
	}
	if f.Type == "" {
		f.Type = defaultType
	}
	ctx, cancel := context.WithTimeout(ctx, putWait)
	defer cancel()
	got, err := requestSlot(ctx, c, s, f, int64(len(f.Data)))
	if err != nil {
		return "", err
	}
	if err := got.send(ctx, roots, f); err != nil {
		return "", fmt.Errorf("uploading %q to %s: %w", f.Name, got.put.Host, err)
	}
	return got.get, nil
}

func (f File) check() error {
	switch {
	case len(f.Data) == 0:
		return errors.New("a file to upload is empty")
	case f.Name == "" || len(f.Name) > maxName || strings.ContainsFunc(f.Name, badInName):
		return fmt.Errorf("%.40q cannot be the name of an upload: use 1 to %d bytes without / and \\", f.Name, maxName)
	}
	return nil
}

func badInName(r rune) bool { return r == '/' || r == '\\' || unicode.IsControl(r) }

// send does the PUT. A Transport, unlike a Client, follows no redirects, keeps
// no cookies, and does not put the URL in its errors.
func (s slot) send(ctx context.Context, roots *x509.CertPool, f File) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.put.String(), bytes.NewReader(f.Data))
	if err != nil {
		return errors.New("the put url is malformed")
	}
	req.Header = s.header
	req.Header.Set("Content-Type", f.Type)
	transport := &http.Transport{
		DisableKeepAlives: true, MaxResponseHeaderBytes: maxResponse,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	resp.Body.Close() // unread: it says nothing that is needed
	return checkStatus(resp.StatusCode)
}

func checkStatus(code int) error {
	switch {
	case code == http.StatusOK, code == http.StatusCreated, code == http.StatusNoContent:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("the server answers %d %s: redirects are not followed", code, http.StatusText(code))
	}
	return fmt.Errorf("the server answers %d %s", code, http.StatusText(code))
}
