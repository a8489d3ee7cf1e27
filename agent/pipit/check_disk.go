package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"pipit/sensors"
)

// A client is the user that a service runs as.
type client struct {
	name   string
	uid    int
	groups []int
}

// serviceUser returns who runs the agent: that of the process, else that of the
// unit if it is for this config, else whoever runs check.
func (i *inspection) serviceUser() (client, error) {
	name := ""
	switch {
	case i.agent.running && i.agent.uid >= 0:
		name = strconv.Itoa(i.agent.uid)
	case i.unit.runs(i.cfg.Path):
		name = i.unit.props["User"]
		if name == "" {
			name = "0"
		}
	default:
		name = strconv.Itoa(os.Geteuid())
	}
	return lookUpUser(name)
}

// lookUpUser finds a user by name or number. One without an entry has no groups
// but those of this process, if it is its own.
func lookUpUser(name string) (client, error) {
	u, err := user.Lookup(name)
	if uid, bad := strconv.Atoi(name); bad == nil && err != nil {
		if u, err = user.LookupId(name); err != nil {
			c := client{name: "user " + name, uid: uid}
			if uid == os.Geteuid() {
				c.groups, _ = os.Getgroups()
				c.groups = append(c.groups, os.Getegid())
			}
			return c, nil
		}
	}
	if err != nil {
		return client{}, fmt.Errorf("the unit's user %s: %w", name, err)
	}
	c := client{name: u.Username}
	c.uid, _ = strconv.Atoi(u.Uid)
	ids, _ := u.GroupIds()
	for _, id := range append(ids, u.Gid) {
		if n, err := strconv.Atoi(id); err == nil {
			c.groups = append(c.groups, n)
		}
	}
	return c, nil
}

// may tells whether a user has rights (of 7) to a file by its mode; ACLs do not
// count. Root may everything.
func (c client) may(st *syscall.Stat_t, rights uint32) bool {
	mode := uint32(st.Mode)
	switch {
	case c.uid == 0:
		return true
	case int(st.Uid) == c.uid:
		mode >>= 6
	case slices.Contains(c.groups, int(st.Gid)):
		mode >>= 3
	}
	return mode&rights == rights
}

// reaches tells why a user cannot write into a directory, by it and by those above.
func (c client) reaches(dir string) error {
	rights := uint32(3) // write and search
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		switch {
		case !info.IsDir():
			return fmt.Errorf("%s is no directory", at)
		case ok && !c.may(st, rights):
			what := "enter"
			if at == dir {
				what = "write into"
			}
			return fmt.Errorf("%s cannot %s %s (mode %04o, owner %d)", c.name, what, at, info.Mode().Perm(), st.Uid)
		case at == filepath.Dir(at):
			return nil
		}
		rights = 1 // search
	}
}

// disk looks at the directory of the store without opening that: an agent may be
// running. One that is not there yet is judged by the nearest above it.
func (i *inspection) disk(_ context.Context, b branch) {
	dir := i.cfg.Device.StateDir
	who, err := i.serviceUser()
	if err != nil {
		b.fail("disk", err.Error(), "make that user, or change User= of the unit")
		return
	}
	at, there := nearest(dir)
	made := !there && i.unit.runs(i.cfg.Path) && dir == "/var/lib/"+i.unit.props["StateDirectory"]
	if err := who.reaches(at); err != nil && !made {
		b.fail("disk", "state_dir "+dir+": "+err.Error(), "let "+who.name+" write into it, such as by chown, or name another directory by state_dir in [device]")
		return
	}
	space, err := sensors.NewHost("/").Statfs(at)
	if err != nil {
		b.fail("disk", at+": "+err.Error(), "see whether its file system is sound")
		return
	}
	i.tellSpace(b, dir, who.name, space, made)
}

func (i *inspection) tellSpace(b branch, dir, who string, space sensors.Space, made bool) {
	most, used := i.cfg.Device.MaxSize, bytesIn(dir)
	free := int64(min(space.Available, 1<<62))
	text := fmt.Sprintf("state_dir %s, %s may write, %d MB free, %d kB used", dir, who, free/1e6, used/1000)
	if made {
		text += ", systemd makes it at the start"
	}
	switch {
	case space.ReadOnly:
		b.fail("disk", "state_dir "+dir+": its file system is read-only", "see \"dmesg\": it may be damaged; or name a directory on another one by state_dir in [device]")
	case free+used < most:
		b.warn("disk", text, fmt.Sprintf("the store may grow to %d MB: free some space, or lower max_size in [device]", most/1e6))
	default:
		b.ok("disk", text)
	}
}

// nearest returns a directory, or the nearest above it that is there.
func nearest(dir string) (at string, there bool) {
	for at = dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			return at, at == dir
		}
	}
	return at, at == dir
}

// bytesIn returns the bytes of the files right in a directory.
func bytesIn(dir string) (n int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
	}
	return n
}
