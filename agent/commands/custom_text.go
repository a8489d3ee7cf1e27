package commands

import (
	"errors"
	"os/exec"
	"strings"
	"unicode"
)

// failure says how a program failed: its exit status with the last line of
// standard error, or of its output where it has complained there.
func failure(err error, output string) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return err
	}
	line := lastLine(readable(exit.Stderr))
	if line == "" {
		line = lastLine(output)
	}
	return withLine(exit.Error(), line)
}

// readable makes text for people of what a program wrote: valid UTF-8, lines
// that end in \n, neither control characters but tabs nor marks that cannot be
// seen, no empty lines around it.
func readable(out []byte) string {
	s := strings.ToValidUTF8(string(out), "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\n', r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d', r == '\uFFFE', r == '\uFFFF':
			return -1
		}
		return r
	}, s)
	return strings.Trim(s, "\n")
}

// lastLine returns the last line that is not blank, cut to fit a row.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return cell(s[strings.LastIndexByte(s, '\n')+1:])
}
