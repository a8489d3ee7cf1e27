package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipit/agent"
)

func TestConfirmKeys(t *testing.T) {
	dir := t.TempDir()
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"good": {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n", 0o600}, "open": {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n", 0o644}, "bad": {"secret 0189\n", 0o600},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		text, want string // a part of the problem
		codes      bool
		confirm    agent.Confirmation
	}{
		{"", "", false, agent.ConfirmAsk},
		{`dangerous = ["restart", "reboot", "shutdown"]`, "", false, agent.ConfirmAsk},
		{"confirm = \"totp\"\ntotp_file = \"good\"", "", true, agent.ConfirmTOTP},
		{"totp_file = \"good\"\n[command.x]\nrun = [\"/usr/bin/x\"]\nconfirm = \"totp\"", "", true, agent.ConfirmAsk},
		{"[command.x]\nrun = [\"/usr/bin/x\"]\nconfirm = \"totp\"", "command.x.confirm: there is no totp_file", false, 0},
		{`dangerous = ["restrat"]`, `there is no dangerous command "restrat"`, false, 0},
		{`dangerous = ["reboot", "reboot"]`, "stands there twice", false, 0},
		{`confirm = "never"`, `unknown word "never"`, false, 0},
		{`confirm = "totp"`, "there is no totp_file", false, 0},
		{"confirm = \"totp\"\ntotp_file = \"open\"", "others may read", false, 0},
		{"confirm = \"totp\"\ntotp_file = \"bad\"", "is not base32", false, 0},
		{"confirm = \"totp\"\ntotp_file = \"none\"", "cannot read", false, 0},
	} {
		path := filepath.Join(dir, "config.toml")
		if err := os.WriteFile(path, []byte("[device]\n"+tt.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, fakeEnv(built{}))
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "0189")):
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		case err == nil && ((c.Device.Codes != nil) != tt.codes || c.Device.Confirm != tt.confirm):
			t.Errorf("%s: %+v", tt.text, c.Device)
		}
	}
}
