package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const editSample = `# my board
[device]   # about it
name = "greenhouse" # for people
  location = 'behind'
summary = [
  "a.*",
  "b",
]

[xmpp]
jid = "a@example.org"
password_file = "password"          # one line
                                    # and more of the comment

# the next table
[people]
"Anna@example.org" = "owner"	# tab
'ben@example.org'="viewer"
[sensor.board]
kind = "system"
note = """
[people]
x = 1
"""
`

func TestEdit(t *testing.T) {
	set := func(path string, value string) Change {
		parts := strings.Split(path, "/")
		return Change{parts[:len(parts)-1], parts[len(parts)-1], value}
	}
	for _, c := range []struct {
		name     string
		change   Change
		old, new string // replaced in the sample; old "" appends
	}{
		{"replace", set("device/name", `"barn"`), `"greenhouse"`, `"barn"`},
		{"replace a bare key with odd spaces", set("device/location", `"x # y"`), `'behind'`, `"x # y"`},
		{"replace a list of several lines", set("device/summary", `["c"]`), "[\n  \"a.*\",\n  \"b\",\n]", `["c"]`},
		{"replace a quoted key", set("people/Anna@example.org", `"viewer"`), `"owner"`, `"viewer"`},
		{"replace without spaces", set("people/ben@example.org", `"owner"`), `="viewer"`, `="owner"`},
		{"the same value", set("device/location", `"behind"`), "", ""},
		{"add behind a comment that goes on", set("xmpp/server", `"h:5222"`), "of the comment\n", "of the comment\nserver = \"h:5222\"\n"},
		{"add a quoted key", set("people/Carla@example.org", `"owner"`), "=\"viewer\"\n", "=\"viewer\"\n\"Carla@example.org\" = \"owner\"\n"},
		{"add at the end, with a header in a string", set("sensor/board/every", `"5s"`), "x = 1\n\"\"\"\n", "x = 1\n\"\"\"\nevery = \"5s\"\n"},
		{"a new table", set("sensor/chip 1/kind", `"hwmon"`), "", "\n[sensor.\"chip 1\"]\nkind = \"hwmon\"\n"},
		{"a table above others", set("sensor/x", `1`), "", "\n[sensor]\nx = 1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := editSample + c.new
			if c.old != "" {
				want = strings.Replace(editSample, c.old, c.new, 1)
			}
			got, err := Edit([]byte(editSample), []Change{c.change})
			if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			crlf := strings.ReplaceAll(editSample, "\n", "\r\n")
			got, err = Edit([]byte("\ufeff"+crlf), []Change{c.change})
			if diff := cmp.Diff("\ufeff"+strings.ReplaceAll(want, "\n", "\r\n"), string(got)); diff != "" || err != nil {
				t.Errorf("with CRLF: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestEditSmallFiles(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "[a]\nk = 1\n"},
		{"\ufeff", "\ufeff[a]\nk = 1\n"},
		{"# c", "# c\n\n[a]\nk = 1\n"},
		{"[a]", "[a]\nk = 1\n"},
		{"[a] # c", "[a] # c\nk = 1\n"},
		{"[a]\nb = 2", "[a]\nb = 2\nk = 1\n"},
		{"[a]\nk = true", "[a]\nk = 1"},
		{"[a]\nk = true   # c", "[a]\nk = 1   # c"},
		{"[a]\nk = 1979-05-27 07:32:00 # c", "[a]\nk = 1 # c"},
		{"[a]\r\nk = true \r\n", "[a]\r\nk = 1 \r\n"},
		{"[a]\nb = 2\n# of what follows\n", "[a]\nb = 2\nk = 1\n# of what follows\n"},
		{"[a]\nb = 2\n # of b\n\t# too\n\n # no", "[a]\nb = 2\n # of b\n\t# too\nk = 1\n\n # no"},
		{"a.k = 2\n", "a.k = 1\n"},
		{"[a.b]\nk = 2\n", "[a.b]\nk = 2\n\n[a]\nk = 1\n"},
		{"[a]\n[a.b]\nk = 2\n", "[a]\nk = 1\n[a.b]\nk = 2\n"},
		{"[a]\nk.b = 2\n", ""},
		{"a = { k = 2 }\n", ""},
		{"a = { b = 2 }\n", ""},
		{"a.b = 2\n", ""},
		{"[a]\n[a.k]\n", ""},
		{"[[a]]\nk = 2\n", ""},
		{"[[a]]\nb = 2\n", ""},
		{"a = 1\n", ""},
		{"[a]\nk = [ # why\n 2 ]\n", ""},
	} {
		change := Change{[]string{"a"}, "k", "1"}
		got, err := Edit([]byte(c.text), []Change{change})
		if c.want != "" {
			if diff := cmp.Diff(c.want, string(got)); diff != "" || err != nil {
				t.Errorf("%q: %v (-want +got):\n%s", c.text, err, diff)
			}
			continue
		}
		byHand, ok := errors.AsType[*ByHandError](err)
		if !ok || got != nil || byHand.Line == 0 || !strings.HasSuffix(err.Error(), "\n[a]\nk = 1") {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
	}
}

func TestEditRefuses(t *testing.T) {
	for _, c := range []struct {
		text   string
		change Change
	}{
		{"[a]\nk = \n", Change{[]string{"a"}, "k", "1"}},
		{"", Change{[]string{"a"}, "k", "1 # c"}},
		{"", Change{[]string{"a"}, "k", "1\nb = 2"}},
		{"", Change{[]string{"a"}, "k", ""}},
		{"", Change{[]string{"a"}, "k", "x"}},
		{"", Change{nil, "k", "1"}},
	} {
		if got, err := Edit([]byte(c.text), []Change{c.change}); err == nil || got != nil {
			t.Errorf("%q, %v: %q, %v", c.text, c.change, got, err)
		}
	}
}

// FuzzEdit holds what an edited file says against what it should say, and that
// nothing but the place of the change is different.
func FuzzEdit(f *testing.F) {
	f.Add(editSample, "device", "name", `"x"`)
	f.Add(indexSample, "t", "x", "false")
	f.Add("\ufeff[a]\r\nb = 1\r\n", "c.d", "e", "[1, {f = 2}]")
	f.Add("[a]\nk = '''\n#'''\n\t# c\n  # d", "a", "l", "inf")
	f.Fuzz(func(t *testing.T, text, table, key, value string) {
		var old map[string]any
		if decodeTOML(text, &old) != nil {
			return
		}
		path := append(strings.Split(table, "."), key)
		edited, err := Edit([]byte(text), []Change{{path[:len(path)-1], key, value}})
		if err != nil {
			return
		}
		var now map[string]any
		if err := decodeTOML(string(edited), &now); err != nil {
			t.Fatalf("%q is no TOML: %v", edited, err)
		}
		got, ok := lookup(now, path)
		if !ok || !assignPath(old, path, got) || !reflect.DeepEqual(old, now) {
			t.Fatalf("%q became %q: %v", text, edited, got)
		}
		same := func(s string) []string { // comments and whole lines, but for the key's own
			return slices.DeleteFunc(strings.Split(s, "\n"), func(line string) bool { return !strings.HasPrefix(strings.TrimSpace(line), "#") })
		}
		if a, b := same(text), same(string(edited)); len(a) > len(b) {
			t.Fatalf("comments are lost: %q became %q", text, edited)
		}
	})
}
