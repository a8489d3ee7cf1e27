package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pipit/agent/config"
	"pipit/agent/xmpp/register"
	"pipit/agent/xmpp/stream"
	"pipit/sensors"
)

// A setup asks what a device needs, logs in once, writes the config and says
// hello to the owner. Its functions are the world outside; tests give their own.
type setup struct {
	setupFlags
	ask *asker
	out io.Writer // for people
	raw io.Writer // the same, for the QR code

	dial     func(context.Context, stream.Config) (introducer, error)
	register func(ctx context.Context, cfg stream.Config, token string) error
	detect   func(context.Context) []sensors.Finding
	resolver stream.Resolver
	owns     ownership

	have   *config.Outline // the config as it is, nil when there is none
	old    *config.Config  // the same, nil when it has problems that are asked for
	login  login
	master string // the owner, normalised and bare
	chosen []candidate
}

// setupFlags are the answers of the command line.
type setupFlags struct {
	config, jid, passwordFile, owner, invitation, server, ca, sensors string
	newAccount, direct, yes, offline, qr                              bool
}

func setupCommand() *cobra.Command {
	s := &setup{
		dial: dialIntroducer, detect: func(ctx context.Context) []sensors.Finding { return sensors.NewHost("/").Detect(ctx) },
		register: register.Account, resolver: net.DefaultResolver, owns: systemOwnership(),
	}
	c := &cobra.Command{
		Use:   "setup",
		Short: "ask what a device needs, try it, and write the config",
		Long: `Setup asks for the device's account, for yours, and which of the sensors that it
finds to use. It logs in once and shows each step; then it writes the config and,
beside it, the password; asks to be one of your contacts and sends you a message;
and shows the device's address, with a QR code on a terminal.

It asks line by line, so it also works on a serial console and with answers piped
in, in this order: the device's JID, or an invitation (xmpp:...?register or the link
of one); whether the account exists; its password (an
empty line for a new account makes one up); your JID; the sensors, if there are any
that the config does not have. What an option answers is not asked.

A config that is there is changed, not replaced: comments, order and whatever else
is in it stay, its values are the usual answers, and its password is asked for only
if the account is another one. Without a change nothing is written. Nothing is
written either before the login has succeeded, after Ctrl-C, or when the config
would have a problem. Run by root where there is a user pipit, as the packages make
it, the config is for root and that user's group (0640) and the password for the
user (0600).

Exit codes: 0 done; 1 the login or something else failed, or was interrupted; 2 an
option is wrong, or the config has problems that setup does not ask about.`,
		Example: `  sudo pipit setup
  pipit setup --config config.toml
  pipit setup --jid pi@example.org --password-file pw --owner anna@example.org --sensors all
  pipit setup --jid pi@example.org --register --owner anna@example.org --yes
  pipit setup --invite 'xmpp:example.org?register;preauth=TOKEN' --owner anna@example.org
  printf '%s\n' pi@example.org yes "$PASSWORD" anna@example.org all | pipit setup
  pipit setup --server xmpp.example.org:5222 --ca ca.pem`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s.raw = c.OutOrStdout()
			s.out = onScreen(s.raw)
			s.ask = newAsker(c.InOrStdin(), s.out, s.yes)
			return s.run(c.Context())
		},
	}
	s.flags(c)
	return c
}

func (s *setup) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&s.config, "config", "c", "", "the config to make or change (as root "+defaultConfig+", else config.toml)")
	f.StringVar(&s.jid, "jid", "", "the device's own account, name@domain")
	f.StringVar(&s.passwordFile, "password-file", "", "a file that holds its password, for you alone (chmod 600)")
	f.BoolVar(&s.newAccount, "register", false, "make the account at its server (XEP-0077)")
	f.StringVar(&s.invitation, "invite", "", "make the account with this invitation (XEP-0401)")
	f.StringVar(&s.owner, "owner", "", "your own account, which may do everything with the device")
	f.StringVar(&s.server, "server", "", "host:port of the device's server, instead of DNS SRV records")
	f.BoolVar(&s.direct, "direct-tls", false, "with --server: TLS from the first byte")
	f.StringVar(&s.ca, "ca", "", "a PEM file of certificates to trust, instead of the system's")
	f.StringVar(&s.sensors, "sensors", "", "which of the sensors found to use: all, none, or their names")
	f.BoolVarP(&s.yes, "yes", "y", false, "take the usual answers without asking")
	f.BoolVar(&s.offline, "offline", false, "connect to nothing: write the config untried")
	f.BoolVar(&s.qr, "qr", false, "draw the QR code although this is no terminal")
}

