package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"pipit/agent/config"
)

const (
	configMode   = 0o640
	passwordMode = 0o600
)

// ids are who owns a file.
type ids struct{ uid, gid int }

// An ownership says whom files are for.
type ownership struct {
	user  *ids                                  // of the service, when root makes its files; nil: whoever runs setup
	chown func(path string, uid, gid int) error // nil: only root may do that
}

// systemOwnership is that of the user pipit, if there is one and we are root.
func systemOwnership() ownership {
	if os.Geteuid() != 0 {
		return ownership{}
	}
	o := ownership{chown: os.Chown}
	u, err := user.Lookup("pipit")
	if err != nil {
		return o
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err == nil && err2 == nil {
		o.user = &ids{uid, gid}
	}
	return o
}

// A draft is a file to be written.
type draft struct {
	path string
	config.Draft
	owner *ids // nil: whoever runs setup
}

// followed returns where the links of a path lead: a link stays one.
func followed(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// written tells whether the file is as the draft would have it.
func (d *draft) written() bool {
	text, err := os.ReadFile(d.path)
	return err == nil && bytes.Equal(text, d.Text)
}

// ownerOf returns who owns a file, nil when that cannot be known.
func ownerOf(path string) *ids {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return &ids{int(st.Uid), int(st.Gid)}
	}
	return nil
}

// write puts all files in place, or none that it can help: a name is moved when
// the text of every file is on disk.
func (o ownership) write(files []*draft) (err error) {
	temps := make([]string, len(files))
	defer func() {
		for _, name := range temps {
			if name != "" {
				_ = os.Remove(name)
			}
		}
	}()
	for i, d := range files {
		if temps[i], err = o.temp(d); err != nil {
			return fmt.Errorf("%w; nothing was written", err)
		}
	}
	for i, d := range files {
		path := followed(d.path)
		if err := os.Rename(temps[i], path); err != nil {
			return err
		}
		temps[i] = ""
		if err := syncFolder(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

// temp writes a draft beside its place and returns the name of the file, also
// with an error when there is one to remove.
func (o ownership) temp(d *draft) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(followed(d.path)), ".pipit-setup-*") // 0600
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(d.Text); err != nil {
		return f.Name(), err
	}
	if d.owner != nil && o.chown != nil {
		if err := o.chown(f.Name(), d.owner.uid, d.owner.gid); err != nil {
			return f.Name(), err
		}
	}
	if err := f.Chmod(d.Mode); err != nil {
		return f.Name(), err
	}
	return f.Name(), f.Sync()
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
