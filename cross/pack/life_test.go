package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var library = regexp.MustCompile(`/\S+`)

// board makes a root with the programs that the scripts run, from this machine.
func board(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	t.Cleanup(func() { asRoot(t, "rm", "-rf", root+"/etc", root+"/var", root+"/usr") })
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		sh(t, "mkdir", "-p", root+"/usr/"+dir)
		sh(t, "ln", "-s", "usr/"+dir, root+"/"+dir)
	}
	for _, name := range []string{"sh", "grep", "mkdir", "chown", "chmod", "rm", "groupadd", "useradd", "usermod"} {
		path := strings.TrimSpace(sh(t, "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin command -v "+name))
		files := append(library.FindAllString(sh(t, "ldd", path), -1), path)
		for _, file := range files {
			to := filepath.Join(root, file)
			sh(t, "mkdir", "-p", filepath.Dir(to))
			sh(t, "cp", "-L", file, to)
		}
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\ngpio:x:990:\ni2c:x:991:\n",
		"etc/shadow": "", "etc/gshadow": "", "etc/login.defs": "", "etc/nsswitch.conf": "passwd: files\ngroup: files\n",
		"var/lib/dpkg/status": "", "var/lib/dpkg/available": "",
	} {
		file := filepath.Join(root, name)
		sh(t, "mkdir", "-p", filepath.Dir(file))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sh(t, "mkdir", "-p", root+"/var/lib/dpkg/info", root+"/var/lib/dpkg/updates", root+"/dev", root+"/tmp")
	if err := os.WriteFile(root+"/dev/null", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return root
}

// asRoot runs a command as root, by sudo if need be: dpkg and chroot want that.
func asRoot(t *testing.T, name string, args ...string) string {
	t.Helper()
	if os.Getuid() == 0 {
		return sh(t, name, args...)
	}
	return sh(t, "sudo", append([]string{"-n", name}, args...)...)
}

// testLife installs, upgrades, removes and purges a package in a root of its own.
func testLife(t *testing.T, deb string) {
	root := board(t)
	dpkg := func(args ...string) string {
		return asRoot(t, "dpkg", append([]string{"--root=" + root}, args...)...)
	}
	there := func(name string, want bool) {
		t.Helper()
		if got := asRoot(t, "find", filepath.Join(root, filepath.Dir(name)), "-maxdepth", "1", "-name", filepath.Base(name)) != ""; got != want {
			t.Errorf("%s is there: %v, want %v", name, got, want)
		}
	}
	if out := dpkg("-i", deb); !strings.Contains(out, "no account yet") {
		t.Errorf("install does not say that there is no account:\n%s", out)
	}
	groups, err := os.ReadFile(root + "/etc/group")
	if err != nil || !strings.Contains(string(groups), "gpio:x:990:pipit\ni2c:x:991:pipit\n") || strings.Contains(string(groups), "spi:") {
		t.Errorf("groups: %v\n%s", err, groups)
	}
	if out := asRoot(t, "chroot", root, "/usr/bin/pipit", "version"); !strings.Contains(out, "linux/amd64") {
		t.Errorf("version: %s", out)
	}
	asRoot(t, "sh", "-c", "echo '[xmpp]' >>"+root+"/etc/pipit/config.toml; echo x >"+root+"/var/lib/pipit/readings")
	newer := filepath.Join(t.TempDir(), "newer.deb")
	tree := t.TempDir()
	sh(t, "dpkg-deb", "-R", deb, tree)
	sh(t, "sed", "-i", "s/^Version: .*/Version: 99/", tree+"/DEBIAN/control")
	sh(t, "dpkg-deb", "--root-owner-group", "-b", tree, newer)
	if out := dpkg("-i", newer); strings.Contains(out, "no account yet") {
		t.Errorf("the upgrade does not see the config:\n%s", out)
	}
	if got := asRoot(t, "tail", "-n", "1", root+"/etc/pipit/config.toml"); got != "[xmpp]\n" {
		t.Errorf("the config after the upgrade: %q", got)
	}
	if got := asRoot(t, "stat", "-c", "%a", root+"/etc/pipit", root+"/etc/pipit/config.toml", root+"/var/lib/pipit"); got != "750\n640\n700\n" {
		t.Errorf("modes after the upgrade: %q", got)
	}
	if owner, gid := asRoot(t, "stat", "-c", "%u:%g", root+"/etc/pipit"), regexp.MustCompile(`(?m)^pipit:x:(\d+):`).FindStringSubmatch(string(groups)); gid == nil || owner != "0:"+gid[1]+"\n" {
		t.Errorf("/etc/pipit is of %s, the group is %v", owner, gid)
	}
	dpkg("-r", "pipit")
	there("usr/bin/pipit", false)
	there("etc/pipit/config.toml", true)
	there("var/lib/pipit/readings", true)
	dpkg("-P", "pipit")
	there("etc/pipit", false)
	there("var/lib/pipit", false)
}
