package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHide(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of the web\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Config{
		XMPP:  XMPP{Password: NewSecret("swordfish and chips")},
		MQTT:  MQTT{Password: NewSecret("abc")},
		Rooms: []Room{{Password: NewSecret("swordfish")}, {}},
		table: func() map[string]any {
			return map[string]any{"sensor": map[string]any{"web": map[string]any{
				"url": "https://me:hunter22@example.org/x?key=12345678", "headers": map[string]any{"X-Token": "f00ba4f00"}, "kind": "http", "token_file": file,
			}}, "people": map[string]any{"passer@example.org": "owner"}}
		},
	}
	for text, want := range map[string]string{
		"no swordfish and chips, but swordfish": "no [hidden], but [hidden]",
		"abc, (abc) and xabc, abcd":             "[hidden], ([hidden]) and xabc, abcd",
		"GET /x?key=12345678 as hunter22":       "GET /x?key=[hidden] as [hidden]",
		"token f00ba4f00.":                      "token [hidden].",
		"in a file: of the web.":                "in a file: [hidden].",
		"owner http":                            "owner http",
		"":                                      "",
	} {
		if got := c.Hider()(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := (&Config{}).Hider()("x"); got != "x" {
		t.Errorf("no secrets: %q", got)
	}
}
