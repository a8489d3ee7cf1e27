package sensors

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pipit/agent"
)

func TestCapture(t *testing.T) {
	h := programs(t, map[string]string{
		"/bin/args":       `printf '%s|' "$@"`,
		"/bin/env":        `echo "$PIPIT_FROM"`,
		"/bin/stdin":      `cat; echo end`,
		"/bin/fails":      `echo half; echo first >&2; echo last >&2; exit 3`,
		"/bin/exact":      `head -c 1024 /dev/zero | tr '\0' x`,
		"/bin/more":       `head -c 1025 /dev/zero | tr '\0' x; echo gone; echo fine > ` + "$PIPIT_MARK",
		"/bin/long":       `head -c 1000000 /dev/zero | tr '\0' x; head -c 1000000 /dev/zero | tr '\0' y >&2; echo tail >&2; exit 1`,
		"/bin/killed":     `kill -9 $$`,
		"/bin/background": `sleep 600 & echo started`,
	})
	mark := t.TempDir() + "/mark"
	kilo := strings.Repeat("x", 1024)
	for _, tt := range []struct {
		argv, out string
		more      bool
		status    string
		stderr    string // its end
	}{
		{"/bin/args a $HOME *", "a|$HOME|*|", false, "", ""},
		{"/bin/env", "anna@example.org\n", false, "", ""},
		{"/bin/stdin", "end\n", false, "", ""},
		{"/bin/fails", "half\n", false, "exit status 3", "first\nlast\n"},
		{"/bin/exact", kilo, false, "", ""},
		{"/bin/more", kilo, true, "", ""},
		{"/bin/long", kilo, true, "exit status 1", strings.Repeat("y", 1024-5) + "tail\n"},
		{"/bin/killed", "", false, "signal: killed", ""},
		{"/bin/background", "started\n", false, "", ""},
	} {
		out, more, err := h.Capture(t.Context(), strings.Split(tt.argv, " "), []string{"PIPIT_FROM=anna@example.org", "PIPIT_MARK=" + mark}, 1024)
		status, stderr := "", ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			status, stderr = exit.Error(), string(exit.Stderr)
		} else if err != nil {
			t.Error(err)
		}
		if string(out) != tt.out || more != tt.more || status != tt.status || stderr != tt.stderr {
			t.Errorf("%s: %d bytes %.40q, %v, %q, %d bytes %.40q", tt.argv, len(out), out, more, status, len(stderr), stderr)
		}
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("a program that wrote too much was ended:", err)
	}
}

func TestCaptureTimeout(t *testing.T) {
	h := programs(t, map[string]string{"/slow": `echo begun; sleep 600; echo never`})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	out, _, err := h.Capture(ctx, []string{"/slow"}, nil, 100)
	if !errors.Is(err, context.DeadlineExceeded) || string(out) != "begun\n" && string(out) != "" {
		t.Errorf("got %q, %v", out, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	go stop()
	if _, _, err := h.Capture(ctx, []string{"/slow"}, nil, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCheckProgram(t *testing.T) {
	h := programs(t, map[string]string{"/bin/good": "", "/bin/loose": ""})
	chmod(t, h.path("/bin/loose"), 0o757)
	if err := h.CheckProgram("/bin/good"); err != nil {
		t.Error(err)
	}
	if err := h.CheckProgram("/bin/loose"); err == nil || !strings.Contains(err.Error(), "may be changed by others") {
		t.Errorf("got %v", err)
	}
	if _, _, err := h.Capture(t.Context(), []string{"/bin/loose"}, nil, 100); err == nil || !strings.Contains(err.Error(), "may be changed by others") {
		t.Errorf("at a run: %v", err)
	}
	if _, ok := errors.AsType[*agent.MissingError](h.CheckProgram("/bin/none")); !ok {
		t.Error("a program that is not there is not missing")
	}
}
