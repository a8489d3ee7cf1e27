package sensors

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks bounds the symbolic links on the way to a program.
const maxLinks = 40

// program returns where a program is, after a look at it and at each directory
// on the way, links followed: nobody but root and the user that runs pipit may
// be able to put another one in its place. A directory with the sticky bit,
// such as /tmp, does not do.
func (h *Host) program(name string) (string, error) {
	if !path.IsAbs(name) {
		return "", fmt.Errorf("%s is not a whole path: it must begin with /", quote(name))
	}
	at, rest := h.Root, strings.Split(path.Clean(name), "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		if rest = rest[1:]; part == "" {
			continue
		}
		if err := h.trust(at); err != nil {
			return "", err
		}
		next := filepath.Join(at, part)
		to, err := os.Readlink(next)
		if err != nil { // no link, or nothing at all
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many symbolic links", name)
		}
		if path.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return at, h.runnable(name, at)
}

// runnable looks at the program itself.
func (h *Host) runnable(name, at string) error {
	info, err := os.Stat(at)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a program", name)
	case err == nil && info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable: run chmod 755 %s", name, h.shown(at))
	}
	return h.trust(at)
}

// trust refuses a file or a directory that others may change.
func (h *Host) trust(at string) error {
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return missing("there is no %s", h.shown(at))
	case err != nil:
		return fmt.Errorf("look at %s: %w", h.shown(at), errors.Unwrap(err))
	}
	owner := os.Geteuid()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(st.Uid)
	}
	return untrusted(h.shown(at), info.Mode().Perm(), owner, os.Geteuid())
}

// untrusted says what is wrong with the mode and the owner of a file on the
// way to a program.
func untrusted(name string, mode fs.FileMode, owner, self int) error {
	switch {
	case mode&0o022 != 0:
		return fmt.Errorf("%s may be changed by others (mode %04o), so nothing there is run: run chmod go-w %s", name, mode, name)
	case owner != 0 && owner != self:
		return fmt.Errorf("%s belongs to the user with the number %d, so nothing there is run: run chown root %s", name, owner, name)
	}
	return nil
}

// shown returns the name that a path below Root has on the host.
func (h *Host) shown(at string) string {
	return cmp.Or(strings.TrimPrefix(at, strings.TrimSuffix(h.Root, "/")), "/")
}

// argv checks the words of a program and returns whether one holds {value}.
func (c *checker) argv(key string, argv []string) (value bool) {
	switch {
	case len(argv) == 0:
		c.fail(key, "a program is needed, such as [\"/usr/local/bin/measure\", \"--once\"]")
		return false
	case !path.IsAbs(argv[0]):
		c.fail(key, "%s is not a whole path: it must begin with /", quote(argv[0]))
	case len(argv) > maxArgs:
		c.fail(key, "there are %d words, at most %d are possible", len(argv), maxArgs)
	}
	for _, arg := range argv {
		if len(arg) > maxArg || strings.Contains(arg, "\x00") {
			c.fail(key, "%s is longer than 4 KiB or holds a NUL", quote(arg))
		}
	}
	for _, arg := range argv[1:] {
		value = value || strings.Contains(arg, placeholder)
	}
	return value
}
