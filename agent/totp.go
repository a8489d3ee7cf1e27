package agent

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	totpStep   = 30 // seconds (RFC 6238 section 4.1)
	totpDigits = 6
	totpSkew   = 1 // steps each way in which a code is taken (section 5.2)
	totpTries  = 5 // wrong codes of a person within totpPause
	totpPause  = 15 * time.Minute
	minTOTPKey = 10 // bytes; authenticators make 10 or 20
	maxTOTPKey = 128
)

// TOTP checks codes of an authenticator: HMAC-SHA-1, six digits, a new one each
// 30 s (RFC 6238). The device's clock must be right to within a step. Use
// NewTOTP. Its methods may be called from any goroutine; nil takes no code.
type TOTP struct {
	key []byte

	mu    sync.Mutex
	state TOTPState              // nil: used is forgotten at the end
	used  uint64                 // the newest step whose code was taken
	wrong map[string][]time.Time // the last wrong codes by bare JID, oldest first
}

// NewTOTP takes a secret in base32 (RFC 4648), as authenticators show it: in any
// case, with or without blanks, hyphens and padding. No error tells the secret.
func NewTOTP(secret string) (*TOTP, error) {
	text := strings.NewReplacer(" ", "", "-", "", "=", "").Replace(strings.TrimSpace(secret))
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(text))
	switch {
	case err != nil:
		return nil, errors.New("is not base32: it wants the secret of an authenticator, of A to Z and 2 to 7")
	case len(key) < minTOTPKey || len(key) > maxTOTPKey:
		return nil, fmt.Errorf("holds %d bytes, %d to %d are possible: it wants a secret of 32 letters", len(key), minTOTPKey, maxTOTPKey)
	}
	return &TOTP{key: key, wrong: make(map[string][]time.Time)}, nil
}

// TOTPState keeps over a restart which codes were used.
type TOTPState interface {
	Set(space, key string, value []byte) error
	Get(space, key string) (value []byte, ok bool)
}

const (
	totpSpace = "totp"
	totpUsed  = "used" // the newest step whose code was taken, in decimal
)

// Restore goes on after the codes that were used before a restart, and keeps
// those to come. It is called once, before Check.
func (t *TOTP) Restore(state TOTPState) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = state
	if v, ok := state.Get(totpSpace, totpUsed); ok {
		t.used, _ = strconv.ParseUint(string(v), 10, 64)
	}
}

// Check takes a code of the present step or a neighbour of it, once: a step that
// was used, and all before it, are refused whoever sends them. The error is for
// people: lower case, no period.
func (t *TOTP) Check(from, code string) error {
	if t == nil {
		return errors.New("no totp_file is configured")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.blocked(from, now) {
		return fmt.Errorf("too many wrong codes: wait %d minutes", totpPause/time.Minute)
	}
	step := uint64(now.Unix()) / totpStep
	var taken uint64
	for s := step - totpSkew; s <= step+totpSkew; s++ {
		same := subtle.ConstantTimeCompare([]byte(hotp(t.key, s, totpDigits)), []byte(code)) == 1
		if same && s > t.used {
			taken = s
		}
	}
	if taken == 0 {
		t.wrong[from] = append(t.wrong[from], now)
		return errors.New("that code is wrong, or was used already")
	}
	t.used = taken
	delete(t.wrong, from)
	if t.state == nil {
		return nil
	}
	// A disk that fails must not take away the last way to restart the board: then
	// the code could be used again after a restart, within its minute and a half.
	_ = t.state.Set(totpSpace, totpUsed, strconv.AppendUint(nil, taken, 10))
	return nil
}

// blocked tells whether a person has to wait; it forgets what is long ago.
func (t *TOTP) blocked(from string, now time.Time) bool {
	for who, at := range t.wrong {
		for len(at) > 0 && now.Sub(at[0]) >= totpPause {
			at = at[1:]
		}
		t.wrong[who] = at
		if len(at) == 0 {
			delete(t.wrong, who)
		}
	}
	return len(t.wrong[from]) >= totpTries
}

// hotp returns the code of a counter (RFC 4226 section 5.3).
func hotp(key []byte, counter uint64, digits int) string {
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, counter))
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	code := fmt.Sprintf("%010d", n)
	return code[len(code)-digits:]
}
