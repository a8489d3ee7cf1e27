package stream

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mellium.im/sasl"
)

// Bounds on the rounds of PBKDF2 that a server may ask for. Below, whoever
// listens could guess the password cheaply (RFC 7677 section 4); above, a
// server could keep a small board busy for minutes.
const (
	minRounds = 4096
	maxRounds = 1_000_000
)

var (
	errChallenge = errors.New("malformed challenge")
	errUnsigned  = errors.New("the server did not prove that it knows the password")
	errBinding   = errors.New("channel binding is not possible")
)

// A serverError is what a SCRAM server says in place of its signature (RFC
// 5802 section 7).
type serverError string

func (e serverError) Error() string { return "the server says " + string(e) }

// An exchange is one run of a SASL mechanism. It checks what the server sends
// before the library sees it, which loops for ever on some of it, and it is
// successful only when a SCRAM server has proved that it knows the password.
type exchange struct {
	client     *sasl.Negotiator
	scram      bool
	challenges int
	verified   bool // the server's signature is right
}

func newExchange(m sasl.Mechanism, user, password string, offered []string, state tls.ConnectionState) *exchange {
	return &exchange{
		scram: m.Name != sasl.Plain.Name,
		client: sasl.NewClient(m,
			sasl.RemoteMechanisms(offered...),
			sasl.TLSState(state),
			sasl.Credentials(func() (username, pass, identity []byte) { return []byte(user), []byte(password), nil })),
	}
}

// start returns the initial response.
func (x *exchange) start() ([]byte, error) {
	_, first, err := x.client.Step(nil)
	return first, err
}

// challenge answers a challenge: the server's first message, or its last one
// when that does not come with the success.
func (x *exchange) challenge(data []byte) ([]byte, error) {
	x.challenges++
	switch {
	case x.scram && x.challenges == 1:
		if err := checkServerFirst(data, x.client.Nonce()); err != nil {
			return nil, err
		}
		_, response, err := x.client.Step(data)
		if err != nil { // only the TLS connection is left to be the cause
			return nil, fmt.Errorf("%w: %w", errBinding, err)
		}
		return response, nil
	case x.scram && x.challenges == 2:
		return nil, x.verify(data)
	}
	return nil, errChallenge
}

// success takes the data that came with the success.
func (x *exchange) success(data []byte) error {
	if !x.scram || x.verified {
		return nil
	}
	return x.verify(data)
}

// verify checks the server's signature.
func (x *exchange) verify(data []byte) error {
	if text, ok := bytes.CutPrefix(data, []byte("e=")); ok {
		text, _, _ = bytes.Cut(text, []byte(","))
		return serverError(clean(string(text)))
	}
	if x.challenges == 0 || !bytes.HasPrefix(data, []byte("v=")) {
		return errUnsigned
	}
	if _, _, err := x.client.Step(data); err != nil {
		return errUnsigned
	}
	x.verified = true
	return nil
}

// failed types an error that ended the exchange on our side. Err stays set.
func (x *exchange) failed(on string, err error) error {
	e := &Error{Kind: KindAuth, On: on, Text: "the login was ended", Err: err, Hint: "check the server: another one may answer in its place"}
	var refused serverError
	var rounds roundsError
	switch {
	case errors.As(err, &refused):
		e.Text, e.Condition, e.Hint = "refused", string(refused), kinds[KindAuth].hint
	case errors.As(err, &rounds):
		e.Kind, e.Hint = KindNoMechanism, fmt.Sprintf("let the server use %d to %d: 10000 is usual", minRounds, maxRounds)
	}
	return e
}

// roundsError is a number of rounds that is out of bounds.
type roundsError string

func (r roundsError) Error() string { return "the server asks for " + string(r) + " rounds of SCRAM" }

// checkServerFirst checks the first message of a SCRAM server (RFC 5802
// section 7): r=nonce,s=salt,i=rounds and perhaps extensions. nonce is ours,
// which the server's begins with.
func checkServerFirst(msg, nonce []byte) error {
	fields := strings.Split(string(msg), ",")
	if len(fields) < 3 || !isPrintable(msg) {
		return errChallenge
	}
	r, okR := strings.CutPrefix(fields[0], "r=")
	s, okS := strings.CutPrefix(fields[1], "s=")
	i, okI := strings.CutPrefix(fields[2], "i=")
	if !okR || !okS || !okI {
		return errChallenge
	}
	for _, f := range fields[3:] {
		if !isExtension(f) {
			return errChallenge
		}
	}
	if len(nonce) == 0 || len(r) <= len(nonce) || !strings.HasPrefix(r, string(nonce)) {
		return errors.New("the challenge is not for our nonce")
	}
	if salt, err := base64.StdEncoding.DecodeString(s); err != nil || len(salt) == 0 || len(salt) > 1024 {
		return errors.New("malformed salt")
	}
	n, err := strconv.Atoi(i)
	if err != nil && len(i) > 20 || i == "" || strings.Trim(i, "0123456789") != "" {
		return errChallenge
	}
	if err != nil || n < minRounds || n > maxRounds {
		return roundsError(i)
	}
	return nil
}

// isExtension tells whether f is an attribute that we may pass over: a letter
// that has no meaning of its own here, and a value.
func isExtension(f string) bool {
	return len(f) > 2 && f[1] == '=' && 'a' <= f[0]|0x20 && f[0]|0x20 <= 'z' && !strings.ContainsRune("rsim", rune(f[0]))
}

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c < 0x21 || c > 0x7E {
			return false
		}
	}
	return true
}
