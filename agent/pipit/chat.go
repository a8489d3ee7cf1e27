package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pipit/agent/xmpp/remote"
)

// answerTime is how long chat waits for the answer to a piped line.
const answerTime = 15 * time.Second

func chatCommand() *cobra.Command {
	var who account
	c := &cobra.Command{
		Use:   "chat JID",
		Short: "chat with a device",
		Long: `Chat sends each line you type to the device and prints what it says. With lines
piped in, it waits for the answer to each and ends after the last.`,
		Example: `  pipit chat pi@example.org --jid me@example.org --password-file pw
  echo status | pipit chat pi@example.org --config me.toml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := who.open(c.Context(), args[0])
			if err != nil {
				return err
			}
			defer client.Close()
			if _, err := online(c.Context(), client); err != nil {
				return err
			}
			return talk(c.Context(), client, c.InOrStdin(), c.OutOrStdout())
		},
	}
	who.flags(c)
	return c
}

func online(ctx context.Context, client *remote.Client) (string, error) {
	ctx, cancel := within(ctx, callTime)
	defer cancel()
	full, err := client.Online(ctx)
	if err != nil {
		return "", &exitError{exitRefused, err}
	}
	return full, nil
}

// talk chats until the input or ctx ends.
func talk(ctx context.Context, client *remote.Client, in io.Reader, out io.Writer) error {
	out = onScreen(out)
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return prompt(ctx, client, in, out)
	}
	lines := bufio.NewScanner(in)
	for ctx.Err() == nil && lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		if _, err := client.Say(lines.Text()); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, answerTime)
		answer, err := client.Hear(wait)
		cancel()
		if err != nil {
			return &exitError{exitRefused, fmt.Errorf("no answer to %q: %w", lines.Text(), err)}
		}
		fmt.Fprintln(out, cleanLines(answer))
	}
	return lines.Err()
}

// prompt chats with a person at a terminal. The goroutine that reads the
// terminal cannot be stopped; the program ends right after.
func prompt(ctx context.Context, client *remote.Client, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	typed := make(chan string)
	go func() {
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			select {
			case typed <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
		cancel(io.EOF)
	}()
	heard := make(chan string)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			answer, err := client.Hear(ctx)
			if err != nil {
				cancel(err)
				return
			}
			select {
			case heard <- answer:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { cancel(nil); <-done }()
	fmt.Fprint(out, "> ")
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(out)
			if err := context.Cause(ctx); !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case line := <-typed:
			if line == "" {
				fmt.Fprint(out, "> ")
			} else if _, err := client.Say(line); err != nil {
				return err
			}
		case answer := <-heard:
			fmt.Fprint(out, "\r"+cleanLines(answer)+"\n> ")
		}
	}
}
