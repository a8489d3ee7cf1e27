package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
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
	host := sensors.NewHost("/")
	c := &cobra.Command{
		Use:   "run",
		Short: "run the agent until it is interrupted",
		Long: `Run reads the sensors, publishes the readings and answers people until it gets
SIGINT or SIGTERM. It keeps running, and keeps sensing, while the server is away.
A config with problems never starts: see "pipit check". SIGHUP, and the command
reload, read the config again: what changed in it is restarted, and one with
problems leaves the old one in force.
One processor is enough for it; the environment variable GOMAXPROCS sets more.`,
		Example: "  pipit run --config config.toml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			from := source{load: func() (*config.Config, error) { return loadAgent(path, host) }, hup: hangups(c.Context())}
			cfg, err := from.load()
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			level.Set(cfg.Device.LogLevel)
			log := slog.New(logHandler(level))
			for _, w := range cfg.Warnings {
				log.Warn(w)
			}
			if os.Getenv("GOMAXPROCS") == "" {
				runtime.GOMAXPROCS(oneProcessor)
			}
			err = runFrom(c.Context(), cfg, from, &agent.Limits{}, log, level)
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

// hangups returns SIGHUPs until ctx ends.
func hangups(ctx context.Context) <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	context.AfterFunc(ctx, func() { signal.Stop(c) })
	return c
}

// loadAgent reads a config that the agent can run with.
func loadAgent(path string, host *sensors.Host) (*config.Config, error) {
	cfg, err := loadOn(path, host)
	if err == nil && cfg.XMPP.JID == "" {
		return nil, &exitError{exitUsage, fmt.Errorf("%s has no [xmpp]: add jid and password_file, or use \"pipit read\"", path)}
	}
	return cfg, err
}

// load reads a config. Its problems end the program with exit code 2.
func load(path string) (*config.Config, error) { return loadOn(path, sensors.NewHost("/")) }

func loadOn(path string, host *sensors.Host) (*config.Config, error) {
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
	level := new(slog.LevelVar)
	level.Set(cfg.Device.LogLevel)
	return runFrom(ctx, cfg, source{}, limits, log, level)
}

// runFrom is run with a config that may change, in a log whose level is level.
func runFrom(ctx context.Context, cfg *config.Config, from source, limits *agent.Limits, log *slog.Logger, level *slog.LevelVar) error {
	logs := newLogs(level)
	folded := newFolder()
	log = slog.New(folded.over(slog.NewMultiHandler(log.Handler(), slog.NewTextHandler(&logs.logRing, &slog.HandlerOptions{Level: level}))))
	clock := newClock(cfg.Device, log)
	st, err := store.Open(cfg.Device.StateDir, store.Options{
		Flush: cfg.Device.Flush, Keep: cfg.Device.Keep, MaxSize: cfg.Device.MaxSize, Log: log, Believed: clock.Sane,
	})
	if err != nil {
		return fmt.Errorf("state_dir %s: %w", cfg.Device.StateDir, err)
	}
	catchCrash(cfg.Device.StateDir, st, log)
	if clock != nil {
		clock.Newest = st.Newest()
	}
	d := newRunning(cfg, st, clock, limits, logs, log)
	if from.load != nil {
		r := newReloader(from, d, log)
		d.commands.Reload = r.ask
		d.crew.put("reload", r.Run)
	}
	d.exchange(cfg, func() {})
	d.service.begin()
	if slices.ContainsFunc(cfg.Outputs, func(t agent.OutputTask) bool { return t.Kind == "gpio" }) {
		log.Info("gpio outputs", "note", sensors.NewHost("/").CrashNote())
	}
	log.Info("starting", "version", version(), "device", d.agent.Name, "sensors", len(cfg.Sensors), "outputs", len(cfg.Outputs), "people", len(cfg.People))
	err = errors.Join(d.crew.Run(ctx), st.Close())
	log.Info("stopped")
	folded.end()
	return err
}

// newRunning makes what stays when the config changes; exchange adds the rest.
func newRunning(cfg *config.Config, st *store.Store, clock *agent.Clock, limits *agent.Limits, logs *logs, log *slog.Logger) *running {
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
	d := &running{agent: a, store: st, logs: logs, log: log, again: newRestarter(), pollers: make(map[string]*agent.Poller)}
	a.Events, a.Seers = d, []func(agent.Reading){d.see}
	d.health = &health{store: st.Stats, link: d.counters, log: log}
	d.service = newService(d.watchLink, a.Loops.Stuck, len(cfg.Sensors), log)
	d.fields = &agent.Fields{Next: a.Put, Refresh: a.Refresh, Crosses: d.crosses, Log: log}
	d.programs = &commands.Programs{Capture: sensors.NewHost("/").Capture, Tell: a.Tell, Log: log}
	watcher := newWatcher(a, st, d.offlineSince, log)
	d.commands = commands.Device{
		Agent: a, Status: d.status, Counters: d.health.lines, Fields: d.fields, Custom: d.programs, Log: logs.last, LogLevel: logs.raise,
		History: st, Watch: watcher, FullJID: func() string { return d.link.Load().FullJID() },
	}
	for name, part := range map[string]func(context.Context) error{
		"clock": clock.Run, "fields": d.fields.Run, "programs": d.programs.Run, "watches": watcher.Run, "counters": d.health.Run,
		"restart": d.again.Run, "audit": a.Audit.Run, "strangers": a.Outside.Run, "store": st.Run, "log": logs.Run,
		"service": d.service.Run,
	} {
		d.crew.put(name, part)
	}
	return d
}

// newClock returns the clock of a device, nil for one that is trusted.
func newClock(d config.Device, log *slog.Logger) *agent.Clock {
	if d.TrustClock {
		return nil
	}
	return &agent.Clock{Wait: d.ClockWait, Log: log}
}

// newWatcher returns what tells people about the readings that they watch.
func newWatcher(a *agent.Agent, st *store.Store, offline func() time.Time, log *slog.Logger) *watch.Watcher {
	w, err := watch.New(a, st, offline)
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
