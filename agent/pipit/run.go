package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"pipit/agent"
	"pipit/agent/commands"
	"pipit/agent/config"
	"pipit/agent/store"
	"pipit/agent/watch"
	"pipit/agent/xmpp"
	"pipit/agent/xmpp/face"
	"pipit/agent/xmpp/jid"
	"pipit/sensors"
)

// defaultConfig is where packages put the config.
const defaultConfig = "/etc/pipit/config.toml"

// oneProcessor is what the agent's Go code needs: its work is short and comes
// seldom. With more, each reply of the server wakes threads that find nothing
// to do, which takes more processor time than the work. Reads of sensors and
// writes to disk wait in threads of their own in any case.
const oneProcessor = 1

func runCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "run",
		Short: "run the agent until it is interrupted",
		Long: `Run reads the sensors, publishes the readings and answers people until it gets
SIGINT or SIGTERM. It keeps running, and keeps sensing, while the server is away.
A config with problems never starts: see "pipit check".
One processor is enough for it; the environment variable GOMAXPROCS sets more.`,
		Example: "  pipit run --config config.toml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.Device.LogLevel}))
			for _, w := range cfg.Warnings {
				log.Warn(w)
			}
			if cfg.XMPP.JID == "" {
				return &exitError{exitUsage, fmt.Errorf("%s has no [xmpp]: add jid and password_file, or use \"pipit read\"", path)}
			}
			if os.Getenv("GOMAXPROCS") == "" {
				runtime.GOMAXPROCS(oneProcessor)
			}
			err = run(c.Context(), cfg, &agent.Limits{}, log)
			if errors.Is(err, errRestart) {
				return &exitError{exitRestart, nil}
			}
			return err
		},
	}
	configFlag(c, &path)
	return c
}

func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", defaultConfig, "the config file")
}

// load reads a config. Its problems end the program with exit code 2.
func load(path string) (*config.Config, error) {
	host := sensors.NewHost("/")
	cfg, err := config.Load(path, configEnv(host))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &exitError{exitUsage, fmt.Errorf("%w; \"pipit init > %s\" makes one to start from", err, path)}
	}
	if err == nil {
		err = checkActions(cfg)
	}
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return cfg, nil
}

// configEnv tells the config what it cannot know by itself.
func configEnv(host *sensors.Host) config.Env {
	kinds := sensorKinds()
	env := config.Env{ParseAccount: jid.ParseAccount, ParseJID: jid.Parse, Commands: commands.Names(), CheckProgram: host.CheckProgram}
	for _, k := range kinds {
		env.Kinds = append(env.Kinds, k.Name)
	}
	env.NewSensor = func(_, kind string, decode func(any) error) (config.Made, error) {
		for _, k := range kinds {
			if k.Name == kind {
				b, err := k.New(host, decode)
				return config.Made{Sensor: b.Sensor, Bus: b.Bus, Fields: b.Fields, Every: b.Every, Timeout: b.Timeout}, err
			}
		}
		return config.Made{}, fmt.Errorf("unknown kind %q", kind)
	}
	outputs := sensors.OutputKinds()
	for _, k := range outputs {
		env.OutputKinds = append(env.OutputKinds, k.Name)
	}
	env.NewOutput = func(_, kind string, decode func(any) error) (config.MadeOutput, error) {
		for _, k := range outputs {
			if k.Name == kind {
				b, err := k.New(host, decode)
				return config.MadeOutput(b), err
			}
		}
		return config.MadeOutput{}, fmt.Errorf("unknown kind %q", kind)
	}
	return env
}

