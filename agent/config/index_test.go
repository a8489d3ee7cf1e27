package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

const indexSample = "\ufeff# [comment] a = 1\r\n" + `a = 1 # [no]
"q.u" = "x # y = 1"
'l' = 'z [t]'
m = """
b = 2
\""" [t]
""""" # five quotes
n = '''
c = 3''' 
e."\u0065\x65" . f = [
  1, # ] d = 4
  "]", { g = 1, h.i = "}" }, [[{ j = 1 }]],
]
o = {}
k = { l = 1, # TOML 1.1
  m = { n = 1979-05-27 07:32:00 },
}
[ t . u ] # [v]
w = inf
[t]
x = true
[[arr]]
y = 1
[[arr]]
y = 2
z = 3
`

func TestIndex(t *testing.T) {
	root, line, err := newIndex(indexSample)
	if err != nil {
		t.Fatalf("line %d: %v", line, err)
	}
	got := map[string]int{}
	walk(root, nil, func(path []string, n *node) { got[toml.Key(path).String()] = n.at })
	want := map[string]int{
		"a": 2, `"q.u"`: 3, "l": 4, "m": 5, "n": 9,
		"e": 11, "e.ee": 11, "e.ee.f": 11, "e.ee.f.g": 13, "e.ee.f.h": 13, "e.ee.f.h.i": 13, "e.ee.f.j": 13,
		"o": 15, "k": 16, "k.l": 16, "k.m": 17, "k.m.n": 17,
		"t": 19, "t.u": 19, "t.u.w": 20, "t.x": 22,
		"arr": 23, "arr.y": 24, "arr.z": 27,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := root.line([]string{"t", "u", "none", "none"}); n != 19 {
		t.Errorf("a missing key is in line %d", n)
	}
	if n := root.find([]string{"none", "none"}); n != nil {
		t.Errorf("found %v", n)
	}
}

func walk(n *node, path []string, visit func([]string, *node)) {
	for key, kid := range n.kids {
		at := append(slices.Clip(path), key)
		visit(at, kid)
		walk(kid, at, visit)
	}
}

// FuzzIndex holds the index against the toml module: for every text that the
// module reads, both have the same keys, and each key stands in its line.
func FuzzIndex(f *testing.F) {
	f.Add(indexSample)
	f.Add(Example())
	f.Add("a=1\r\n[b]\r\n'c'.\"d\\\"\"=\"\"\r\n")
	f.Add(`a = ["""x""", ''''''', {b=[{c='"'}]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		if invalidUTF8(text) >= 0 {
			return
		}
		root, line, err := newIndex(text)
		lines := strings.Split(text, "\n")
		if line < 1 || line > len(lines) {
			t.Fatalf("line %d of %d", line, len(lines))
		}
		if err != nil && err != errMalformed {
			return
		}
		var keys []toml.Key
		func() {
			defer func() { _ = recover() }()
			var table map[string]any
			if md, err := toml.Decode(text, &table); err == nil {
				keys = md.Keys()
			}
		}()
		if len(keys) == 0 {
			return
		}
		if err != nil {
			t.Fatalf("line %d: %v", line, err)
		}
		known := map[string]bool{}
		for _, k := range keys {
			for i := range k {
				known[k[:i+1].String()] = true
			}
		}
		found := 0
		walk(root, nil, func(path []string, n *node) {
			found++
			if !known[toml.Key(path).String()] {
				t.Errorf("%q is no key", path)
			}
			last := path[len(path)-1]
			if s := lines[n.at-1]; !strings.Contains(s, last) && !strings.Contains(s, `\`) {
				t.Errorf("%q is not in line %d", path, n.at)
			}
		})
		if found != len(known) {
			t.Errorf("%d keys of %d", found, len(known))
		}
	})
}

// FuzzLoad throws any bytes at the whole of Load: it never panics, and every
// problem stands on one line of its own and in a line of the file.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(Example()))
	f.Add([]byte(indexSample))
	f.Add([]byte("a = \"\\\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files := fstest.MapFS{
			"c":        {Data: data, Mode: 0o600},
			"password": {Data: []byte("not a real one"), Mode: 0o600},
		}
		open := func(path string) (fs.File, error) { return files.Open(path) }
		c, err := (&loader{env: fakeEnv(built{}), open: open}).load("c")
		if err == nil {
			_ = c.Describe()
			return
		}
		ps, ok := err.(Problems)
		if !ok && len(data) <= maxFile || len(ps) == 0 && ok {
			t.Fatal(err)
		}
		last := 1
		for _, p := range ps {
			if p.Line < last || p.Line > 1+strings.Count(string(data), "\n") || p.Text == "" || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("%#v", p)
			}
			last = p.Line
		}
	})
}
