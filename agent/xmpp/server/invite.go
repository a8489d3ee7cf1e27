package server

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Invite makes an invitation to register an account (XEP-0445) and returns its
// link. It is for tests, and Prosody with the option Invite alone can.
func (s *Server) Invite(ctx context.Context) (string, error) {
	if s.Name != prosody.name {
		return "", fmt.Errorf("%s makes no invitations", s.Name)
	}
	cmd := exec.CommandContext(ctx, "prosodyctl", "--config", filepath.Join(s.home.dir, "prosody.cfg.lua"), "mod_invites", "generate", s.Domain)
	cmd.Dir, cmd.SysProcAttr = s.home.dir, &syscall.SysProcAttr{Credential: s.home.cred}
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("inviting to %s: %w", s.Domain, err)
	}
	lines := strings.Fields(string(out))
	if len(lines) == 0 {
		return "", fmt.Errorf("inviting to %s: prosodyctl prints nothing", s.Domain)
	}
	return lines[len(lines)-1], nil
}
