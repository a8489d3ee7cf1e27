package agent_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// owners says which folders, with their subfolders, may import a third-party
// module, by the prefix of its path. What is not here may not be imported.
var owners = []struct {
	module string
	folder string
	below  bool // subfolders too
}{
	{"mellium.im/", "agent/xmpp", true},
	{"golang.org/x/net/idna", "agent/xmpp/stream", false},
	{"golang.org/x/text/secure/precis", "agent/xmpp/stream", false},
	{"github.com/BurntSushi/toml", "agent/config", false},
	{"github.com/spf13/cobra", "agent/pipit", false},
	{"golang.org/x/term", "agent/pipit", false},
	{"rsc.io/qr", "agent/pipit", false},
	{"go.etcd.io/bbolt", "agent/store", false},
	{"golang.org/x/image/", "agent/chart", false},
	{"periph.io/", "sensors", true},
	{"github.com/warthog618/go-gpiocdev", "sensors", true},
	{"golang.org/x/sys/unix", "sensors", true},
	{"github.com/eclipse/paho", "bridge", false},
}

// testOnly may be imported by the tests of every folder.
const testOnly = "github.com/google/go-cmp"

// bare folders import neither a third party nor another package of ours.
var bare = []string{"agent", "agent/diag", "agent/jsonpath", "agent/xmpp/wire"}

// arrows says which of our packages a folder may import; a name that ends in
// "/..." stands for the folder and all below it. A folder itself is always
// allowed (for its external tests).
var arrows = []struct{ from, to string }{
	{"agent", ""},
	{"agent/config", "agent agent/rule agent/alarm agent/jsonpath"},
	{"agent/commands", "agent agent/store agent/chart agent/rule agent/alarm agent/watch"},
	{"agent/store", "agent"},
	{"agent/diag", ""},
	{"agent/chart", "agent"},
	{"agent/rule", "agent"},
	{"agent/jsonpath", ""},
	{"agent/alarm", "agent agent/rule"},
	{"agent/watch", "agent"},
	{"sensors/...", "agent agent/jsonpath sensors/..."},
	{"bridge", "agent agent/jsonpath bridge/mqtttest"},
	{"bridge/mqtttest", "agent/xmpp/server agent/xmpp/xmpptest"}, // their CA, and certificates to refuse
	{"agent/xmpp/wire", ""},
	{"agent/xmpp/...", "agent agent/store agent/chart agent/xmpp/..."},
	{"agent/pipit", "agent/... sensors/... bridge/..."},
	{"cross/...", "agent/... sensors/... bridge cross/..."},
}

