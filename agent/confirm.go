package agent

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// Confirmation is what a command asks for before it runs. ViaLocal is never asked.
type Confirmation uint8

const (
	ConfirmNone Confirmation = iota
	ConfirmAsk               // a word that only this request was answered with
	ConfirmTOTP              // a code that only the person's device knows (RFC 6238)
)

const (
	confirmTime  = 60 * time.Second // a request waits so long for its word
	confirmTries = 3                // wrong words until it is canceled
	maxPending   = 64               // requests that wait
	wordLength   = 4
	// wordLetters are told apart in every font: no 0 O, 1 I L, 2 Z, 5 S, 8 B, U V.
	wordLetters = "34679ACDEFGHJKMNPQRTWXY"
)

// nobody names the ways in that no person stands behind.
var nobody = map[Via]string{ViaRule: "a rule", ViaMQTT: "a topic"}

// A ConfirmError says that a command was not run because it has to be confirmed
// first: by the same request with Confirmed set, before Until. A newer request
// of the same person takes its place.
type ConfirmError struct {
	Word  string // that confirms; "" for ConfirmTOTP
	Text  string // what will happen, a sentence for people
	Kind  Confirmation
	Until time.Time // on the monotonic clock
}

// Error does not tell the word: it goes to the log.
func (e *ConfirmError) Error() string { return "has to be confirmed first" }

// An UnconfirmedError says that a word or a code did not confirm a request.
type UnconfirmedError struct {
	Text  string // for people: lower case, no period
	Again bool   // the request still waits, another word or code may do
}

func (e *UnconfirmedError) Error() string { return "not confirmed: " + e.Text }

// A waiting request is bound to all that it holds.
type waiting struct {
	req   Request
	word  string
	until time.Time
	wrong int
}

// confirmations is the table of requests that wait, one for each person.
type confirmations struct {
	mu      sync.Mutex
	waiting map[string]*waiting // by bare JID
}

// Pending returns the request of a person that waits for its word or code. ok is
// false when there is none, or when it came in another way or room. To confirm it, set
// Confirmed and give it to Do.
func (a *Agent) Pending(from string, via Via, room string) (req Request, ok bool) {
	p := &a.confirmations
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.of(from)
	if w == nil || w.req.Via != via || w.req.Room != room {
		return Request{}, false
	}
	req = w.req
	req.Args = maps.Clone(req.Args)
	return req, true
}

// confirm returns nil when a request, authorised and checked, may run.
func (a *Agent) confirm(c Command, req Request) error {
	local := req.Via == ViaLocal && req.From == ""
	if local || c.Confirm == ConfirmNone || c.ConfirmIf != nil && !c.ConfirmIf(req.Args) {
		return nil
	}
	if what, ok := nobody[req.Via]; ok {
		return &UnconfirmedError{Text: "it has to be confirmed, and " + what + " cannot do that"}
	}
	p := &a.confirmations
	p.mu.Lock()
	defer p.mu.Unlock()
	if req.Confirmed == "" {
		return p.ask(c, req)
	}
	w := p.of(req.From)
	if w == nil || w.req.Via != req.Via || w.req.Room != req.Room || w.req.Name != req.Name || !maps.Equal(w.req.Args, req.Args) {
		return &UnconfirmedError{Text: "nothing like this waits for you any more: ask again"}
	}
	if c.Confirm == ConfirmTOTP {
		if !a.Clock.Sane() {
			return &UnconfirmedError{Text: "the clock of this device is not set, so that no code can be checked", Again: true}
		}
		err := a.Codes.Check(req.From, strings.TrimSpace(req.Confirmed))
		return p.judge(w, err == nil, fmt.Sprint(err))
	}
	given := strings.ToUpper(strings.TrimSpace(req.Confirmed))
	return p.judge(w, subtle.ConstantTimeCompare([]byte(given), []byte(w.word)) == 1, "that is not the word")
}

// ask notes a request and returns what it has to be confirmed with. The table is locked.
func (p *confirmations) ask(c Command, req Request) error {
	for from := range p.waiting {
		p.of(from) // drops what is too old
	}
	delete(p.waiting, req.From)
	if len(p.waiting) >= maxPending {
		return &UnconfirmedError{Text: "too many requests wait to be confirmed: try again in a minute"}
	}
	req.Args = maps.Clone(req.Args)
	w := &waiting{req: req, until: time.Now().Add(confirmTime)}
	if c.Confirm == ConfirmAsk {
		w.word = newWord()
	}
	if p.waiting == nil {
		p.waiting = make(map[string]*waiting)
	}
	p.waiting[req.From] = w
	return &ConfirmError{Word: w.word, Text: c.consequence(req.Args), Kind: c.Confirm, Until: w.until}
}

// of returns what waits from a person and drops it when its time is over. The
// table is locked.
func (p *confirmations) of(from string) *waiting {
	w := p.waiting[from]
	if w != nil && time.Until(w.until) <= 0 {
		delete(p.waiting, from)
		return nil
	}
	return w
}

// judge takes a request out of the table when it is confirmed, so that it runs
// once, or was guessed at too often. The table is locked.
func (p *confirmations) judge(w *waiting, right bool, why string) error {
	if right {
		delete(p.waiting, w.req.From)
		return nil
	}
	if w.wrong++; w.wrong < confirmTries {
		return &UnconfirmedError{Text: why, Again: true}
	}
	delete(p.waiting, w.req.From)
	return &UnconfirmedError{Text: why + ", and that was the last try: ask again"}
}

// newWord returns a word of wordLetters, each as likely as any other.
func newWord() string {
	const fair = 256 - 256%len(wordLetters)
	word := make([]byte, 0, wordLength)
	for b := [1]byte{}; len(word) < wordLength; {
		rand.Read(b[:]) // never fails
		if int(b[0]) < fair {
			word = append(word, wordLetters[int(b[0])%len(wordLetters)])
		}
	}
	return string(word)
}

// consequence tells in a sentence what a command will do.
func (c Command) consequence(args map[string]string) string {
	if c.Will != "" {
		return "This will " + c.Will + "."
	}
	line := c.Name
	for _, p := range c.Params {
		if v := args[p.Name]; v != "" {
			line += " " + v
		}
	}
	return fmt.Sprintf("This will run %q.", cut(line, 200))
}
