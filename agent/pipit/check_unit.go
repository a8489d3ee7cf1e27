package main

import (
	"cmp"
	"context"
	"os"
	"strings"
)

const unitName = "pipit.service"

// unitFacts are properties of the unit (systemctl show, org.freedesktop.systemd1(5)).
type unitFacts struct {
	props  map[string]string // nil: systemd did not answer
	failed string            // why
}

// unitProps are those that are asked for.
const unitProps = "LoadState,UnitFileState,ActiveState,SubState,Result,ExecStart,User,StateDirectory,FragmentPath"

// askUnit asks systemd, where there is one.
func (i *inspection) askUnit(ctx context.Context) unitFacts {
	if i.systemctl == nil {
		return unitFacts{failed: "there is no systemctl: this machine does not use systemd"}
	}
	ctx, cancel := context.WithTimeout(ctx, unitTime)
	defer cancel()
	out, err := i.systemctl(ctx, "show", unitName, "--no-pager", "--property="+unitProps)
	props := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			props[key] = value
		}
	}
	if err != nil || props["LoadState"] == "" {
		return unitFacts{failed: "systemd does not answer: it may not be what started this machine"}
	}
	return unitFacts{props: props}
}

func (u unitFacts) installed() bool { return u.props != nil && u.props["LoadState"] != "not-found" }

func (u unitFacts) active() bool { return u.props["ActiveState"] == "active" }

// start returns the program and the arguments of ExecStart, which is told as
// "{ path=/usr/bin/pipit ; argv[]=/usr/bin/pipit run --config x ; ... }".
func (u unitFacts) start() (program string, argv []string) {
	for field := range strings.SplitSeq(strings.Trim(u.props["ExecStart"], "{} "), " ; ") {
		if path, ok := strings.CutPrefix(field, "path="); ok {
			program = path
		}
		if line, ok := strings.CutPrefix(field, "argv[]="); ok {
			argv = strings.Fields(line)
		}
	}
	return program, argv
}

// runs tells whether the unit is for this config.
func (u unitFacts) runs(config string) bool {
	_, argv := u.start()
	return u.installed() && len(argv) > 1 && sameFile(configOf(argv), config)
}

// tellUnit compares the unit with this program and this config.
func (i *inspection) tellUnit(_ context.Context, b branch) {
	u := i.unit
	switch {
	case u.props == nil:
		b.skip("unit", u.failed)
		return
	case !u.installed():
		b.skip("unit", unitName+" is not installed: nothing starts the agent with the machine")
		return
	}
	enabled, active := cmp.Or(u.props["UnitFileState"], "unknown"), cmp.Or(u.props["ActiveState"], "unknown")
	program, argv := u.start()
	self, _ := os.Executable()
	text := unitName + " is " + enabled + " and " + active + " (" + u.props["SubState"] + "), starts " + strings.Join(argv, " ")
	doubts := []struct {
		is, failed bool
		hint       string
	}{
		{u.props["LoadState"] != "loaded", true, "systemd cannot load it (" + u.props["LoadState"] + "): see \"systemctl status pipit\""},
		{active == "failed", true, "it failed (" + u.props["Result"] + "): see \"journalctl -u pipit\", then \"systemctl restart pipit\""},
		{!sameFile(program, self), false, "it starts " + program + ", and this is " + self + ": what is checked here may not be what runs"},
		{!u.runs(i.cfg.Path), false, "it reads " + configOf(argv) + ", and this is " + i.cfg.Path + ": check that file, or change the unit"},
		{strings.HasPrefix(enabled, "disabled"), false, "\"systemctl enable pipit\" starts it with the machine"},
		{active != "active" && active != "failed", false, "\"systemctl start pipit\" starts it"},
	}
	var hints []string
	state := stateOK
	for _, d := range doubts {
		if !d.is {
			continue
		}
		hints = append(hints, d.hint)
		if state != stateFailed {
			state = stateWarning
		}
		if d.failed {
			state = stateFailed
		}
	}
	b.add("unit", state, text, strings.Join(hints, "; "))
}
