package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	hidden     = "[hidden]"
	maxSecret  = 4 << 10
	othersRead = 0o044
)

// A Secret is a text that is never printed: fmt, slog and JSON write [hidden].
// It is held behind a pointer so that even a print by reflection, which calls
// no methods on unexported fields, shows an address at most. The zero Secret
// is empty.
type Secret struct{ text *string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns [hidden].
func (Secret) String() string { return hidden }

// GoString returns [hidden].
func (Secret) GoString() string { return hidden }

// Format writes [hidden] for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue returns [hidden].
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText writes [hidden].
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// UnmarshalText hides the text of a config key.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// ReadPassword reads a file of at most 4 KiB that holds a password in one
// line. Nobody but the owner of the file may be able to read it, unless it is
// a systemd credential (below $CREDENTIALS_DIRECTORY).
func ReadPassword(path string) (Secret, error) { return readPassword(openFile, path) }

func readPassword(open opener, path string) (Secret, error) {
	data, mode, err := readFile(open, path, maxSecret)
	if err != nil {
		return Secret{}, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if mode&othersRead != 0 && !below(path, os.Getenv("CREDENTIALS_DIRECTORY")) {
		return Secret{}, fmt.Errorf("others may read %s (mode %04o): run chmod 600 on it", path, mode.Perm())
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if err := checkPassword(text); err != nil {
		return Secret{}, fmt.Errorf("%s %w", path, err)
	}
	return NewSecret(text), nil
}

// checkPassword refuses what cannot be a password (RFC 8265: no control characters).
func checkPassword(text string) error {
	switch {
	case text == "":
		return errors.New("is empty: it wants the password")
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("is not one line of text: it wants the password alone")
	}
	return nil
}

// password finds the one source of the account's password: a key, a file or
// the systemd credential xmpp_password.
func (l *loader) password(s section, x *XMPP) {
	if !l.givenPassword(s, &x.Password, &x.PasswordFile) {
		l.credential(s, x)
	}
}

// givenPassword takes the password of a section from its key or its file, and
// tells whether it has one of them.
func (l *loader) givenPassword(s section, secret *Secret, file *string) bool {
	switch {
	case s.has("password") && s.has("password_file"):
		s.fail("password_file", "there is a password too: keep only one of them")
	case s.has("password"):
		l.inlinePassword(s, *secret)
	case s.given("password_file"):
		*file = l.resolve(*file)
		l.passwordFile(s, secret, "password_file", *file)
	}
	return s.has("password") || s.has("password_file")
}

func (l *loader) inlinePassword(s section, secret Secret) {
	if !s.given("password") {
		return
	}
	if err := checkPassword(secret.Reveal()); err != nil {
		s.fail("password", "%s", err)
		return
	}
	if l.mode&othersRead != 0 {
		s.fail("password", "others may read this file (mode %04o) and it holds a password: run chmod 600 on it", l.mode)
		return
	}
	s.warn("password", "the password stands in the config: password_file keeps it apart")
}

func (l *loader) passwordFile(s section, secret *Secret, key, path string) {
	read, err := readPassword(l.open, path)
	if err != nil {
		s.fail(key, "%s", err)
	}
	*secret = read
}

func (l *loader) credential(s section, x *XMPP) {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		path := filepath.Join(dir, "xmpp_password")
		f, err := l.open(path)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			x.PasswordFile = path
			l.passwordFile(s, &x.Password, "password_file", path)
			return
		}
	}
	s.r.fail(s.path, "there is no password: give password_file, or the systemd credential xmpp_password")
}
