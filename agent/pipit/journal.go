package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	journalSocket = "/run/systemd/journal/socket"
	journalWait   = time.Second // for a journal that does not read
	maxJournal    = 16 << 10    // bytes of the message
	maxFieldValue = 4 << 10
	maxFieldName  = 64 // as journald has it
	maxLogFields  = 32
)

// logHandler returns where the log of the agent goes: to the journal with its
// fields when stderr is connected to it, else to stderr as text.
func logHandler(level slog.Leveler) slog.Handler {
	if !toJournal(os.Getenv("JOURNAL_STREAM"), os.Stderr) {
		return slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	}
	return newJournal(journalSocket, os.Stderr, level)
}

// toJournal tells whether a file is the stream that systemd names in
// JOURNAL_STREAM, as device:inode (systemd.exec(5)).
func toJournal(stream string, f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// A journal is a slog.Handler for journald's native protocol: MESSAGE is the line
// with its attributes, PRIORITY its level, and each attribute a field PIPIT_NAME.
// Without the socket, lines go to a writer with the "<N>" of sd-daemon(3).
type journal struct {
	conn   net.Conn // nil: there is no socket
	out    io.Writer
	level  slog.Leveler
	attrs  []slog.Attr // of With, with the names of their groups
	groups string      // "a.b.", before the next names
}

func newJournal(socket string, out io.Writer, level slog.Leveler) *journal {
	j := &journal{out: out, level: level}
	if c, err := net.Dial("unixgram", socket); err == nil {
		j.conn = c
	}
	return j
}

func (j *journal) Enabled(_ context.Context, level slog.Level) bool { return level >= j.level.Level() }

func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *j
	with.attrs = slices.Clip(j.attrs)
	for _, a := range attrs {
		with.attrs = flatten(with.attrs, j.groups, a)
	}
	return &with
}

func (j *journal) WithGroup(name string) slog.Handler {
	with := *j
	with.groups += name + "."
	return &with
}

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clip(j.attrs)
	r.Attrs(func(a slog.Attr) bool { attrs = flatten(attrs, j.groups, a); return len(attrs) < maxLogFields })
	attrs = attrs[:min(len(attrs), maxLogFields)]
	message := text(r.Message, attrs)
	if j.conn != nil {
		_ = j.conn.SetWriteDeadline(time.Now().Add(journalWait))
		if _, err := j.conn.Write(datagram(message, priority(r.Level), attrs)); err == nil {
			return nil
		}
	}
	_, err := fmt.Fprintf(j.out, "<%d>%s\n", priority(r.Level), strings.ReplaceAll(message, "\n", " "))
	return err
}

// flatten appends an attribute, or those of a group with its name before theirs.
func flatten(list []slog.Attr, groups string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups += a.Key + "."
		}
		for _, inner := range a.Value.Group() {
			list = flatten(list, groups, inner)
		}
		return list
	}
	if a.Key != "" {
		list = append(list, slog.Attr{Key: groups + a.Key, Value: a.Value})
	}
	return list
}

// text writes a line as people read it.
func text(message string, attrs []slog.Attr) string {
	var b strings.Builder
	b.WriteString(message)
	for _, a := range attrs {
		value := a.Value.String()
		if value == "" || strings.ContainsAny(value, " \"=\n") {
			value = strconv.Quote(value)
		}
		b.WriteString(" " + a.Key + "=" + value)
	}
	return bounded(b.String(), maxJournal)
}

// priority is a level as syslog has it.
func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}

func datagram(message string, priority int, attrs []slog.Attr) []byte {
	b := field(nil, "MESSAGE", message)
	b = field(b, "PRIORITY", strconv.Itoa(priority))
	b = field(b, "SYSLOG_IDENTIFIER", "pipit")
	for _, a := range attrs {
		b = field(b, fieldName(a.Key), bounded(a.Value.String(), maxFieldValue))
	}
	return b
}

// field appends a field; a value of several lines goes with its length.
func field(b []byte, name, value string) []byte {
	b = append(b, name...)
	if !strings.Contains(value, "\n") {
		return append(append(append(b, '='), value...), '\n')
	}
	b = binary.LittleEndian.AppendUint64(append(b, '\n'), uint64(len(value)))
	return append(append(b, value...), '\n')
}

// fieldName writes an attribute's name as journald takes it.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return bounded("PIPIT_"+name, maxFieldName)
}

func bounded(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}
