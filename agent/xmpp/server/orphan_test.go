package server

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The parent death signal: a server ends with the process that started it,
// even if that is killed.
func TestEndsWithParent(t *testing.T) {
	if os.Getenv("PIPIT_TEST_PARENT") != "" {
		beParent(t)
		return
	}
	both(t, func(t *testing.T, start func(context.Context, Options) (*Server, error)) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEndsWithParent$")
		tmp := openTempDir(t)
		cmd.Env = append(os.Environ(), "PIPIT_TEST_PARENT="+t.Name(), "TMPDIR="+tmp)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		home := bufio.NewScanner(out)
		home.Scan()
		before := processesOf(t, home.Text())
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if len(before) == 0 {
			t.Fatalf("the other process has started nothing in %q", home.Text())
		}
		for range 200 {
			if len(processesOf(t, home.Text())) == 0 {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("processes left: %v", processesOf(t, home.Text()))
	})
}

func beParent(t *testing.T) {
	start := StartProsody
	if os.Getenv("PIPIT_TEST_PARENT") == "TestEndsWithParent/ejabberd" {
		start = StartEjabberd
	}
	s, err := start(t.Context(), Options{Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString(s.home.dir + "\n")
	select {} // until it is killed
}
