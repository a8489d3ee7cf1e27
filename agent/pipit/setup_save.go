package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"pipit/agent/config"
	"pipit/agent/xmpp/jid"
	"pipit/sensors"
)

// save writes what was asked for, if it makes a good config and changes
// something. The password comes first: a config never names one that is not there.
func (s *setup) save() (*config.Config, error) {
	text, password, err := s.edited()
	if err != nil {
		return nil, err
	}
	drafts := map[string]config.Draft{s.config: text.Draft}
	if password != nil {
		drafts[password.path] = password.Draft
	}
	cfg, err := config.LoadDrafts(s.config, configEnv(sensors.NewHost("/")), drafts)
	if err == nil {
		err = checkActions(cfg)
	}
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("this would be no good config, and nothing was written:\n%w", err)}
	}
	var files []*draft
	for _, d := range []*draft{password, text} {
		if d != nil && !d.written() {
			files = append(files, d)
		}
	}
	if len(files) == 0 {
		fmt.Fprintln(s.out, "Nothing has changed, and nothing was written.")
		return cfg, nil
	}
	if err := s.folder(filepath.Dir(s.config)); err != nil {
		return nil, err
	}
	if err := s.owns.write(files); err != nil {
		return nil, err
	}
	for _, d := range files {
		fmt.Fprintf(s.out, "Wrote %s (%04o)\n", d.path, d.Mode)
	}
	return cfg, nil
}

// edited returns the config with the changes, and the file of a new password.
func (s *setup) edited() (text, password *draft, err error) {
	var changes []config.Change
	set := func(value string, table ...string) {
		changes = append(changes, config.Change{Table: table[:len(table)-1], Key: table[len(table)-1], Value: value})
	}
	text = &draft{path: s.config, Draft: config.Draft{Mode: configMode}}
	if s.have != nil {
		text.Text, text.Mode = s.have.Text, s.have.Mode
		text.owner = ownerOf(s.config)
	} else {
		text.Text = []byte("# Written by pipit setup. Every key is explained by: pipit init\n")
		if u := s.owns.user; u != nil {
			text.owner = &ids{0, u.gid}
		}
	}
	if s.have.Value("device") == nil && s.have.Value("xmpp") == nil {
		if name, err := os.Hostname(); err == nil && name != "" {
			set(tomlString(name), "device", "name")
		}
		set(tomlString(s.stateDir()), "device", "state_dir")
	}
	if !s.sameJID() {
		set(tomlString(s.login.jid), "xmpp", "jid")
	}
	if s.login.typed && !s.samePassword() {
		if password, err = s.passwordDraft(set); err != nil {
			return nil, nil, err
		}
	}
	s.wayChanges(set)
	set(`"owner"`, "people", s.personKey())
	for _, c := range s.chosen {
		changes = append(changes, c.changes()...)
	}
	if text.Text, err = config.Edit(text.Text, changes); err != nil {
		return nil, nil, &exitError{exitUsage, fmt.Errorf("%s: %w\nnothing was written", s.config, err)}
	}
	return text, password, nil
}

// sameJID tells whether the config has the account, perhaps with a resource.
func (s *setup) sameJID() bool {
	old, err := jid.ParseAccount(s.text("xmpp", "jid"))
	return err == nil && (old == s.login.jid || jid.Bare(old) == s.login.jid)
}

func (s *setup) samePassword() bool {
	return s.old != nil && s.sameJID() && s.old.XMPP.Password.Reveal() == s.login.password
}

// wayChanges are those of how to reach the server.
func (s *setup) wayChanges(set func(value string, path ...string)) {
	l := &s.login
	if l.server != s.text("xmpp", "server") {
		set(tomlString(l.server), "xmpp", "server")
	}
	if old, _ := s.have.Value("xmpp", "direct_tls").(bool); l.direct != old {
		set(strconv.FormatBool(l.direct), "xmpp", "direct_tls")
	}
	if old := s.text("xmpp", "ca_file"); l.ca != "" && l.ca != old && l.ca != filepath.Join(filepath.Dir(s.config), old) {
		set(tomlString(l.ca), "xmpp", "ca_file")
	}
}

// personKey is how the config writes the owner.
func (s *setup) personKey() string {
	for _, key := range s.have.Keys("people") {
		if jid.Bare(key) == s.master {
			return key
		}
	}
	return s.master
}

// stateDir is where the agent keeps what must survive a restart.
func (s *setup) stateDir() string {
	if s.config == defaultConfig {
		return "/var/lib/pipit"
	}
	return "state"
}

// passwordDraft is the file of a new password: the one that the config names,
// else a new one beside it. A password inside the config stays there.
func (s *setup) passwordDraft(set func(value string, path ...string)) (*draft, error) {
	if s.have.Value("xmpp", "password") != nil {
		set(tomlString(s.login.password), "xmpp", "password")
		return nil, nil
	}
	d := &draft{Draft: config.Draft{Text: []byte(s.login.password + "\n"), Mode: passwordMode}}
	defer func() { d.owner = s.passwordOwner(d.path) }()
	dir, name := filepath.Dir(s.config), s.text("xmpp", "password_file")
	if name != "" {
		if d.path = name; !filepath.IsAbs(name) {
			d.path = filepath.Join(dir, name)
		}
		return d, nil
	}
	for _, name := range []string{"password", "xmpp-password"} {
		d.path = filepath.Join(dir, name)
		if _, err := os.Lstat(d.path); errors.Is(err, fs.ErrNotExist) || d.written() {
			set(tomlString(name), "xmpp", "password_file")
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s is there and holds something else: move it away; nothing was written", d.path)
}

// passwordOwner is whose the file was, else whose the config is, else the service.
func (s *setup) passwordOwner(path string) *ids {
	for _, p := range []string{path, s.config} {
		if o := ownerOf(p); o != nil && o.uid != 0 {
			return o
		}
	}
	return s.owns.user
}

// folder makes the folder of the config.
func (s *setup) folder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	mode := fs.FileMode(0o755)
	if s.owns.user != nil {
		mode = 0o750
	}
	if err := os.MkdirAll(dir, mode); err != nil || s.owns.user == nil {
		return err
	}
	return s.owns.chown(dir, 0, s.owns.user.gid)
}
