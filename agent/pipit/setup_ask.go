package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

var (
	errInterrupted = errors.New("interrupted: nothing was written")
	errNoAnswer    = errors.New("an answer is needed")
)

const maxAnswer = 4096 // bytes of a line

// An asker asks one question after the other: a person at a terminal, who may
// correct what is wrong, or lines that are piped in.
type asker struct {
	in       *bufio.Reader
	out      io.Writer
	terminal *os.File // nil when nobody types
	yes      bool     // take defaults without asking
}

func newAsker(in io.Reader, out io.Writer, yes bool) *asker {
	a := &asker{in: bufio.NewReaderSize(in, maxAnswer), out: out, yes: yes}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.terminal = f
	}
	return a
}

// A question is one line.
type question struct {
	text   string
	usual  string                       // the answer of an empty line; "" needs one, unless optional
	flag   string                       // the option of the command line that answers it, "--jid"
	given  string                       // its value, "" when it was not given
	secret bool                         // not shown
	maybe  bool                         // an empty answer is one too
	check  func(string) (string, error) // returns the normal form; nil takes everything
}

// ask returns the answer to a question: that of its option, the usual one, or a
// line that is right. What is wrong with a line ends it, unless a person types.
func (a *asker) ask(ctx context.Context, q question) (string, error) {
	if q.given != "" {
		answer, err := q.normal(q.given)
		if err != nil {
			return "", &exitError{exitUsage, fmt.Errorf("%s: %w", q.flag, err)}
		}
		return answer, nil
	}
	if a.yes && (q.usual != "" || q.maybe) {
		return q.normal(q.usual)
	}
	for {
		line, err := a.line(ctx, q)
		if err != nil {
			return "", err
		}
		if !q.secret {
			line = strings.TrimSpace(line)
		}
		if line == "" {
			line = q.usual
		}
		answer, err := q.normal(line)
		if err == nil {
			return answer, nil
		}
		if a.terminal == nil {
			return "", fmt.Errorf("%s: %w; nothing was written", q.text, err)
		}
		fmt.Fprintln(a.out, "  "+clean(err.Error()))
	}
}

func (q question) normal(answer string) (string, error) {
	switch {
	case answer == "" && q.maybe:
		return "", nil
	case answer == "":
		return "", errNoAnswer
	case q.check == nil:
		return answer, nil
	}
	return q.check(answer)
}

// line prints a question and reads a line, without its end.
func (a *asker) line(ctx context.Context, q question) (string, error) {
	prompt := q.text
	if q.usual != "" {
		prompt += " [" + clean(q.usual) + "]"
	}
	fmt.Fprint(a.out, prompt+": ")
	line, err := a.read(ctx, q.secret)
	switch {
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(a.out)
		return "", err
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%s: a line of more than %d bytes; nothing was written", q.text, maxAnswer)
	case err != nil && line == "":
		fmt.Fprintln(a.out)
		return "", fmt.Errorf("%s: the answers ended here (%w); nothing was written", q.text, err)
	}
	switch {
	case q.secret:
		fmt.Fprintln(a.out) // what was typed to end it was not shown either
	case a.terminal == nil:
		fmt.Fprintln(a.out, clean(line))
	}
	return line, nil
}

// read returns a line, or errInterrupted when ctx ends. The goroutine that reads
// cannot be stopped; the program ends right after.
func (a *asker) read(ctx context.Context, secret bool) (string, error) {
	type result struct {
		line string
		err  error
	}
	got, shown := make(chan result, 1), func() {}
	if secret && a.terminal != nil {
		fd := int(a.terminal.Fd())
		if state, err := term.GetState(fd); err == nil {
			shown = func() { _ = term.Restore(fd, state) }
		}
		go func() {
			line, err := term.ReadPassword(fd)
			got <- result{string(line), err}
		}()
	} else {
		go func() {
			line, err := a.in.ReadSlice('\n')
			got <- result{strings.TrimRight(string(line), "\r\n"), err}
		}()
	}
	select {
	case r := <-got:
		return r.line, r.err
	case <-ctx.Done():
		shown()
		return "", errInterrupted
	}
}

// yesNo takes the words for yes and no.
func yesNo(s string) (string, error) {
	switch strings.ToLower(s) {
	case "y", "yes":
		return "yes", nil
	case "n", "no":
		return "no", nil
	}
	return "", errors.New(`write "yes" or "no"`)
}
