package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// kernelFiles tell what runs, and on what.
var kernelFiles = []string{"/proc/version", "/etc/os-release", "/proc/cmdline", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/mounts", "/proc/modules"}

// boardFiles may be missing: they are of boards with a device tree, and of the
// Raspberry Pi.
var boardFiles = []string{"/proc/device-tree/model", "/proc/device-tree/compatible", "/proc/cpuinfo",
	"/sys/devices/platform/soc/soc:firmware/get_throttled", "/sys/class/thermal/thermal_zone0/temp"}

// deviceNodes are those that sensors and outputs are on.
var deviceNodes = []string{"i2c-*", "spidev*", "gpiochip*", "gpiomem*", "ttyAMA*", "ttyS*", "ttyUSB*", "ttyACM*", "video*", "watchdog*"}

func (g *gatherer) kernel(ctx context.Context) (string, error) {
	text, failed := g.files(kernelFiles)
	df, err := g.program(ctx, "df", "-lPk")
	return text + df, errors.Join(failed, err)
}

func (g *gatherer) board(ctx context.Context) (string, error) {
	text, _ := g.files(boardFiles)
	text += g.nodes()
	id, err := g.program(ctx, "id")
	return text + id, err
}

// files joins small files; one that cannot be had is a line.
func (g *gatherer) files(names []string) (text string, failed error) {
	for _, name := range names {
		data, err := headOf(filepath.Join(g.root, name), 64<<10)
		text += "== " + name + "\n"
		switch {
		case errors.Is(err, os.ErrNotExist):
			text += "there is none\n"
		case err != nil:
			text += err.Error() + "\n"
			failed = errors.Join(failed, err)
		default:
			text += strings.TrimRight(strings.ReplaceAll(data, "\x00", "\n"), "\n") + "\n"
		}
	}
	return text, failed
}

// nodes lists device nodes with who may use them.
func (g *gatherer) nodes() string {
	text := "== device nodes: mode, user and group by number\n"
	for _, pattern := range deviceNodes {
		list, _ := filepath.Glob(filepath.Join(g.root, "/dev", pattern))
		for _, path := range list {
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				text += fmt.Sprintf("%s %d:%d /dev/%s\n", info.Mode(), st.Uid, st.Gid, filepath.Base(path))
			}
		}
	}
	return text
}
