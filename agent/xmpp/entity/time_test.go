package entity

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent/xmpp/stanza"
)

// A slowServer answers each request after a while.
type slowServer struct {
	takes  time.Duration
	answer string
	err    error
	asked  string
}

func (s *slowServer) Request(_ context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	s.asked = to + " " + typ + " " + string(payload)
	time.Sleep(s.takes)
	if s.err != nil {
		return nil, s.err
	}
	return stanza.Parse([]byte("<iq xmlns='jabber:client' type='result' id='1'>" + s.answer + "</iq>"))
}

func utc(s string) string {
	return "<time xmlns='urn:xmpp:time'><tzo>-06:00</tzo><utc>" + s + "</utc></time>"
}

func TestServerTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{takes: 3 * time.Second, answer: utc("2026-12-19T17:58:35Z")}
		got, err := ServerTime(t.Context(), s, "example.org")
		if want := time.Date(2026, 12, 19, 17, 58, 36, 5e8, time.UTC); err != nil || !got.Equal(want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
		if s.asked != "example.org get <time xmlns='urn:xmpp:time'/>" {
			t.Errorf("asked %s", s.asked)
		}
		s.err = stanza.ServiceUnavailable
		if _, err = ServerTime(t.Context(), s, "example.org"); !errors.Is(err, stanza.ServiceUnavailable) {
			t.Errorf("got %v", err)
		}
		s.err, s.answer = nil, utc("now")
		if _, err = ServerTime(t.Context(), s, "example.org"); err == nil || !strings.Contains(err.Error(), "example.org") {
			t.Errorf("got %v", err)
		}
	})
}

// What our own answer says is understood.
func TestServerTimeOfOurselves(t *testing.T) {
	answer, err := Time(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ServerTime(t.Context(), &slowServer{answer: string(answer)}, "")
	if err != nil || time.Since(got).Abs() > time.Minute {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestParseTime(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC)
	for answer, want := range map[string]time.Time{
		utc("2026-02-28T23:59:59Z"):        at,
		utc(" 2026-02-28T23:59:59Z\n"):     at,
		utc("2026-02-28T23:59:59.25Z"):     at.Add(250 * time.Millisecond),
		utc("2026-02-28T23:59:59.123456Z"): at.Add(123456 * time.Microsecond),
		utc("2026-02-28T23:59:59+00:00"):   {},
		utc("2026-02-28T23:59:59-06:00"):   {},
		utc("2026-02-28T23:59:59"):         {},
		utc("2026-02-29T23:59:59Z"):        {},
		utc("2026-02-28T24:00:00Z"):        {},
		utc("2026-02-28T3:00:00Z"):         {},
		utc("2026-02-28T23:59:59,25Z"):     {},
		utc("2026-02-28 23:59:59Z"):        {},
		utc("2026-02-28T23:59:59z"):        {},
		utc("+02026-02-28T23:59:59Z"):      {},
		utc("20260228T23:59:59Z"):          {},
		utc("2026-02-28T23:59:59.Z"):       {},
		utc("999999-02-28T23:59:59Z"):      {},
		utc(""):                            {},
		"<time xmlns='urn:xmpp:time'/>":    {},
		"<time xmlns='urn:xmpp:other'><utc>2026-02-28T23:59:59Z</utc></time>": {},
		"<utc xmlns='urn:xmpp:time'>2026-02-28T23:59:59Z</utc>":               {},
		"":                                  {},
		"<time xmlns='urn:xmpp:time'><utc>": {},
	} {
		s, err := stanza.Parse([]byte("<iq xmlns='jabber:client' type='result'>" + answer + "</iq>"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseTime(s)
		if !got.Equal(want) || (err == nil) == want.IsZero() {
			t.Errorf("%s: got %v, %v", answer, got, err)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{utc("2026-02-28T23:59:59Z"), utc("2026-02-28T23:59:59.999999999Z"), utc("0000-01-01T00:00:00Z"), utc("2026-02-28T23:59:60Z"), "<time/>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		s, err := stanza.Parse([]byte("<iq xmlns='jabber:client' type='result'>" + answer + "</iq>"))
		if err != nil {
			return
		}
		got, err := parseTime(s)
		if err != nil {
			return
		}
		again, err := parseTime(&stanza.Stanza{Raw: []byte("<iq>" + utc(got.Format(time.RFC3339Nano)) + "</iq>")})
		if err != nil || !again.Equal(got) || got.Location() != time.UTC {
			t.Errorf("%q: %v comes back as %v, %v", answer, got, again, err)
		}
	})
}
