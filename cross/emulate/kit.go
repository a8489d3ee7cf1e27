package emulate

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed init.sh
var initScript []byte

const (
	bootWait  = 3 * time.Minute // a boot takes 12 to 36 s on a busy machine
	bootTries = 2
)

var errHung = errors.New("the boot hangs")

// A Kit is all that is needed to boot a board, unpacked.
type Kit struct {
	board Board
	dir   string
	linux string          // folder of the kernel's package
	files map[string]File // of the initramfs
	wait  time.Duration   // for one boot
}

// Prepare unpacks into dir what a board needs; packages that are not in the
// cache are downloaded.
func Prepare(ctx context.Context, dir string, b Board) (*Kit, error) {
	for _, p := range []Package{qemu, busybox, b.linux} {
		if err := p.unpack(ctx, filepath.Join(dir, p.Name)); err != nil {
			return nil, err
		}
	}
	k := &Kit{board: b, dir: dir, linux: filepath.Join(dir, b.linux.Name), wait: bootWait}
	shell, err := os.ReadFile(filepath.Join(dir, busybox.Name, "bin", "busybox"))
	if err != nil {
		return nil, err
	}
	k.files = map[string]File{"init": {initScript, 0o755}, "bin/busybox": {shell, 0o755}}
	return k, k.addModules()
}

// release is the version of the kernel, as uname -r prints it.
func (k *Kit) release() string { return strings.TrimPrefix(k.board.linux.Name, "linux-image-") }

func (k *Kit) addModules() error {
	dir := filepath.Join(k.linux, "usr/lib/modules", k.release())
	if _, err := os.Stat(dir); err != nil { // before the merge of /lib and /usr/lib
		dir = filepath.Join(k.linux, "lib/modules", k.release())
	}
	found, err := findModules(dir)
	if err != nil {
		return err
	}
	list, err := found.load(k.board.modules...)
	if err != nil {
		return fmt.Errorf("%s: %w", k.board.linux, err)
	}
	var names strings.Builder
	for _, m := range list {
		k.files["lib/modules/"+m.name+".ko"] = File{m.data, 0o644}
		names.WriteString(m.name + "\n")
	}
	k.files["modules"] = File{[]byte(names.String()), 0o644}
	return nil
}

// Boot boots the board with further files in its memory, by path without a
// slash before it. A boot that hangs is tried once more. Stop must be called.
func (k *Kit) Boot(ctx context.Context, files map[string]File) (*VM, error) {
	all := maps.Clone(k.files)
	maps.Copy(all, files)
	var image bytes.Buffer
	if err := writeInitramfs(&image, all); err != nil {
		return nil, err
	}
	initramfs := filepath.Join(k.dir, "initramfs.gz")
	if err := os.WriteFile(initramfs, image.Bytes(), 0o600); err != nil { // it may hold passwords
		return nil, err
	}
	for try := 1; ; try++ {
		vm, err := k.bootOnce(ctx, initramfs)
		if err == nil {
			vm.Tries = try
			return vm, nil
		}
		if try == bootTries || ctx.Err() != nil || !errors.Is(err, errHung) {
			return nil, fmt.Errorf("boot %d of %s: %w", try, k.board.Name, err)
		}
	}
}

func (k *Kit) bootOnce(ctx context.Context, initramfs string) (*VM, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, k.wait, errHung)
	defer cancel()
	began := time.Now()
	vm, err := start(ctx, filepath.Join(k.dir, qemu.Name, "usr/bin/qemu-system-arm"), append([]string{
		"-L", filepath.Join(k.dir, qemu.Name, "usr/share/qemu"),
		"-kernel", filepath.Join(k.linux, "boot/vmlinuz-"+k.release()),
		"-dtb", filepath.Join(k.linux, "usr/lib", k.board.linux.Name, k.board.tree),
		"-initrd", initramfs,
		"-append", k.board.append + " rdinit=/init panic=-1 quiet loglevel=1 cryptomgr.notests",
	}, k.board.args...))
	if err != nil {
		return nil, err
	}
	_, _, err = vm.console.await(ctx, 0, "init: up\n")
	if err == nil {
		vm.BootTime = time.Since(began)
		_, err = vm.Run(ctx, network)
	}
	if err != nil {
		vm.Stop()
		return nil, err
	}
	return vm, nil
}

// network brings the board's Ethernet up, which USB finds late.
const network = "n=0; until [ -e /sys/class/net/eth0 ] || [ $n = 300 ]; do n=$((n+1)); sleep 0.1; done; " +
	"ip addr add " + guest + "/24 dev eth0 && ip link set eth0 up"
