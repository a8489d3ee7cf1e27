package stream

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlaces(t *testing.T) {
	one := records(net.SRV{Target: "xmpp.example.org.", Port: 5223})
	for name, c := range map[string]struct {
		cfg  Config
		want []Place
		kind Kind
		warn bool
	}{
		"server":  {Config{Server: "localhost"}, []Place{{Addr: "localhost:5222"}}, 0, false},
		"SRV":     {Config{Resolver: zone{"xmpps-client": one}}, []Place{{"xmpp.example.org:5223", true}}, 0, false},
		"none":    {Config{Resolver: zone{}}, []Place{{Addr: "example.org:5222"}, {"example.org:5223", true}}, 0, false},
		"failing": {Config{Resolver: failingResolver{}}, []Place{{Addr: "example.org:5222"}}, 0, true},
		"refused": {Config{Resolver: zone{"xmpp-client": records(net.SRV{Target: "."})}}, nil, KindDNS, false},
	} {
		c.cfg.JID = testJID
		got, warning, err := Places(t.Context(), c.cfg)
		if d := cmp.Diff(c.want, got); d != "" || (warning != "") != c.warn || c.kind != 0 && kindOf(err) != c.kind || c.kind == 0 && err != nil {
			t.Errorf("%s: %v %q %s", name, err, warning, d)
		}
	}
	if _, _, err := Places(t.Context(), Config{JID: "nobody"}); kindOf(err) != KindAuth {
		t.Errorf("no account: %v", err)
	}
}
