package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxReason is the longest reason of a reading in bytes; a longer one is cut.
const MaxReason = 200

// An outcome is what one Read came to.
type outcome struct {
	at       time.Time
	readings []Reading
	quality  Quality // Fault or Missing when the whole sensor failed
	reason   string
	stack    []byte // of a panic
}

// read calls Read once. Nothing that a driver does but hang gets past it.
func read(ctx context.Context, s Sensor, timeout time.Duration) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			o = outcome{quality: Fault, reason: tidy("the driver panicked: " + fmt.Sprint(p)), stack: debug.Stack()}
		}
		o.at = time.Now()
	}()
	readings, err := s.Read(ctx)
	if err == nil {
		return outcome{readings: readings}
	}
	var missing *MissingError
	switch {
	case errors.As(err, &missing):
		return outcome{quality: Missing, reason: tidy(err.Error())}
	case ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)):
		return outcome{quality: Fault, reason: noAnswer(timeout)}
	}
	return outcome{quality: Fault, reason: tidy(err.Error())}
}

func noAnswer(timeout time.Duration) string { return "no answer within " + timeout.String() }

// tidy makes a reason of an error's text: one line, lower case at its start
// (but "EIO" and "I2C" stay), no period, at most MaxReason bytes.
func tidy(s string) string {
	s = strings.Join(strings.FieldsFunc(cut(s, 2*MaxReason), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	s = strings.TrimRight(cut(s, MaxReason), " .")
	first, n := utf8.DecodeRuneInString(s)
	if second, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsLower(second) || second == ' ' {
		return string(unicode.ToLower(first)) + s[n:]
	}
	return s
}
