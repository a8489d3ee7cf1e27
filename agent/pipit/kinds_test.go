package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the document's section of kinds anew")

const document = "../../doc/sensors.md"

// The section of doc/sensors.md is what the kinds say of themselves.
// To write it anew: go test ./agent/pipit -run TestDocumentHasTheKinds -update
func TestDocumentHasTheKinds(t *testing.T) {
	const begin, end = "<!-- kinds: generated, see TestDocumentHasTheKinds -->\n", "<!-- /kinds -->\n"
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("doc/sensors.md has no marks %q and %q", begin, end)
	}
	want := kindsMarkdown()
	if *update {
		if err := os.WriteFile(document, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run: go test ./agent/pipit -run TestDocumentHasTheKinds -update\n%s", diff)
	}
}

func TestKinds(t *testing.T) {
	code, out, errs := call(t, "kinds")
	if code != exitOK || errs != "" || !strings.Contains(out, "\nsensor  hwmon ") {
		t.Errorf("exit %d, %q, %s", code, errs, out)
	}
	for _, d := range kindDocs() {
		code, out, _ := call(t, "kinds", d.name)
		if code != exitOK || !strings.Contains(out, d.example) {
			t.Errorf("kinds %s: exit %d, %s", d.name, code, out)
		}
	}
	code, _, errs = call(t, "kinds", "hwmn")
	if want := `there is no kind "hwmn": did you mean "hwmon"?`; code != exitUsage || errs != want {
		t.Errorf("exit %d, %q, want %q", code, errs, want)
	}
}