func TestImports(t *testing.T) {
	faults, files, err := checkTree(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("looked at %d files only: is this the module?", files)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

func TestImportRuleFinds(t *testing.T) {
	source := func(pkg string, imports ...string) *fstest.MapFile {
		s := "package " + pkg + "\n"
		for _, i := range imports {
			s += "import _ " + strconv.Quote(i) + "\n"
		}
		return &fstest.MapFile{Data: []byte(s)}
	}
	tree := fstest.MapFS{
		"agent/a.go":                  source("agent", "fmt", "mellium.im/xmpp"),
		"agent/b.go":                  source("agent", "pipit/agent/store"),
		"agent/c.go":                  source("agent", testOnly+"/cmp"),
		"agent/c_test.go":             source("agent", testOnly+"/cmp", "pipit/agent"),
		"agent/d.go":                  source("agent", "C"),
		"agent/e.go":                  {Data: []byte("package agent\nfunc init() {}\n")},
		"agent/e_test.go":             {Data: []byte("package agent\nfunc init() {}\n")},
		"agent/f.go":                  {Data: []byte("package agent\ntype t int\nfunc (t) init() {}\n")},
		"agent/testdata/x.go":         source("x", "mellium.im/xmpp"),
		"agent/xmpp/a.go":             source("xmpp", "mellium.im/sasl", "pipit/agent/xmpp/wire", "pipit/agent/chart"),
		"agent/xmpp/b.go":             source("xmpp", "pipit/agent/config"),
		"agent/xmpp/wire/a.go":        source("wire", "mellium.im/xmlstream"),
		"agent/xmpp/wire/b.go":        source("wire", "pipit/agent"),
		"agent/xmpp/stream/a.go":      source("stream", "mellium.im/xmpp", "pipit/agent/xmpp/wire", "pipit/agent"),
		"agent/xmppish/a.go":          source("xmppish", "fmt"),
		"agent/config/a.go":           source("config", "github.com/BurntSushi/toml", "pipit/agent"),
		"agent/config/b.go":           source("config", "github.com/BurntSushi/tomlish"),
		"agent/config/sub/a.go":       source("sub", "github.com/BurntSushi/toml"),
		"agent/commands/a.go":         source("commands", "pipit/agent/store", "github.com/BurntSushi/toml"),
		"agent/pipit/a.go":            source("main", "github.com/spf13/cobra", "golang.org/x/term", "pipit/sensors", "pipit/bridge", "pipit/agent/xmpp/wire"),
		"bridge/a.go":                 source("bridge", "github.com/eclipse/paho.golang/paho", "pipit/agent", "pipit/sensors"),
		"sensors/a.go":                source("sensors", "periph.io/x/conn/v3", "github.com/warthog618/go-gpiocdev", "golang.org/x/net/html"),
		"cross/a_test.go":             source("cross", "pipit/sensors", "pipit/agent/config"),
		".git/a.go":                   source("git", "example.org/none"),
		"agent/store/store.go":        source("store", "go.etcd.io/bbolt", "pipit/agent/chart"),
		"agent/xmpp/xmpptest/help.go": source("xmpptest", testOnly+"/cmp"),
	}
	want := []string{
		"agent/a.go: mellium.im/xmpp is not for this folder",
		"agent/b.go: our agent/store is not for this folder",
		"agent/c.go: github.com/google/go-cmp/cmp is for tests only",
		"agent/commands/a.go: github.com/BurntSushi/toml is not for this folder",
		"agent/config/b.go: github.com/BurntSushi/tomlish is not for this folder",
		"agent/config/sub/a.go: github.com/BurntSushi/toml is not for this folder",
		"agent/config/sub: no rule for this folder",
		"agent/d.go: no cgo",
		"agent/e.go: no func init",
		"agent/store/store.go: our agent/chart is not for this folder",
		"agent/xmpp/b.go: our agent/config is not for this folder",
		"agent/xmpp/wire/a.go: mellium.im/xmlstream is not for this folder",
		"agent/xmpp/wire/b.go: our agent is not for this folder",
		"agent/xmpp/xmpptest/help.go: github.com/google/go-cmp/cmp is for tests only",
		"agent/xmppish: no rule for this folder",
		"bridge/a.go: our sensors is not for this folder",
		"sensors/a.go: golang.org/x/net/html is not for this folder",
	}
	got, _, err := checkTree(tree)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, faults (-want +got):\n%s", err, diff)
	}
	if _, _, err := checkTree(fstest.MapFS{"agent/a.go": {Data: []byte("package")}}); err == nil {
		t.Error("a file that does not parse: want an error")
	}
}

// checkTree checks all Go files of a module and says which break a rule.
func checkTree(tree fs.FS) (faults []string, files int, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && (base == "testdata" || base == "dist" || len(base) > 1 && base[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		faults = append(faults, checkFile(name, f)...)
		return nil
	})
	slices.Sort(faults)
	return slices.Compact(faults), files, err
}

func checkFile(name string, f *ast.File) (faults []string) {
	dir, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	if _, ok := allowed(dir); !ok {
		faults = append(faults, dir+": no rule for this folder")
	}
	for _, spec := range f.Imports {
		if fault := checkImport(dir, test, strings.Trim(spec.Path.Value, "`\"")); fault != "" {
			faults = append(faults, name+": "+fault)
		}
	}
	for _, decl := range f.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && !test && fn.Recv == nil && fn.Name.Name == "init" {
			faults = append(faults, name+": no func init")
		}
	}
	return faults
}

// checkImport returns what is wrong with an import in a folder, or "".
func checkImport(dir string, test bool, imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case imported == "C":
		return "no cgo"
	case first == "pipit":
		ours := strings.TrimPrefix(imported, "pipit/")
		if to, ok := allowed(dir); ok && ours != dir && !slices.ContainsFunc(to, func(p string) bool { return covers(p, ours) }) {
			return fmt.Sprintf("our %s is not for this folder", ours)
		}
		return ""
	case !strings.Contains(first, "."): // the standard library
		return ""
	case hasPath(imported, testOnly):
		if test {
			return ""
		}
		return imported + " is for tests only"
	}
	for _, o := range owners {
		mine := dir == o.folder || o.below && covers(o.folder+"/...", dir)
		if mine && hasPath(imported, o.module) && !slices.Contains(bare, dir) {
			return ""
		}
	}
	return imported + " is not for this folder"
}

// allowed returns our packages that a folder may import, by its first row.
func allowed(dir string) ([]string, bool) {
	for _, a := range arrows {
		if covers(a.from, dir) {
			return strings.Fields(a.to), true
		}
	}
	return nil, false
}

// covers tells whether a folder is meant by "a/b" or by "a/...".
func covers(pattern, dir string) bool {
	root, below := strings.CutSuffix(pattern, "/...")
	return dir == root || below && strings.HasPrefix(dir, root+"/")
}

// hasPath tells whether a package belongs to a module or, where the name ends
// in a slash or its host has several modules, to one of them.
func hasPath(imported, module string) bool {
	rest, ok := strings.CutPrefix(imported, module)
	return ok && (rest == "" || strings.HasSuffix(module, "/") || rest[0] == '/' || rest[0] == '.')
}
