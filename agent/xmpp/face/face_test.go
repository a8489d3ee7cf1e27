package face

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

// A server keeps one item for each node.
type server struct {
	items map[string]string
	puts  []string // nodes, in order
	err   error    // of each publish
}

var nodeOf = regexp.MustCompile(`<(publish|items) node='([^']+)'`)

func (s *server) Request(_ context.Context, _, typ string, payload []byte) (*stanza.Stanza, error) {
	m := nodeOf.FindSubmatch(payload)
	switch {
	case m == nil: // configuration
		return stanza.Parse([]byte("<iq type='result'/>"))
	case string(m[1]) == "publish":
		if s.err != nil {
			return nil, s.err
		}
		s.puts = append(s.puts, string(m[2]))
		s.items[string(m[2])] = string(payload)
		return stanza.Parse([]byte("<iq type='result'/>"))
	case s.items[string(m[2])] == "":
		return nil, stanza.ItemNotFound
	}
	return stanza.Parse([]byte("<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'><item id='1'><x xmlns='y'/></item></items></pubsub></iq>"))
}

type state map[string][]byte

func (s state) Set(space, key string, v []byte) error { s[space+key] = v; return nil }

func (s state) Get(space, key string) ([]byte, bool) { v, ok := s[space+key]; return v, ok }

// Each part is written once, again when the config has changed, and never over
// what somebody chose by hand.
func TestWrite(t *testing.T) {
	var other bytes.Buffer
	img, err := png.Decode(bytes.NewReader(Bird))
	if err != nil {
		t.Fatal(err)
	}
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&other, img); err != nil {
		t.Fatal(err)
	}
	s, kept := &server{items: map[string]string{}}, state{}
	here := &Position{Lat: 52.5163, Lon: -13.3777, Text: "<behind> the house"}
	for _, tt := range []struct {
		name string
		face Face
		want []string
	}{
		{"first", Face{Nick: "greenhouse"}, []string{NSNick, NSAvatarData, NSAvatarMetadata}},
		{"again", Face{Nick: "greenhouse"}, nil},
		{"another name", Face{Nick: "shed"}, []string{NSNick}},
		{"a position", Face{Nick: "shed", Position: here}, []string{NSGeoloc}},
		{"the same position", Face{Nick: "shed", Position: here}, nil},
		{"no position any more", Face{Nick: "shed"}, []string{NSGeoloc}},
		{"still none", Face{Nick: "shed"}, nil},
		{"another picture", Face{Nick: "shed", Avatar: other.Bytes()}, []string{NSAvatarData, NSAvatarMetadata}},
	} {
		s.puts = nil
		if err := Write(t.Context(), s, "presence", tt.face, kept, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, s.puts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if tt.face.Position != nil && !strings.Contains(s.items[NSGeoloc], "<description>&lt;behind> the house</description><lat>52.5163</lat><lon>-13.3777</lon>") &&
			!strings.Contains(s.items[NSGeoloc], "<description>&lt;behind&gt; the house</description><lat>52.5163</lat><lon>-13.3777</lon>") {
			t.Errorf("position: %s", s.items[NSGeoloc])
		}
	}
	if !strings.Contains(s.items[NSGeoloc], "<geoloc xmlns='http://jabber.org/protocol/geoloc'/>") {
		t.Errorf("the position is still there: %s", s.items[NSGeoloc])
	}
	meta := s.items[NSAvatarMetadata]
	for _, want := range []string{"id='" + hash(other.Bytes()) + "'", "type='image/png'", "width='96'", "height='96'"} {
		if !strings.Contains(meta, want) {
			t.Errorf("no %s in %s", want, meta)
		}
	}
	s.puts = nil
	if err := Write(t.Context(), s, "presence", Face{Nick: "new device"}, state{}, slog.New(slog.DiscardHandler)); err != nil || len(s.puts) > 0 {
		t.Errorf("what was there was overwritten: %s, %v", s.puts, err)
	}
}

// A server that refuses is asked once; one that is gone ends it.
func TestWriteFails(t *testing.T) {
	s, kept := &server{items: map[string]string{}, err: &stanza.Error{Type: "cancel", Condition: "feature-not-implemented"}}, state{}
	if err := Write(t.Context(), s, "presence", Face{Nick: "x"}, kept, slog.New(slog.DiscardHandler)); err != nil || len(kept) > 0 {
		t.Errorf("%v, kept %v", err, kept)
	}
	s.err = stanza.ErrClosed
	if err := Write(t.Context(), s, "presence", Face{Nick: "x"}, kept, slog.New(slog.DiscardHandler)); !errors.Is(err, stanza.ErrClosed) {
		t.Error(err)
	}
}
