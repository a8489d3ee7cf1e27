package upload

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// Bounds of what a service may answer.
const (
	maxURL     = 8 << 10 // bytes
	maxHeaders = 20
	maxHeader  = 8 << 10 // bytes of a value
	maxText    = 300     // bytes of an error's text that are shown
)

// A TooLargeError says that the service does not take a file of this size.
type TooLargeError struct {
	Size, Max int64 // bytes; Max is 0 when the service does not say
}

func (e *TooLargeError) Error() string {
	if e.Max == 0 {
		return fmt.Sprintf("the file is too large (%d bytes): the server does not say how much it takes", e.Size)
	}
	return fmt.Sprintf("the file is too large: %d bytes, the server takes %d at most", e.Size, e.Max)
}

// A RetryError says that the service takes no more for now, a quota for
// instance.
type RetryError struct {
	At  time.Time // when to try again, UTC
	Err *stanza.Error
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("%v; try again after %s", e.Err, e.At.Format(time.RFC3339))
}

func (e *RetryError) Unwrap() error { return e.Err }

// A slot is a place for one file.
type slot struct {
	put    *url.URL
	header http.Header // for the PUT; holds secrets
	get    string
}

// requestSlot asks a service for a slot. The error is a *TooLargeError, a
// *RetryError, another refusal as *stanza.Error, or of the connection.
func requestSlot(ctx context.Context, c Conn, s Service, f File, size int64) (slot, error) {
	if s.MaxSize > 0 && size > s.MaxSize {
		return slot{}, &TooLargeError{Size: size, Max: s.MaxSize}
	}
	reply, err := start(ctx, c, s.JID, appendRequest(nil, f, size))
	if err == nil && reply.Type == "error" {
		err = refusal(reply, size, s.MaxSize)
	}
	if err != nil {
		return slot{}, fmt.Errorf("asking %s for an upload slot: %w", s.JID, err)
	}
	got, err := parseSlot(reply)
	if err != nil {
		return slot{}, fmt.Errorf("the upload slot of %s: %w", s.JID, err)
	}
	return got, nil
}

func appendRequest(b []byte, f File, size int64) []byte {
	b = append(b, "<request xmlns='"+NS+"'"...)
	b = wire.Attr(b, "filename", f.Name)
	b = wire.Attr(b, "size", strconv.FormatInt(size, 10))
	b = wire.Attr(b, "content-type", f.Type)
	return append(b, "/>"...)
}

// start sends a get and waits for its reply, which may be an error.
func start(ctx context.Context, c Conn, to string, payload []byte) (*stanza.Stanza, error) {
	type answer struct {
		reply *stanza.Stanza
		err   error
	}
	answers := make(chan answer, 1)
	if err := c.Start(to, "get", payload, func(s *stanza.Stanza, err error) { answers <- answer{s, err} }); err != nil {
		return nil, err
	}
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refusal reads an error reply to a slot request; known is the size limit that
// the service told before.
func refusal(reply *stanza.Stanza, size, known int64) error {
	e := stanza.ErrorOf(reply)
	e.Text = cut(e.Text)
	var v struct {
		Error struct {
			TooLarge *struct {
				Max string `xml:"urn:xmpp:http:upload:0 max-file-size"`
			} `xml:"urn:xmpp:http:upload:0 file-too-large"`
			Retry struct {
				Stamp string `xml:"stamp,attr"`
			} `xml:"urn:xmpp:http:upload:0 retry"`
		} `xml:"error"`
	}
	if reply.Decode(&v) != nil {
		return e
	}
	if large := v.Error.TooLarge; large != nil {
		if told := parseSize(strings.TrimSpace(large.Max)); told > 0 {
			known = told
		}
		return &TooLargeError{Size: size, Max: known}
	}
	if at, err := time.Parse(time.RFC3339, v.Error.Retry.Stamp); err == nil {
		return &RetryError{At: at.UTC(), Err: e}
	}
	return e
}

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}

// parseSlot reads the answer to a slot request. Headers that XEP-0363 does not
// allow are left out.
func parseSlot(reply *stanza.Stanza) (slot, error) {
	var v struct {
		Slot struct {
			Put struct {
				URL     string `xml:"url,attr"`
				Headers []struct {
					Name  string `xml:"name,attr"`
					Value string `xml:",chardata"`
				} `xml:"urn:xmpp:http:upload:0 header"`
			} `xml:"urn:xmpp:http:upload:0 put"`
			Get struct {
				URL string `xml:"url,attr"`
			} `xml:"urn:xmpp:http:upload:0 get"`
		} `xml:"urn:xmpp:http:upload:0 slot"`
	}
	if err := reply.Decode(&v); err != nil {
		return slot{}, err
	}
	put, err := parseURL("put", v.Slot.Put.URL)
	if err != nil {
		return slot{}, err
	}
	if _, err := parseURL("get", v.Slot.Get.URL); err != nil {
		return slot{}, err
	}
	if n := len(v.Slot.Put.Headers); n > maxHeaders {
		return slot{}, fmt.Errorf("%d headers, more than %d", n, maxHeaders)
	}
	s := slot{put: put, header: make(http.Header), get: v.Slot.Get.URL}
	for _, h := range v.Slot.Put.Headers {
		if err := s.addHeader(h.Name, h.Value); err != nil {
			return slot{}, err
		}
	}
	return s, nil
}

func (s slot) addHeader(name, value string) error {
	name = http.CanonicalHeaderKey(name)
	if name != "Authorization" && name != "Cookie" && name != "Expires" {
		return nil
	}
	if len(value) > maxHeader {
		return fmt.Errorf("header %s is longer than %d bytes", name, maxHeader)
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("header %s holds a line break or another control character", name)
	}
	s.header.Add(name, value)
	return nil
}

// parseURL checks a URL of a slot. Its errors hold no more of it than the scheme.
func parseURL(which, text string) (*url.URL, error) {
	fault := ""
	u, err := url.Parse(text)
	switch {
	case text == "":
		fault = "is missing"
	case len(text) > maxURL:
		fault = fmt.Sprintf("is longer than %d bytes", maxURL)
	case err != nil, strings.ContainsFunc(text, unprintable):
		fault = "is malformed"
	case u.Scheme != "https":
		fault = fmt.Sprintf("has the scheme %.20q: only https is accepted", u.Scheme)
	case u.Hostname() == "" || u.User != nil:
		fault = "has no host, or a user name"
	default:
		return u, nil
	}
	return nil, errors.New("the " + which + " url " + fault)
}

// unprintable tells whether r would end a link where people read it, or hide in it.
func unprintable(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }
