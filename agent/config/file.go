package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// An opener opens a file for reading. Tests give their own: root may read anything.
type opener func(path string) (fs.File, error)

// openFile does not wait for a writer when the path is a pipe.
func openFile(path string) (fs.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// readFile reads a regular file of at most limit bytes. The error does not
// name the path.
func readFile(open opener, path string, limit int64) ([]byte, fs.FileMode, error) {
	f, err := open(path)
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	if int64(len(data)) > limit {
		return nil, 0, fmt.Errorf("it is larger than %d KiB", limit>>10)
	}
	return data, info.Mode(), nil
}

// withoutPath drops the path from an error, and says what to do about a refusal.
func withoutPath(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return errors.New("permission denied: the user that runs pipit must be able to read it")
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// resolve makes a path of the file: a relative one starts at the file's folder.
func (l *loader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(l.path), path)
}

// below tells whether a path lies in a folder. An empty folder holds nothing.
func below(path, folder string) bool {
	if folder == "" {
		return false
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
