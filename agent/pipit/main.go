// Pipit reads what is attached to a Linux board, publishes it over XMPP, and
// does what authorised people ask of it by chat line or by ad-hoc command.
//
// Each subcommand is one file; run.go is the only place that joins the parts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, as documented in doc/service.md.
const (
	exitOK      = 0
	exitFailed  = 1  // anything not named below
	exitUsage   = 2  // wrong arguments, or a config with problems
	exitNoLogin = 3  // the operator's login did not succeed
	exitRefused = 4  // the device is not there, or refused the command
	exitRestart = 75 // EX_TEMPFAIL: somebody asked for a restart
)

// An exitError is an error with the exit code it ends the program with. One
// without text has been told already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away is an error, and then there is cleaning up to do
	code := execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// execute runs the program with arguments and returns its exit code.
func execute(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, syscall.EPIPE):
		return exitOK // whoever read the output has seen enough
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitOK // told to stop, and that is why
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "pipit: "+text)
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}

// rootCommand is the table of subcommands.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "pipit",
		Short: "a device agent that speaks XMPP",
		Long: `Pipit reads what is attached to this board, publishes it over XMPP, and does
what authorised people ask of it from the XMPP clients they already have.

Exit codes: 0 done, or told to stop; 1 failed, of outputs-safe: an output is not
safe, of check: something failed, or it was interrupted; 2 wrong arguments, or a
config with problems; 3 the login of watch, call or chat did not succeed; 4 the
device is not there, or refused the command; 75 of run: somebody asked for a
restart.`,
		Example: `  pipit demo                                   a private server, a device, a chat with it
  sudo pipit setup                             asks for the accounts, tries them, writes the config
  pipit init > config.toml                     a commented config to start from
  pipit detect                                 what is attached to this board, as config to paste
  pipit check --config config.toml             every problem of a config, and whether all of it works
  pipit config show --config config.toml       the config in force, secrets left out
  pipit diag                                   one file for a bug report, secrets left out
  pipit test-rule config.toml hot 70 85 60     what a rule would do with typed-in values
  pipit run --config config.toml               the agent itself
  pipit watch pi@example.org --jid me@example.org --password-file pw
  pipit call pi@example.org read name=system.load1 --config me.toml`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")}
	})
	root.AddCommand(
		runCommand(), checkCommand(), configCommand(), detectCommand(), readCommand(), kindsCommand(), initCommand(), setupCommand(), diagCommand(), demoCommand(),
		watchCommand(), callCommand(), chatCommand(), outputsSafeCommand(), testRuleCommand(), versionCommand(),
	)
	for _, c := range append(root.Commands(), root) {
		c.Args = usageArgs(c.Args)
	}
	return root
}

// usageArgs gives errors of positional arguments the exit code of usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(c, args); err != nil {
			return &exitError{exitUsage, fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")}
		}
		return nil
	}
}
