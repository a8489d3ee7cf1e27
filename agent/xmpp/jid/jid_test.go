package jid

import (
	"strings"
	"testing"
)

func TestBare(t *testing.T) {
	for in, want := range map[string]string{
		"anna@example.org":             "anna@example.org",
		"Anna@EXAMPLE.org/phone":       "anna@example.org",
		"anna@example.org/a@b/c":       "anna@example.org",
		"anna@example.org.evil.test/x": "anna@example.org.evil.test",
		"example.org":                  "example.org",
		"@example.org":                 "",
		"":                             "",
		"anna@":                        "",
		"an na@example.org":            "",
		"anna@example.org/":            "",
		strings.Repeat("a", 4000):      "",
	} {
		if got := Bare(in); got != want {
			t.Errorf("Bare(%.40q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseAccount(t *testing.T) {
	for _, bad := range []string{"", "example.org", "a b@example.org", "anna@exa mple"} {
		if got, err := ParseAccount(bad); err == nil {
			t.Errorf("ParseAccount(%q) = %q, want an error", bad, got)
		}
	}
	got, err := ParseAccount("Pi@Example.ORG/Pipit")
	if err != nil || got != "pi@example.org/Pipit" {
		t.Errorf("got %q, %v: the resource keeps its case", got, err)
	}
	if Local(got) != "pi" || Domain(got) != "example.org" || Resource(got) != "Pipit" {
		t.Errorf("parts of %q: %q %q %q", got, Local(got), Domain(got), Resource(got))
	}
}
