package emulate

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A module is a kernel module, not compressed.
type module struct {
	name string // with _ for -
	data []byte
}

// modules are those of one kernel.
type modules struct {
	files  map[string]string // by name, see moduleName
	inside []string          // built into the kernel
}

// findModules lists the modules below lib/modules/VERSION.
func findModules(dir string) (*modules, error) {
	m := &modules{files: make(map[string]string)}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for file := range strings.FieldsSeq(string(list)) {
		m.inside = append(m.inside, moduleName(file))
	}
	return m, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.Contains(entry.Name(), ".ko") {
			m.files[moduleName(path)] = path
		}
		return err
	})
}

// moduleName makes "i2c_dev" of "kernel/drivers/i2c/i2c-dev.ko.xz".
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// load returns modules with all that they need, in the order of loading.
func (m *modules) load(names ...string) ([]module, error) {
	var list []module
	seen := make(map[string]bool)
	var add func(name string) error
	add = func(name string) error {
		name = moduleName(name)
		if seen[name] || slices.Contains(m.inside, name) {
			return nil
		}
		seen[name] = true
		path, ok := m.files[name]
		if !ok {
			return fmt.Errorf("this kernel has no module %s", name)
		}
		data, err := readModule(path)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		needs, err := dependencies(data)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for _, need := range needs {
			if err := add(need); err != nil {
				return fmt.Errorf("module %s: %w", name, err)
			}
		}
		list = append(list, module{name, data})
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func readModule(path string) ([]byte, error) {
	if strings.HasSuffix(path, ".xz") {
		return exec.Command("xz", "-dc", path).Output()
	}
	return os.ReadFile(path)
}

// dependencies returns what a module says that it needs: "depends=a,b" in its
// section .modinfo, which modpost writes.
func dependencies(data []byte) ([]string, error) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(field), "depends="); ok {
			return strings.FieldsFunc(list, func(r rune) bool { return r == ',' }), nil
		}
	}
	return nil, nil
}
