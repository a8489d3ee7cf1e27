package stream

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

func TestError(t *testing.T) {
	tests := []struct {
		err   *Error
		text  string
		retry time.Duration
	}{
		{&Error{Kind: KindConflict, On: "dev@example.org/pipit", Text: "the server ended the stream", Condition: "conflict", Said: "Replaced by new connection"},
			"resource of dev@example.org/pipit: the server ended the stream: conflict (Replaced by new connection); give each device its own resource, and stop the other client that uses this one", 5 * time.Minute},
		{&Error{Kind: KindStream, On: "example.org:5222", Text: "the server ended the stream", Condition: "host-unknown"},
			"stream with example.org:5222: the server ended the stream: host-unknown; this server does not serve the domain of the JID: check both", 5 * time.Minute},
		{&Error{Kind: KindAuth, On: "dev@example.org", Text: "refused", Condition: "temporary-auth-failure"},
			"login as dev@example.org: refused: temporary-auth-failure; the server cannot check passwords now: try again later", 0},
		{&Error{Kind: KindUnreachable, On: "example.org:5222", Err: fmt.Errorf("x: %w", &net.OpError{Op: "dial", Addr: &net.TCPAddr{}, Err: errors.New("network is unreachable")})},
			"connecting to example.org:5222: network is unreachable; check the network", 0},
		{&Error{Kind: KindSilent, On: "example.org:5222", Text: "nothing"}, "stream with example.org:5222: nothing; check the network", 0},
		{&Error{Kind: KindClosed, On: "example.org:5222", Text: "lost"}, "stream with example.org:5222: lost", 0},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("got  %s\nwant %s", got, tt.text)
		}
		if got := tt.err.RetryAfter(); got != tt.retry {
			t.Errorf("%s: retry after %v, want %v", tt.text, got, tt.retry)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		" two\nlines\r\x00\x1b[31m\u202e\u0085 ": "two lines[31m",
		"bad\xff":                                "bad?",
		"grün":                                   "grün",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean(string(make([]byte, 1000)) + "x"); got != "..." {
		t.Errorf("a long text gives %q", got)
	}
}