func (s *setup) run(ctx context.Context) error {
	if err := s.open(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.account, s.person, s.hardware} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	var device introducer
	if !s.offline {
		var err error
		if device, err = s.connect(ctx); err != nil {
			return s.lost(err)
		}
		defer device.close()
	}
	cfg, err := s.save()
	if err != nil {
		return s.lost(err)
	}
	if err := s.introduce(ctx, device, cfg); err != nil {
		return err
	}
	s.next(cfg)
	return nil
}

// open looks at the config that is there.
func (s *setup) open() error {
	if s.offline && (s.newAccount || s.invitation != "") {
		return &exitError{exitUsage, errors.New("--offline makes no account: leave out --register and --invite")}
	}
	path := cmp.Or(s.config, "config.toml")
	if s.config == "" && os.Geteuid() == 0 {
		path = defaultConfig
	}
	var err error
	if s.config, err = filepath.Abs(path); err != nil {
		return err
	}
	s.have, err = config.Peek(s.config)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintln(s.out, "Making "+s.config)
		return nil
	case err != nil:
		return &exitError{exitUsage, err}
	case string(s.have.Text) == config.Example():
		fmt.Fprintln(s.out, s.config+" is the example of pipit init: it is replaced")
		s.have = nil
		return nil
	}
	fmt.Fprintln(s.out, "Changing "+s.config)
	cfg, err := config.Load(s.config, configEnv(sensors.NewHost("/")))
	problems := config.Problems{}
	if errors.As(err, &problems) { // what setup asks for does not have to be right yet
		problems = slices.DeleteFunc(slices.Clone(problems), func(p config.Problem) bool { return p.Key == "xmpp" || strings.HasPrefix(p.Key, "xmpp.") })
		if err = nil; len(problems) > 0 {
			err = fmt.Errorf("mend these first:\n%w", problems)
		}
	}
	s.old = cfg
	if err != nil {
		return &exitError{exitUsage, err}
	}
	return nil
}

// text returns a text of the config as it is, "" when there is none.
func (s *setup) text(path ...string) string {
	text, _ := s.have.Value(path...).(string)
	return text
}

// introduce says hello to somebody who has not heard of the device yet.
func (s *setup) introduce(ctx context.Context, device introducer, cfg *config.Config) error {
	known := s.old != nil && s.old.People[s.master] == cfg.People[s.master] && s.old.XMPP.JID == cfg.XMPP.JID
	if device == nil || known {
		return nil
	}
	text := fmt.Sprintf("I am %s, and you are my owner. Write \"help\" to see what you can ask me for.", cfg.Device.Name)
	if err := device.introduce(ctx, s.master, text); err != nil {
		return fmt.Errorf("all is written, but %s did not hear of it: %w; check that JID, and take it out of [people] if it is wrong", s.master, err)
	}
	fmt.Fprintf(s.out, "Said hello to %s, who is asked to accept it as a contact.\n", s.master)
	return nil
}

// next says what to do now.
func (s *setup) next(cfg *config.Config) {
	uri := contactURI(cfg.XMPP.JID)
	fmt.Fprintf(s.out, "\nThe device's address, for your contacts: %s\n", uri)
	c, terminal := canvasOf(s.raw, os.Getenv)
	if terminal || s.qr {
		if code := qrText(uri, c); code == "" {
			fmt.Fprintln(s.out, "(This terminal is too narrow for its QR code.)")
		} else {
			fmt.Fprint(s.raw, "\n"+code+"\n")
			if !c.colour {
				fmt.Fprintln(s.out, "(A camera wants dark on light: if it reads nothing here, use a terminal with a dark ground.)")
			}
		}
	}
	if s.owns.user == nil {
		fmt.Fprintf(s.out, "Next: pipit run --config %s\n", s.config)
		return
	}
	verb := "enable --now"
	if s.text("xmpp", "jid") != "" {
		verb = "restart"
	}
	fmt.Fprintf(s.out, "Next: systemctl %s pipit\n", verb)
}
