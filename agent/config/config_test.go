package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

type fakeSensor struct{ kind string }

func (fakeSensor) Read(context.Context) ([]agent.Reading, error) { return nil, nil }

// place is a kind's own type of value.
type place string

func (p *place) UnmarshalText(text []byte) error {
	if *p = place(text); *p != "indoors" && *p != "outdoors" {
		return fmt.Errorf("%q is no place (allowed: indoors, outdoors)", text)
	}
	return nil
}

type (
	systemKeys struct {
		Mounts     []string `toml:"mounts"`
		Interfaces []string `toml:"interfaces"`
		Fields     []string `toml:"fields"`
	}
	hwmonKeys struct {
		Chip string `toml:"chip"`
	}
	thermalKeys struct {
		Zone string `toml:"zone"`
	}
	fileKeys struct {
		Path   string  `toml:"path"`
		Scale  float64 `toml:"scale"`
		Offset float64 `toml:"offset"`
		Unit   string  `toml:"unit"`
		What   string  `toml:"what"`
	}
	simKeys struct {
		Shape      string
		Min        *float64
		Max        float64
		Period     time.Duration
		Step       float64
		Unit       string
		Seed       int64
		Fault      string
		FaultAfter time.Duration `toml:"fault_after"`
		FaultFor   time.Duration `toml:"fault_for"`
	}
	pointKeys struct {
		At    time.Duration `toml:"at"`
		Value float32       `toml:"value"`
	}
	nestedKeys struct {
		Level     int8                 `toml:"level"`
		Count     uint16               `toml:"count"`
		Place     place                `toml:"place"`
		Calibrate fileKeys             `toml:"calibrate"`
		Labels    map[string]string    `toml:"labels"`
		Point     map[string]pointKeys `toml:"point"`
		Hidden    string               `toml:"-"`
		private   string
	}
)

// kindKeys are the fake kinds: each with the struct that holds its defaults.
func kindKeys(kind string) any {
	switch kind {
	case "system":
		return &systemKeys{Mounts: []string{"/"}}
	case "hwmon":
		return &hwmonKeys{}
	case "thermal":
		return &thermalKeys{}
	case "file":
		return &fileKeys{Scale: 1}
	case "sim":
		return &simKeys{Shape: "sine", Max: 1}
	}
	return &nestedKeys{Level: 7, private: "kept"}
}

// built holds what the fake kinds decoded, by the sensor's name.
type built map[string]any

func (b built) newSensor(name, kind string, decode func(any) error) (Made, error) {
	keys := kindKeys(kind)
	if err := decode(keys); err != nil {
		return Made{}, err
	}
	b[name] = keys
	made := Made{Sensor: fakeSensor{kind}, Bus: "sysfs", Every: 15 * time.Second}
	switch k := keys.(type) {
	case *hwmonKeys:
		if k.Chip == "fail" {
			return Made{}, errors.New("this chip is refused")
		}
	case *fileKeys:
		made.Bus = ""
		var errs []error
		if k.Path == "" {
			errs = append(errs, &agent.ParamError{Param: "path", Text: "a value is needed"})
		}
		if _, ok := agent.LookupUnit(k.Unit); !ok && k.Unit != "" {
			errs = append(errs, &agent.ParamError{Param: "unit", Text: "unknown unit"})
		}
		return made, errors.Join(errs...)
	case *simKeys:
		made.Every, made.Fields = 0, []string{""}
		if k.Shape == "long" {
			made.Fields = []string{strings.Repeat("f", 32)}
		}
	}
	return made, nil
}

func fakeJID(s string, account bool) (string, error) {
	local, rest, ok := strings.Cut(s, "@")
	switch {
	case account && (!ok || local == ""):
		return "", fmt.Errorf("%q is not an account: write name@domain", s)
	case s == "" || strings.ContainsAny(s, " \n") || strings.HasSuffix(s, "/"):
		return "", fmt.Errorf("%q is not a JID", s)
	}
	domain, resource, ok := strings.Cut(rest, "/")
	if ok {
		return strings.ToLower(local+"@"+domain) + "/" + resource, nil
	}
	return strings.ToLower(s), nil
}

func fakeEnv(b built) Env {
	return Env{
		ParseAccount: func(s string) (string, error) { return fakeJID(s, true) },
		ParseJID:     func(s string) (string, error) { return fakeJID(s, false) },
		Kinds:        []string{"system", "hwmon", "thermal", "file", "sim", "self", "nested"},
		NewSensor:    b.newSensor,
		OutputKinds:  []string{"sim", "servo"},
		NewOutput:    b.newOutput,
		Commands:     []string{"yes", "help", "status", "set", "grant"},
		CheckProgram: fakeProgram,
	}
}

// openNotForbidden refuses a file named forbidden, as the kernel does to
// anybody but root.
func openNotForbidden(path string) (fs.File, error) {
	if filepath.Base(path) == "forbidden" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return openFile(path)
}

// write puts a file for a test, whatever the umask is.
func write(t *testing.T, path, mode, text string) {
	t.Helper()
	perm, err := strconv.ParseUint(mode, 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, fs.FileMode(perm)); err != nil {
		t.Fatal(err)
	}
}

// Each file of testdata/bad has its wanted messages in comments at its head:
//
//	# want: a message, all of them in order
//	# put: NAME MODE TEXT    a file beside it
//	# fill: NAME MODE BYTES  a file of this size beside it
//	# mode: MODE             of the config itself, else 0600
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Setenv("CREDENTIALS_DIRECTORY", "")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			want, mode := prepare(t, dir, string(data))
			path := filepath.Join(dir, filepath.Base(file))
			write(t, path, mode, string(data))
			l := &loader{env: fakeEnv(built{}), open: openNotForbidden}
			c, err := l.load(path)
			if _, ok := errors.AsType[Problems](err); !ok || c != nil {
				t.Fatalf("got %v, %v, want Problems", c, err)
			}
			got := strings.Split(strings.NewReplacer(dir+"/", "", dir, ".").Replace(err.Error()), "\n")
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func prepare(t *testing.T, dir, text string) (want []string, mode string) {
	t.Helper()
	mode = "0600"
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		arg := append(strings.SplitN(rest, " ", 3), "", "")
		switch word {
		case "# want":
			want = append(want, rest)
		case "# mode":
			mode = rest
		case "# put":
			write(t, filepath.Join(dir, arg[0]), arg[1], strings.ReplaceAll(arg[2], `\n`, "\n"))
		case "# fill":
			n, err := strconv.Atoi(arg[2])
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, arg[0]), arg[1], strings.Repeat("x", n))
		default:
			return want, mode
		}
	}
	return want, mode
}
