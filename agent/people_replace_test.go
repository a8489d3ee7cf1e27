package agent

import "testing"

func TestPeopleReplace(t *testing.T) {
	p := newPeople(t, map[string]Role{"a@x": Owner, "b@x": Viewer}, &grants{kept: map[string][]byte{}})
	for _, jid := range []string{"c@x", "d@x"} {
		if _, err := p.Grant("a@x", jid, Operator); err != nil {
			t.Fatal(err)
		}
	}
	_, changed := p.Watch()
	if err := p.Replace(map[string]Role{"b@x": Viewer, "a@x": Owner}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
		t.Error("the same people are told as a change")
	default:
	}
	if err := p.Replace(map[string]Role{"a@x": Owner, "c@x": Viewer}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
	for jid, want := range map[string]Role{"a@x": Owner, "b@x": Stranger, "c@x": Viewer, "d@x": Operator} {
		if got := p.Role(jid); got != want {
			t.Errorf("%s is %s, want %s", jid, got, want)
		}
	}
	if err := p.Replace(map[string]Role{"a@x": Owner}); err != nil {
		t.Fatal(err)
	}
	if p.Role("c@x") != Stranger || p.Role("d@x") != Operator {
		t.Errorf("the grant of somebody whom the config had came back: %+v", p.List())
	}
}