// run joins the parts and lets them work until ctx ends. limits bounds how often
// people may ask.
func run(ctx context.Context, cfg *config.Config, limits *agent.Limits, log *slog.Logger) error {
	lines := &logRing{}
	log = slog.New(slog.NewMultiHandler(log.Handler(), slog.NewTextHandler(lines, &slog.HandlerOptions{Level: cfg.Device.LogLevel})))
	clock := newClock(cfg.Device, log)
	st, err := store.Open(cfg.Device.StateDir, store.Options{
		Flush: cfg.Device.Flush, Keep: cfg.Device.Keep, MaxSize: cfg.Device.MaxSize, Log: log, Believed: clock.Sane,
	})
	if err != nil {
		return fmt.Errorf("state_dir %s: %w", cfg.Device.StateDir, err)
	}
	if clock != nil {
		clock.Newest = st.Newest()
	}
	staff, err := agent.NewPeople(cfg.People, st, jid.ParseAccount)
	if err != nil {
		log.Warn("not all grants are in force", "error", err)
	}
	a := &agent.Agent{
		Name: cfg.Device.Name, Location: cfg.Device.Location, Version: version(), Started: time.Now(), Codes: cfg.Device.Codes,
		Record: st, Alerts: st, Clock: clock, Staff: staff, Log: log,
	}
	cfg.Device.Codes.Restore(st)
	a.Audit, a.Limits = agent.NewAudit(st, log), limits
	a.Outside = agent.NewStrangers(a.Tell, a.Owners)
	link := xmpp.New(xmpp.Config{
		JID: cfg.XMPP.JID, Resource: cfg.XMPP.Resource, Password: reveal(cfg.XMPP.Password),
		Server: cfg.XMPP.Server, DirectTLS: cfg.XMPP.DirectTLS, RootCAs: cfg.XMPP.RootCAs, AllowPlain: cfg.XMPP.AllowPlain,
		PubSub: cfg.XMPP.PubSub, Access: cfg.XMPP.Access, Summary: cfg.Device.Summary, Interval: slowest(cfg.Sensors),
		Rooms: rooms(cfg.Rooms), Face: faceOf(cfg.Device), State: st,
	}, a, log)
	mqtt := newMQTT(cfg, a, st, log)
	fields := &agent.Fields{Rules: slices.Concat(importRules(cfg.MQTT.Imports), cfg.Fields), Next: a.Put, Refresh: a.Refresh, Crosses: crosses(cfg.Rules), Log: log}
	pager := newPager(cfg, a, st, link.OfflineSince, mqtt.alertsChanged, log)
	outputs := &agent.Outputs{Tasks: allOutputs(cfg, mqtt), Put: a.Put, Board: &a.Board, Offline: link.OfflineSince, State: st, Log: log}
	mqtt.join(fields, outputs, pager)
	status := func() []string {
		return slices.Concat(link.Status(), mqtt.Status(), clock.Status(), storeStatus(st.Stats()))
	}
	h := &health{store: st.Stats, link: func() linkCounters { return linkCounters(link.Counters()) }, log: log}
	bindSelf(cfg.Sensors, h)
	again := newRestarter()
	watcher := newWatcher(a, st, link, log)
	programs := &commands.Programs{Custom: cfg.Commands, Capture: sensors.NewHost("/").Capture, Tell: a.Tell, Log: log}
	a.Commands = commands.All(&commands.Device{
		Agent: a, Status: status, Counters: h.lines, Sensors: cfg.Sensors, Fields: fields, Outputs: outputs, Custom: programs,
		Cameras: cameras(cfg.Sensors), Log: lines.last,
		Roles: cfg.Roles, History: st, Thresholds: thresholds(cfg.Rules), Alarm: pager, Watch: watcher, Danger: danger(cfg.Device, sensors.NewHost("/").Run, again), FullJID: link.FullJID,
	})
	remove := func(name string) {
		fields.Remove(name)
		a.Board.Remove(name)
	}
	poller := &agent.Poller{Tasks: cfg.Sensors, Seed: cfg.XMPP.JID, Put: fields.Put, Remove: remove, Log: log}

	if slices.ContainsFunc(cfg.Outputs, func(t agent.OutputTask) bool { return t.Kind == "gpio" }) {
		log.Info("gpio outputs", "note", sensors.NewHost("/").CrashNote())
	}
	log.Info("starting", "version", version(), "device", a.Name, "sensors", len(cfg.Sensors), "outputs", len(cfg.Outputs), "people", len(cfg.People))
	defer log.Info("stopped")
	parts := []func(context.Context) error{clock.Run, outputs.Run, fields.Run, poller.Run, programs.Run, watcher.Run, link.Run, h.Run, again.Run, mqtt.Run, a.Audit.Run, a.Outside.Run, st.Run}
	if pager != nil {
		parts = append(parts, pager.Run)
	}
	return errors.Join(together(ctx, parts...), st.Close())
}

// newClock returns the clock of a device, nil for one that is trusted.
func newClock(d config.Device, log *slog.Logger) *agent.Clock {
	if d.TrustClock {
		return nil
	}
	return &agent.Clock{Wait: d.ClockWait, Log: log}
}

// newWatcher returns what tells people about the readings that they watch.
func newWatcher(a *agent.Agent, st *store.Store, link *xmpp.Link, log *slog.Logger) *watch.Watcher {
	w, err := watch.New(a, st, link.OfflineSince)
	if err != nil {
		log.Warn("not all watches are in force", "error", err)
	}
	a.Seers = append(a.Seers, w.See)
	return w
}

// together runs parts until ctx ends or one of them fails, and waits for all.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() {
			if errs[i] = part(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// cameras returns the sensors that take pictures.
func cameras(tasks []agent.Task) map[string]func(context.Context) ([]byte, string, error) {
	list := make(map[string]func(context.Context) ([]byte, string, error))
	for _, t := range tasks {
		if c, ok := t.Sensor.(sensors.Camera); ok {
			list[t.Name] = func(ctx context.Context) ([]byte, string, error) {
				p, err := c.Photo(ctx)
				return p.Data, p.Type, err
			}
		}
	}
	return list
}

func slowest(tasks []agent.Task) (longest time.Duration) {
	for _, t := range tasks {
		longest = max(longest, t.Every)
	}
	return longest
}

// faceOf is what contacts see of the device.
func faceOf(d config.Device) face.Face {
	f := face.Face{Nick: d.Name, Avatar: d.Avatar}
	if p := d.Position; p != nil {
		f.Position = &face.Position{Lat: p.Lat, Lon: p.Lon, Alt: p.Alt, Text: d.Location}
	}
	return f
}

// rooms are the chat rooms of the config as the link wants them.
func rooms(list []config.Room) (rooms []xmpp.Room) {
	for _, r := range list {
		rooms = append(rooms, xmpp.Room{
			Name: r.Name, JID: r.JID, Nick: r.Nick, Password: r.Password.Reveal(),
			Commands: r.Commands, AnonymousViewers: r.AnonymousViewers,
		})
	}
	return rooms
}

// reveal hands a password on to where it is used.
func reveal(s config.Secret) func() (string, error) {
	return func() (string, error) { return s.Reveal(), nil }
}
