package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// inspectRounds is how often a file that is written meanwhile is looked at.
const inspectRounds = 5

// An Inspection is what a look at a store from outside has found.
type Inspection struct {
	File     string
	Bytes    int64
	Readings uint64
	Fields   int // with readings
	Alerts   int // bytes of those that are kept
	Oldest   time.Time
	Newest   time.Time
	Last     []agent.Reading // of the wanted fields, by name
	SetAside []string        // names of damaged files
}

// Inspect looks at the store of a directory that another process may use. It
// takes no lock, writes nothing and keeps no reader in the file, so an agent does
// not notice it: a commit writes no page of the state before it, and when one
// ended meanwhile the look begins anew. What is not committed yet it does not see.
// It ends soon after ctx.
func Inspect(ctx context.Context, dir string, want func(field string) bool) (Inspection, error) {
	path := filepath.Join(dir, fileName)
	found := Inspection{File: path, SetAside: (&Store{dir: dir}).damagedFiles()}
	f, err := openPlain(path)
	if err != nil {
		return found, err
	}
	defer f.Close()
	for range inspectRounds {
		i, still, err := inspect(ctx, f, want)
		i.File, i.SetAside = path, found.SetAside
		if ctx.Err() != nil {
			return i, context.Cause(ctx)
		}
		if still {
			return i, err
		}
	}
	return found, fmt.Errorf("%s is written too often to look at: stop the agent first", path)
}

// openPlain does not wait where a pipe has the name of the file.
func openPlain(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// inspect walks the file once. still tells that no page of the walk can have
// been written meanwhile.
func inspect(ctx context.Context, f *os.File, want func(string) bool) (found Inspection, still bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return found, true, err
	}
	found.Bytes = info.Size()
	if found.Bytes == 0 {
		return found, true, nil
	}
	chunks := make(map[string][]byte) // the newest of each wanted field
	fields := make(map[string]bool)
	w := walker{r: &stoppable{ctx, f}, size: found.Bytes}
	w.visit = func(bucket, key, value []byte) { found.visit(fields, chunks, want, bucket, key, value) }
	begin, err := w.meta()
	if err == nil {
		w.pages, w.used = begin.pages, make([]bool, begin.pages)
		w.used[0], w.used[1] = true, true
		err = w.tree(begin.root, 0)
	}
	end, again := w.meta()
	found.Fields = len(fields)
	for name, chunk := range chunks {
		if r, ok := newestOf(name, chunk); ok {
			found.Last = append(found.Last, r)
		}
	}
	slices.SortFunc(found.Last, func(a, b agent.Reading) int { return strings.Compare(a.Name, b.Name) })
	return found, errors.Is(again, errDamaged) || end.tx == begin.tx, err
}

func (i *Inspection) visit(fields map[string]bool, chunks map[string][]byte, want func(string) bool, bucket, key, value []byte) {
	switch {
	case bucket == nil && string(key) == string(readingsBucket) && len(value) >= 16:
		i.Readings = order.Uint64(value[8:])
	case string(bucket) == string(alertsBucket):
		i.Alerts += len(value)
	case string(bucket) == string(readingsBucket) && len(key) > 8:
		h, err := parse(value)
		if err != nil {
			return
		}
		name := string(key[8:])
		fields[name] = true
		if from := time.UnixMilli(h.from); i.Oldest.IsZero() || from.Before(i.Oldest) {
			i.Oldest = from
		}
		if to := time.UnixMilli(h.to); to.After(i.Newest) {
			i.Newest = to
		}
		if want(name) { // keys come in the order of segments
			chunks[name] = append(chunks[name][:0], value...)
		}
	}
}

func newestOf(name string, chunk []byte) (last agent.Reading, ok bool) {
	h, err := parse(chunk)
	if err == nil {
		_, err = h.each(name, func(e agent.Entry) bool { last, ok = e.Reading, true; return true })
	}
	return last, ok && err == nil
}

// A stoppable reader ends with ctx.
type stoppable struct {
	ctx context.Context
	r   io.ReaderAt
}

func (s *stoppable) ReadAt(b []byte, at int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.ReadAt(b, at)
}
