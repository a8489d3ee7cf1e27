package server

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A home is the directory of one server and the user who owns it.
type home struct {
	dir  string
	cred *syscall.Credential // nil: the user that we are
}

// newHome makes a directory for a server. As root it belongs to the named user.
// Others may enter it, for the CA file, but not list it.
func newHome(name string) (home, error) {
	var h home
	if os.Geteuid() == 0 {
		cred, err := credentialOf(name)
		if err != nil {
			return h, err
		}
		h.cred = cred
	}
	dir, err := os.MkdirTemp("", "pipit-"+name+"-")
	if err != nil {
		return h, fmt.Errorf("making a directory for %s: %w", name, err)
	}
	h.dir = dir
	if err = h.open(); err != nil {
		os.Remove(dir)
		return h, err
	}
	return h, nil
}

func (h home) open() error {
	if err := h.enterable(); err != nil {
		return err
	}
	if err := os.Chmod(h.dir, 0o711); err != nil {
		return err
	}
	return h.give(h.dir)
}

func credentialOf(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("%s does not run as root: %w; install the Debian package, which makes the user, or run this as a plain user", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// enterable makes sure that the other user can reach the directory.
func (h home) enterable() error {
	if h.cred == nil {
		return nil
	}
	for d := filepath.Dir(h.dir); ; d = filepath.Dir(d) {
		fi, err := os.Stat(d)
		if err != nil {
			return err
		}
		if fi.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("the server's own user cannot enter %s: set TMPDIR to a directory that everybody may enter", d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

func (h home) give(path string) error {
	if h.cred == nil {
		return nil
	}
	return os.Chown(path, int(h.cred.Uid), int(h.cred.Gid))
}

// mkdir makes a directory, with its parents, that only the server may read.
func (h home) mkdir(name string) error {
	path := h.dir
	for part := range strings.SplitSeq(name, "/") {
		path = filepath.Join(path, part)
		if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
			return err
		}
		if err := h.give(path); err != nil {
			return err
		}
	}
	return nil
}

// write writes a whole file that only the server may read.
func (h home) write(name string, data []byte) error {
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	if err := h.give(path + ".new"); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// create writes a file; one that exists is an error.
func (h home) create(name string, data []byte) error {
	if _, err := os.Stat(filepath.Join(h.dir, name)); err == nil {
		return os.ErrExist
	}
	return h.write(name, data)
}

// freePorts finds loopback ports that nobody listens on. Nothing keeps others
// from taking them before the server does.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp4", loopback(0))
		if err != nil {
			return nil, fmt.Errorf("finding free ports: %w", err)
		}
		defer l.Close() // all at the end, so that all differ
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
