// Pack makes the packages of pipit: deb, rpm and apk for each machine, with its
// service, man pages, completions, licences and the list of what is linked in.
//
// It runs from the root of the tree. cross/build makes the binaries and nfpm,
// which is no dependency of the module, the archives. The same commit and the
// same Go give the same bytes in any directory.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
)

// nfpm is the packager, run as a tool of its own module.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := flag.String("o", "dist", "the folder for the packages")
	flag.Parse()
	if err := pack(ctx, *dir, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// pack makes the packages of targets, or of all, into dir.
func pack(ctx context.Context, dir string, targets []string) error {
	machines, err := choose(targets)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "pipit-pack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := build(ctx, work, machines); err != nil {
		return err
	}
	s := stage{root: work, names: make(map[string]bool)}
	if err := s.shared(ctx); err != nil {
		return err
	}
	version, epoch := commit(ctx)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, m := range machines {
		if err := s.machine(ctx, m, version); err != nil {
			return fmt.Errorf("%s: %w", m.target, err)
		}
		for _, f := range formats {
			if err := s.archive(ctx, m, f, version, epoch, dir); err != nil {
				return fmt.Errorf("%s for %s: %w", f.name, m.target, err)
			}
		}
	}
	return nil
}

// build makes the binaries of machines, and one for the machine it runs on.
func build(ctx context.Context, work string, machines []machine) error {
	args := []string{"-o", filepath.Join(work, "bin")}
	for _, m := range machines {
		args = append(args, m.target)
	}
	if _, err := output(ctx, nil, "cross/build", args...); err != nil {
		return err
	}
	_, err := output(ctx, []string{"CGO_ENABLED=0", "GOOS=" + runtime.GOOS, "GOARCH=" + runtime.GOARCH},
		"go", "build", "-buildvcs=false", "-trimpath", "-o", filepath.Join(work, "native"), "./agent/pipit")
	return err
}

// output runs a program with env added and returns its standard output.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
