package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pipit/agent"
)

// A look from outside sees what is committed while the store is open, and
// changes nothing.
func TestInspectBesideAnOpenStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Flush: time.Second, Keep: time.Hour, MaxSize: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Truncate(time.Millisecond)
	for i := range 10 {
		for _, name := range []string{"a", "b"} {
			s.Append(agent.Reading{Name: name, Time: at.Add(time.Duration(i) * time.Second), Value: agent.Number(float64(i))})
		}
	}
	if err := s.AppendAlert(agent.NewAlert("test", agent.Warning, "text")); err != nil {
		t.Fatal(err)
	}
	if err := s.commit(); err != nil {
		t.Fatal(err)
	}
	want := func(name string) bool { return name == "b" }
	i, err := Inspect(t.Context(), dir, want)
	if err != nil {
		t.Fatal(err)
	}
	if i.Readings != 20 || i.Fields != 2 || i.Alerts == 0 || !i.Oldest.Equal(at) || !i.Newest.Equal(at.Add(9*time.Second)) || len(i.SetAside) != 0 {
		t.Errorf("got %+v", i)
	}
	if len(i.Last) != 1 || i.Last[0].Name != "b" || i.Last[0].Value != agent.Number(9) {
		t.Errorf("last %+v", i.Last)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if i, err = Inspect(t.Context(), dir, want); err != nil || i.Readings != 20 {
		t.Errorf("closed: %+v, %v", i, err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, fileName)); err != nil || string(after) != string(before) {
		t.Errorf("the file has changed: %v", err)
	}
}

func TestInspectOfWhatIsNoStore(t *testing.T) {
	dir := t.TempDir()
	none := func(string) bool { return false }
	if _, err := Inspect(t.Context(), dir, none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	for name, data := range map[string]string{"empty": "", "text": "this is no store\n", "zeros": string(make([]byte, 64<<10))} {
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if i, err := Inspect(t.Context(), dir, none); (err == nil) != (data == "") || i.Bytes != int64(len(data)) {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Inspect(ctx, dir, none); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
