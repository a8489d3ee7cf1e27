package sensors

import (
	"errors"
	"fmt"
	"io/fs"

	"pipit/agent"
)

// diskField returns the name of a field of the file system mounted at mount.
func diskField(field, mount string) string {
	if mount == "/" {
		return field
	}
	return field + "_" + agent.CleanName(mount)
}

func diskFields(mount string) []string {
	return []string{diskField("disk_used", mount), diskField("disk_free", mount), diskField("disk_readonly", mount)}
}

// disks gives the used share as df(1) does (of what is not kept back for
// root), the free MiB and whether the file system is read-only: a dying card
// shows first as a file system that the kernel has made read-only.
func (s *system) disks(l *fieldList) {
	for _, mount := range s.cfg.Mounts {
		space, err := s.space(mount)
		if err != nil {
			l.fail(err, diskFields(mount)...)
			continue
		}
		l.bool(diskField("disk_readonly", mount), space.ReadOnly)
		used := space.Total - min(space.Free, space.Total)
		if used+space.Available == 0 {
			l.fail(missing("the file system at %s has no size", mount), diskField("disk_used", mount), diskField("disk_free", mount))
			continue
		}
		l.number(diskField("disk_used", mount), percent(used, used+space.Available), "%")
		l.number(diskField("disk_free", mount), float64(space.Available)/(1<<20), "MiB")
	}
}

// space measures what is mounted at a path. Without the look at the mounts an
// unplugged disk would show the numbers of the file system below it.
func (s *system) space(mount string) (Space, error) {
	if mount != "/" {
		b, err := s.bytes("/proc/self/mounts")
		if err != nil {
			return Space{}, err
		}
		if !isMounted(b, mount) {
			return Space{}, missing("nothing is mounted at %s", mount)
		}
	}
	space, err := s.host.Statfs(s.host.path(mount))
	if errors.Is(err, fs.ErrNotExist) {
		return Space{}, missing("there is no %s", mount)
	}
	if err != nil {
		return Space{}, fmt.Errorf("statfs %s: %w", mount, err)
	}
	return space, nil
}
