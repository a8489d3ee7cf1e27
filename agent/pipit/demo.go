package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/agent/xmpp/remote"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stream"
)

const demoDomain = "demo.example"

func demoCommand() *cobra.Command {
	var (
		length  time.Duration
		verbose bool
	)
	c := &cobra.Command{
		Use:   "demo",
		Short: "try it all: a private server, a device, and a chat with it",
		Long: `Demo starts a private Prosody on this machine's loopback interface, with TLS and
two accounts, in a temporary directory; runs the agent there on this machine's
own readings and a simulated sensor; and lets you chat with the device as its
owner. Without a terminal it prints every reading that arrives at the owner over
the wire, one line each: time, name, value, unit. Everything is gone afterwards.`,
		Example: `  pipit demo
  pipit demo --for 20s | cat`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := within(c.Context(), length)
			defer cancel()
			return demo(ctx, c.InOrStdin(), c.OutOrStdout(), verbose)
		},
	}
	c.Flags().DurationVar(&length, "for", 0, "stop after this time, such as 20s")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log what the agent does to standard error")
	return c
}

// demo runs until ctx ends, the person leaves, or the server dies.
func demo(ctx context.Context, in io.Reader, out io.Writer, verbose bool) (err error) {
	dir, err := os.MkdirTemp("", "pipit-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	passwords := map[string]string{"device": rand.Text(), "owner": rand.Text()}
	srv, err := server.StartProsody(ctx, server.Options{Domain: demoDomain, Accounts: passwords})
	if err != nil {
		return ended(ctx, err)
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = errors.Join(err, srv.Stop(stop))
	}()
	cfg, err := demoConfig(dir, srv, passwords["device"])
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = together(ctx,
		func(ctx context.Context) error { return run(ctx, cfg, &agent.Limits{}, log) },
		func(ctx context.Context) error { return untilDead(ctx, srv) },
		func(ctx context.Context) error {
			defer cancel()
			return demoOwner(ctx, srv, passwords["owner"], in, out, log)
		},
	)
	if err != nil && died(srv) {
		return fmt.Errorf("the private Prosody ended: %w", srv.Err())
	}
	return ended(ctx, err)
}

// died tells whether the server has ended, or does so now: the connections
// may notice first.
func died(srv *server.Server) bool {
	select {
	case <-srv.Done():
		return true
	case <-time.After(time.Second):
		return false
	}
}

// ended drops the error of a demo that was told to stop.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

// untilDead fails when the server ends before ctx does.
func untilDead(ctx context.Context, srv *server.Server) error {
	select {
	case <-ctx.Done():
		return nil
	case <-srv.Done():
		return srv.Err()
	}
}

const demoTemplate = `[device]
name = "Demo"
state_dir = "state"
clock = "trust"
summary = ["system.cpu_use", "system.load1", "simulated"]

[xmpp]
jid = "device@${DOMAIN}"
password_file = "password"
server = "${ADDR}"
ca_file = "${CA}"

[people]
"owner@${DOMAIN}" = "owner"

[sensor.system]
kind = "system"
every = "2s"

[sensor.simulated]
kind = "sim"
every = "1s"
shape = "sine"
min = 15.0
max = 25.0
period = "1m"
unit = "°C"

[output.lamp]
kind = "sim"
`

// demoConfig writes a config as a user would and loads it as "pipit run" does.
func demoConfig(dir string, srv *server.Server, password string) (*config.Config, error) {
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(password), 0o600); err != nil {
		return nil, err
	}
	values := map[string]string{"DOMAIN": srv.Domain, "ADDR": srv.Addr, "CA": srv.CAFile}
	text := os.Expand(demoTemplate, func(name string) string { return values[name] })
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return load(path)
}

// demoOwner is the other end of the wire.
func demoOwner(ctx context.Context, srv *server.Server, password string, in io.Reader, out io.Writer, log *slog.Logger) error {
	client, err := remote.Open(ctx, stream.Config{
		JID: "owner@" + demoDomain, Password: func() (string, error) { return password, nil },
		Server: srv.Addr, RootCAs: srv.Pool(), Log: log,
	}, "device@"+demoDomain)
	if err != nil {
		return err
	}
	defer client.Close()
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return client.Watch(ctx, "", shower(out, false))
	}
	full, err := online(ctx, client)
	if err != nil {
		return err
	}
	out = onScreen(out)
	fmt.Fprintf(out, `You are the owner of %s, on a private Prosody at %s.
Your own client may join in: owner@%s, password %s, CA %s.
Try: help, status, read, read sim*, set lamp on, who. Ctrl-D or Ctrl-C ends the demo.
`, full, srv.Addr, demoDomain, password, srv.CAFile)
	return prompt(ctx, client, in, out)
}
