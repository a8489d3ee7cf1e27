package cross

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	unit = "pipit.service"
	// mostExposed is what the unit may score: 2.0 on systemd's scale of 10.
	mostExposed = "20"
)

// analyze runs systemd-analyze.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("no systemd-analyze: sudo apt-get install -y --no-install-recommends systemd")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// installed writes the unit as it stands with other texts in place of some, and
// with programs that exist.
func installed(t *testing.T, replace ...string) string {
	t.Helper()
	dir := t.TempDir()
	stub(t, dir, "pipit", "")
	replace = append(replace, "/usr/bin/pipit", filepath.Join(dir, "pipit"), "Documentation=man:pipit(1)\n", "")
	text := strings.NewReplacer(replace...).Replace(string(contents(t, unit)))
	path := filepath.Join(dir, unit)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// systemdVersion is that of this machine.
func systemdVersion(t *testing.T) int {
	t.Helper()
	out, err := analyze(t, "--version")
	m := regexp.MustCompile(`^systemd (\d+)`).FindStringSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v: %s", err, out)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func TestUnitVerifies(t *testing.T) {
	var newer []string // what this systemd does not know, and would say so
	if systemdVersion(t) < 254 {
		newer = []string{"RestartSteps=6\n", "", "RestartMaxDelaySec=300\n", ""}
	}
	if out, err := analyze(t, "verify", installed(t, newer...)); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	wrong := installed(t, "RestartSec=5", "RestartSecs=5")
	if out, err := analyze(t, "verify", wrong); err == nil && !strings.Contains(out, "RestartSecs") {
		t.Errorf("an unknown key passes: %s", out)
	}
}

func TestUnitIsHardened(t *testing.T) {
	if out, err := analyze(t, "security", "--offline=true", "--threshold="+mostExposed, installed(t)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	open := installed(t, "ProtectKernelModules=yes\n", "", "RestrictNamespaces=yes\n", "")
	if out, err := analyze(t, "security", "--offline=true", "--threshold="+mostExposed, open); err == nil {
		t.Errorf("an open unit passes:\n%s", out)
	}
}

// TestUnitLetsThrough holds what the score would like to shut, and what must
// not be there.
func TestUnitLetsThrough(t *testing.T) {
	text := string(contents(t, unit))
	for _, line := range []string{
		"Type=notify", "WatchdogSec=60", "Restart=on-failure", "RestartSteps=6", "RestartMaxDelaySec=300", "RestartPreventExitStatus=2", "RestartForceExitStatus=75",
		"ExecStart=/usr/bin/pipit run --config /etc/pipit/config.toml",
		"ExecStopPost=/usr/bin/pipit outputs-safe --config /etc/pipit/config.toml",
		"User=pipit", "StateDirectory=pipit",
		"DeviceAllow=char-i2c rw", "DeviceAllow=char-spi rw", "DeviceAllow=char-gpiochip rw", "DeviceAllow=char-video4linux rw",
		"DeviceAllow=char-ttyS rw", "DeviceAllow=char-ttyAMA rw", "DeviceAllow=char-ttyUSB rw", "DeviceAllow=char-ttyACM rw",
		"ReadWritePaths=/sys/devices",                      // LEDs and PWM
		"SystemCallFilter=adjtimex",                        // whether the clock is synchronised
		"LoadCredential=xmpp_password:pipit.xmpp_password", // an absolute path would have to exist
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	// These hide the clock's state, devices, or groups; the last two fail where a group or file is not there.
	if bad := regexp.MustCompile(`(?m)^(ProtectClock|PrivateDevices|PrivateNetwork|PrivateUsers|ProcSubset|SupplementaryGroups|EnvironmentFile)=`).FindString(text); bad != "" {
		t.Errorf("%s is in the unit", bad)
	}
}

// TestSysusers makes the user and its groups in a root of its own.
func TestSysusers(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("systemd-sysusers")
	if err != nil {
		t.Fatal("no systemd-sysusers: sudo apt-get install -y --no-install-recommends systemd")
	}
	file, err := filepath.Abs("pipit.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	run(t, root, program, "--root="+root, file)
	groups := string(contents(t, filepath.Join(root, "etc/group")))
	for _, name := range []string{"gpio", "i2c", "spi", "dialout", "video"} {
		if !regexp.MustCompile(`(?m)^` + name + `:[^:]*:\d+:pipit$`).MatchString(groups) {
			t.Errorf("pipit is not in %s:\n%s", name, groups)
		}
	}
	if users := string(contents(t, filepath.Join(root, "etc/passwd"))); !strings.Contains(users, ":/var/lib/pipit:/usr/sbin/nologin") {
		t.Errorf("got %s", users)
	}
}

func TestOpenRCScript(t *testing.T) {
	run(t, ".", "sh", "-n", "pipit.openrc")
}
