// Package commands holds what people can ask of the device, one file for each
// command and one table for all. The chat (package chat) and the ad-hoc
// commands (XEP-0050) both work from this table through agent.Agent.Do.
package commands

import (
	"context"
	"log/slog"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/chart"
	"pipit/agent/watch"
)

// A Device is what the commands look at. All fields but Counters, Fields,
// Outputs, Custom, History, Alarm, Danger, Log, Reload, Cameras and Thresholds must be set before a command
// runs; the functions may be called from any goroutine and must not block for
// long.
type Device struct {
	Agent    *agent.Agent
	Status   func() []string // lines on the state of links and store: "xmpp: online as pi@example.org/pipit since 12:01"
	Counters func() []string // further lines of status, for owners: what the program itself counts; nil: none
	Sensors  []agent.Task    // the configured sensors
	Fields   *agent.Fields   // nil: there are none
	Outputs  *agent.Outputs  // nil: there are none
	Custom   *Programs       // nil: there are none
	History  agent.History   // nil: nothing is recorded
	Alarm    *alarm.Pager    // nil: there are no rules
	Watch    *watch.Watcher  // nil: nobody watches
	Danger   Danger
	Roles    map[string]agent.Role           // who may run a command, by its name; of the others the command says it
	Log      func(n int) []string            // the last lines of the log; nil: they are not kept
	LogLevel func(slog.Level, time.Duration) // sets the level of the log for a time; set where Log is
	Reload   func() (string, error)          // begins to put the config in force and says what changes, or why it cannot; nil: off
	FullJID  func() string                   // where the ad-hoc commands are, "" while offline

	// Cameras take pictures, by the name of their sensor, with their media type.
	Cameras    map[string]func(context.Context) (data []byte, media string, err error)
	Thresholds func(name string) []chart.Threshold // what plot draws for a reading; Series need not be set; nil: nothing
}

// All returns the table in the order of help. Agent.Commands may be set to it:
// the commands look into that field only when they run. The commands of outputs
// are there where an output is, those of the past where there is a record.
func All(d *Device) []agent.Command {
	list := []agent.Command{d.help(), d.status(), d.read(), d.sensors()}
	if d.History != nil {
		list = append(list, d.history(), d.plot(), d.csv())
	}
	if d.Outputs != nil && len(d.Outputs.Tasks) > 0 {
		list = append(list, d.outputs(), d.driving(d.set()), d.driving(d.toggle()), d.driving(d.pulse()))
	}
	if d.Alarm != nil {
		list = append(list, d.alerts(), d.ack(), d.unack(), d.silence(), d.unsilence(), d.testAlert())
	}
	if len(d.Cameras) > 0 {
		list = append(list, d.photo())
	}
	if d.Watch != nil {
		list = append(list, d.watch(), d.unwatch(), d.watches())
	}
	list = append(list, d.who(), d.version())
	if d.Log != nil {
		list = append(list, d.log())
	}
	if d.Reload != nil {
		list = append(list, d.reload())
	}
	if d.Agent.Staff != nil {
		list = append(list, d.people(), d.grant(), d.revoke())
	}
	if d.Agent.Audit != nil {
		list = append(list, d.audit())
	}
	list = append(list, d.dangerous()...)
	if d.Custom != nil {
		list = append(list, d.Custom.Commands()...) // last: of two with one name the first counts
	}
	for i, c := range list {
		if role, ok := d.Roles[c.Name]; ok && c.NeedsFor == nil { // driving has seen to the others
			list[i].Needs = role
		}
	}
	return list
}

// Names returns the names of all commands that a device may have, whatever its
// config is, and the words of the chat: no command of a config can have one of
// them.
func Names() []string {
	some := func(context.Context) error { return nil }
	everything := &Device{
		Agent:   &agent.Agent{Staff: &agent.People{}, Audit: &agent.Audit{}},
		Outputs: &agent.Outputs{Tasks: make([]agent.OutputTask, 1)},
		History: struct{ agent.History }{},
		Alarm:   &alarm.Pager{},
		Watch:   &watch.Watcher{},
		Log:     func(int) []string { return nil },
		Reload:  func() (string, error) { return "", nil },
		Cameras: map[string]func(context.Context) ([]byte, string, error){"": nil},
		Danger:  Danger{Restart: some, Reboot: some, Shutdown: some},
	}
	names := []string{"yes"}
	for _, c := range All(everything) {
		names = append(names, c.Name)
	}
	return names
}
