package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// grants is a PeopleState in memory that fails when it is told to.
type grants struct {
	kept map[string][]byte
	err  error
}

func (g *grants) Set(_, key string, value []byte) error {
	if g.err == nil {
		g.kept[key] = value
	}
	return g.err
}
func (g *grants) Get(_, key string) ([]byte, bool) { v, ok := g.kept[key]; return v, ok }
func (g *grants) Delete(_, key string) error {
	if g.err == nil {
		delete(g.kept, key)
	}
	return g.err
}
func (g *grants) List(string) (keys []string) {
	for k := range g.kept {
		keys = append(keys, k)
	}
	return keys
}

func lower(s string) (string, error) {
	if !strings.Contains(s, "@") {
		return "", errors.New("not an account")
	}
	return strings.ToLower(s), nil
}

func newPeople(t *testing.T, config map[string]Role, g *grants) *People {
	t.Helper()
	p, err := NewPeople(config, g, lower)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const anna, ben = "anna@example.org", "ben@example.org"

func TestGrantIsKeptAndRevoked(t *testing.T) {
	g := &grants{kept: map[string][]byte{}}
	p := newPeople(t, map[string]Role{anna: Owner}, g)
	_, changed := p.Watch()
	if _, err := p.Grant(anna, "Ben@example.org", Viewer); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("a grant was not told")
	}
	p = newPeople(t, map[string]Role{anna: Owner}, g)
	if l := p.List(); len(l) != 2 || l[1].JID != ben || l[1].Role != Viewer || l[1].By != anna || l[1].At.IsZero() || l[0].By != "" {
		t.Errorf("after a restart: %+v", l)
	}
	if _, err := p.Revoke(ben); err != nil || p.Role(ben) != Stranger || len(g.kept) != 0 {
		t.Errorf("revoke: %v, role %s, kept %d", err, p.Role(ben), len(g.kept))
	}
}

func TestPeopleRefuse(t *testing.T) {
	p := newPeople(t, map[string]Role{anna: Viewer}, &grants{kept: map[string][]byte{}})
	if _, err := p.Grant("", ben, Owner); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		do   func() error
		want string
	}{
		"grant to config":  {func() error { _, err := p.Grant(ben, anna, Owner); return err }, "of the config"},
		"revoke of config": {func() error { _, err := p.Revoke(anna); return err }, "of the config"},
		"last owner":       {func() error { _, err := p.Revoke(ben); return err }, "last owner"},
		"last owner lower": {func() error { _, err := p.Grant(ben, ben, Viewer); return err }, "last owner"},
		"nobody":           {func() error { _, err := p.Revoke("c@example.org"); return err }, "no role here"},
		"no JID":           {func() error { _, err := p.Grant(ben, "x", Viewer); return err }, "not an account"},
		"no role":          {func() error { _, err := p.Grant(ben, "c@example.org", Stranger); return err }, "no role"},
	} {
		if err := c.do(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if p.Role(anna) != Viewer || p.Role(ben) != Owner || len(p.List()) != 2 {
		t.Errorf("a refused change counted: %+v", p.List())
	}
}

func TestPeopleAreBounded(t *testing.T) {
	p := newPeople(t, map[string]Role{anna: Owner}, &grants{kept: map[string][]byte{}})
	for i := range maxPeople - 1 {
		if _, err := p.Grant(anna, fmt.Sprintf("p%d@example.org", i), Viewer); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Grant(anna, ben, Viewer); err == nil {
		t.Error("one too many was taken")
	}
}

func TestBadDiskAndConfigWins(t *testing.T) {
	g := &grants{kept: map[string][]byte{ben: []byte(`{"role":"owner","by":"x@example.org"}`), "c@example.org": []byte("torn")}}
	p, err := NewPeople(map[string]Role{anna: Owner, ben: Viewer}, g, lower)
	if err == nil || p.Role(ben) != Viewer || p.Role("c@example.org") != Stranger || g.kept[ben] != nil {
		t.Fatalf("%v, %+v", err, p.List())
	}
	if _, err := p.Grant(anna, "d@example.org", Viewer); err != nil {
		t.Fatal(err)
	}
	g.err = errors.New("disk full")
	if _, err := p.Grant(anna, "e@example.org", Viewer); err == nil || p.Role("e@example.org") != Stranger {
		t.Error("a grant that is not on disk counts")
	}
	if _, err := p.Revoke("d@example.org"); err == nil || p.Role("d@example.org") != Stranger {
		t.Error("a revoke waits for the disk")
	}
	g.err = nil
	if _, err := p.Revoke("d@example.org"); err != nil || g.kept["d@example.org"] != nil {
		t.Errorf("revoked again: %v", err)
	}
}
