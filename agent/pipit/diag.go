package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipit/agent/diag"
	"pipit/sensors"
)

func diagCommand() *cobra.Command {
	var out string
	var rawNames bool
	g := gatherer{root: "/", host: sensors.NewHost("/")}
	c := &cobra.Command{
		Use:   "diag",
		Short: "one file for a bug report, without secrets",
		Long: `Diag writes one tar.gz with what helps to find a fault: versions, the config in
force, what check finds, the last lines of the log, the agent's counters, the state
of the store, facts of the kernel and the board, what detect finds, the unit, and the
trace of the last crash. It takes at most two minutes, needs neither root nor a
server nor a config without problems, and does not disturb an agent that runs. What
it cannot have is a line in the archive.

Secrets that the config holds or names, and what looks like one, are [hidden]. JIDs,
addresses, host names, serial numbers and places are pseudonyms, the same in all
files; --raw-names keeps them. Look at it all the same before you post it.

Exit codes: 0 the archive was written; 1 it was not.`,
		Example: `  pipit diag
  sudo -u pipit pipit diag -o /tmp/diag.tar.gz
  pipit diag --offline --config config.toml
  pipit diag -o - | tar -xzO check.txt`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			now := time.Now()
			if out == "" {
				out = "pipit-diag-" + now.Format("20060102-150405") + ".tar.gz"
			}
			files := g.gather(c.Context())
			if err := context.Cause(c.Context()); err != nil {
				return err
			}
			return writeDiag(c.OutOrStdout(), c.ErrOrStderr(), out, now, redact(g.redactor(files, rawNames), files, now))
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "the file to write, - for standard output (default pipit-diag-YYYYMMDD-HHMMSS.tar.gz)")
	c.Flags().BoolVar(&rawNames, "raw-names", false, "keep JIDs, addresses, host names, serial numbers and places; secrets are out in any case")
	c.Flags().BoolVar(&g.offline, "offline", false, "connect to nothing")
	configFlag(c, &g.path)
	return c
}

// redact takes what is private out of all files and adds one that lists them.
func redact(r *diag.Redactor, files []piece, now time.Time) []diag.File {
	for _, f := range files {
		r.Learn(f.text)
	}
	var list []diag.File
	index := "What pipit diag wrote at " + now.UTC().Format(time.RFC3339) + ". Look at it before you post it.\n\n"
	for _, f := range files {
		clean := diag.File{Name: f.name, Text: diag.Head(r.Text(f.text), diag.MaxFile)}
		if f.err != nil {
			reason := strings.ReplaceAll(r.Text(f.err.Error()), "\n", "; ")
			index += fmt.Sprintf("%-16s not complete: %s\n", f.name, reason)
			clean.Text += "not complete: " + reason + "\n"
		} else {
			index += fmt.Sprintf("%-16s %d B: %s\n", f.name, len(clean.Text), f.what)
		}
		list = append(list, clean)
	}
	return append(list, diag.File{Name: "README.txt", Text: r.Text(index)})
}

// writeDiag writes the archive, and what is in it for the person to read.
func writeDiag(stdout, stderr io.Writer, path string, now time.Time, files []diag.File) error {
	tell := onScreen(stdout)
	var b bytes.Buffer
	if err := diag.Write(&b, now, files); err != nil {
		return err
	}
	if path == "-" {
		tell = onScreen(stderr)
		if _, err := stdout.Write(b.Bytes()); err != nil {
			return err
		}
	} else if err := writePrivate(path, b.Bytes()); err != nil {
		return fmt.Errorf("cannot write %s: %w: name another file with -o", path, err)
	}
	_, err := fmt.Fprintf(tell, "%s\n%s: %d kB. Look at it before you post it.\n", files[len(files)-1].Text, path, (b.Len()+999)/1000)
	return err
}

// writePrivate makes a file with mode 0600, whole or not at all.
func writePrivate(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".pipit-diag-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
