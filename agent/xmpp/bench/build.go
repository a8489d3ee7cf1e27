package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// build makes the program for this machine, which the other parts run, and the
// one for armv6, whose size is promised, both as cross/build makes releases.
func (b *bench) build(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	host := runtime.GOARCH
	if host == "arm" {
		host = "armv6"
	}
	dir := filepath.Join(b.dir, "dist")
	cmd := exec.CommandContext(ctx, filepath.Join(root, "cross", "build"), "-o", dir, "armv6", host)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	b.pipit = filepath.Join(dir, "pipit-linux-"+host)
	if info, err := os.Stat(filepath.Join(dir, "pipit-linux-armv6")); err == nil {
		b.table.most("binary, armv6, stripped", "%.2f MB", float64(info.Size())/1e6, 12, fmt.Sprintf("%d bytes", info.Size()))
	}
	if err != nil {
		return fmt.Errorf("cross/build: %w\n%s", err, out)
	}
	return nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(string(bytes.TrimSpace(out))), nil
}
