package sensors

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

func buildSimOutput(t *testing.T, text string) BuiltOutput {
	t.Helper()
	b, err := simOutputKind().New(NewHost(t.TempDir()), table(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return b
}

func TestSimOutputIsInItsTable(t *testing.T) {
	i := slices.IndexFunc(OutputKinds(), func(k OutputKind) bool { return k.Name == "sim" })
	if i < 0 {
		t.Fatal("it is not")
	}
	k := OutputKinds()[i]
	if k.Doc == "" || strings.Contains(k.Doc, "\n") || !strings.HasPrefix(k.Example, "[output.") {
		t.Errorf("%+v", k)
	}
	if b := buildSimOutput(t, k.Example); b.Output == nil || b.Min != b.Max || b.Off != agent.Bool(false) {
		t.Errorf("the example makes %+v", b)
	}
	for _, key := range []string{"what", "min", "max", "unit", "fault"} {
		if !strings.Contains(k.Example, "\n"+key+" = ") {
			t.Errorf("the example does not show %s", key)
		}
	}
	bad := errors.New("unknown key")
	if _, err := k.New(NewHost("/"), func(any) error { return bad }); err != bad {
		t.Errorf("New = %v, want the error of decode", err)
	}
}

func TestSimOutput(t *testing.T) {
	for _, tt := range []struct {
		keys      string
		set       agent.Value
		err, want string
	}{
		{"", agent.Bool(true), "", "true"},
		{"what = \"range\"", agent.Number(55), "", "55"},
		{"what = \"range\"\nmin = -5\nmax = 5\nfault = \"stuck\"", agent.Number(1), "", "-5"},
		{"fault = \"stuck\"", agent.Bool(true), "", "false"},
		{"fault = \"fault\"", agent.Bool(true), "simulated fault", "false"},
		{"fault = \"hang\"", agent.Bool(true), "context canceled", "false"},
	} {
		out := buildSimOutput(t, tt.keys).Output
		ctx, cancel := context.WithCancel(t.Context())
		if strings.Contains(tt.keys, "hang") {
			cancel()
		}
		msg := ""
		if err := out.Set(ctx, tt.set); err != nil {
			msg = err.Error()
		}
		got, err := out.Get(ctx)
		if cancel(); msg != tt.err || err != nil || got.String() != tt.want || out.Close() != nil {
			t.Errorf("%s: set %q, got %s, %v", tt.keys, msg, got, err)
		}
	}
}

func TestSimOutputBadConfig(t *testing.T) {
	_, err := newSimOutput(nil, table("what = \"dimmer\"\nmin = 3\nmax = 3\nunit = \"Hpa\"\nfault = \"stukc\""))
	want := []string{
		`what: "dimmer" is not known (allowed: switch, range)`,
		`fault: "stukc" is not known (did you mean "stuck"? allowed: none, fault, stuck, hang)`,
		`min: 3 is not below max, which is 3`,
		`unit: "Hpa" is not a known unit (did you mean "hPa"?)`,
	}
	if diff := cmp.Diff(want, paramErrors(t, err)); diff != "" {
		t.Error(diff)
	}
}
