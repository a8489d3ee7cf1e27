// Package chat answers one-to-one messages: it decides what an inbound message
// is, runs the command in it and writes the answer. It knows no connection.
//
// It follows XEP-0184 (receipts), 0333 (displayed markers), 0308 (corrections),
// 0203 (delay), 0280 and 0297 (carbons and forwarding, which it ignores), 0380
// (encrypted messages, which it never reads), 0428 and 0461 (fallback and
// replies), 0393 (code blocks), 0359 (origin ids) and 0085 (chat states).
//
// Strangers get nothing at all, not even a receipt: an answer of any kind
// would show that the device is online.
//
// Two programs that answer each other must not go on for ever. Three things
// stop them. Each answer carries the header Auto-Submitted (RFC 3834, by
// XEP-0131), and messages that carry it are ignored: between two Pipits that
// ends it at once. Our own sentence about an unknown command is never answered.
// And after maxRefusals messages in a row that held no command there is
// silence until one does or the sender pauses.
package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

const (
	maxLine     = 1024             // bytes of a command line
	maxAge      = 60 * time.Second // of a delayed message that is still run
	noticeEvery = 24 * time.Hour   // between two notices about encryption
)

const (
	unknownStart = "I do not know "
	cannotRead   = "I cannot read encrypted messages. Please switch encryption off for this chat."
	tooFast      = "That was too much at once, so I did not run it. I take 20 messages a minute and stay silent on more."
	oneLine      = "I take one command in one message, so I did not run any of these lines."
)

// A Responder answers messages. Make one for the life of the device, not for a
// connection: it remembers what it has run, and servers repeat messages after a
// reconnect. Set the fields before the first message.
type Responder struct {
	Agent *agent.Agent
	Send  stanza.Sender           // to the connection of the moment
	Bare  func(jid string) string // normalised bare JID, "" for what is no address
	Self  func() string           // the own full JID, "" while offline
	// File sends a file to a JID, as soon as it can; false: too many wait. It must
	// not block. nil: no file is sent.
	File func(to string, f *agent.File) bool
	// Events is told of receipts and errors that came back for any message; nil: nobody.
	Events agent.AlertEvents
	Log    *slog.Logger // nil: silent

	mu      sync.Mutex
	people  map[string]*person // by bare JID; only of Agent.People, hence bounded
	recent  memory
	reacted map[reacted]reactionSet
	marks   map[string]Mark // by bare JID
}

// Message takes one inbound message, runs what it asks and sends the answer
// before it returns. The messages of one sender must come one after the other;
// those of different senders may come from different goroutines.
func (r *Responder) Message(ctx context.Context, m *stanza.Stanza) {
	bare := r.Bare(m.From)
	if bare == r.Bare(r.Self()) {
		return // the events of the own nodes: too many to tell
	}
	if bare == "" || r.Agent.Role(bare) == agent.Stranger {
		r.log().Debug("message ignored", "from", m.From, "reason", "not from one of the people")
		r.stranger(bare, m)
		return
	}
	in, err := decode(m, bare)
	if err != nil {
		r.log().Debug("message ignored", "from", m.From, "reason", err)
		return
	}
	if r.event(ctx, in) {
		return
	}
	if why := in.ignored(); why != "" {
		r.log().Debug("message ignored", "from", m.From, "reason", why)
		return
	}
	if in.encrypted() {
		if r.noticeDue(bare, time.Now()) {
			r.answer(in, cannotRead)
		}
		return
	}
	r.handle(ctx, in)
}

// handle answers a message that a person wrote.
func (r *Responder) handle(ctx context.Context, in *message) {
	line := in.line()
	if line == "" || line == "/me" || strings.HasPrefix(line, "/me ") || strings.HasPrefix(line, unknownStart) {
		return
	}
	if r.repeated(in, line, time.Now()) {
		r.log().Debug("message ignored", "from", in.from, "reason", "repeated")
		return
	}
	switch r.admit(in.bare, time.Now()) {
	case silence:
		return
	case lastWord:
		r.answer(in, tooFast)
		return
	}
	if in.wantsReceipt() {
		r.receipt(in)
	}
	text, ran, err := r.respond(ctx, in, line)
	if err != nil {
		r.refuse(in, err)
		return
	}
	r.answer(in, text)
	if in.file != nil {
		r.sendFile(in)
	}
	if ran && in.markable() {
		r.displayed(in)
	}
}

// A refusal is the answer to a message whose command was not run.
type refusal string

func (e refusal) Error() string { return string(e) }

// silent is the refusal that is not said.
const silent = refusal("")

// respond runs a line and returns the answer to it. ran tells whether the
// command was started; one that was and failed is an answer, not an error. The
// error is a refusal.
func (r *Responder) respond(ctx context.Context, in *message, line string) (text string, ran bool, err error) {
	if why := in.late(time.Now()); why != "" {
		return "", false, refusal(why)
	}
	if done, ok := r.corrects(in); ok {
		return done, false, nil
	}
	if word, ok := yes(line); ok {
		text, ran, err = r.confirm(ctx, in, word)
	} else {
		text, ran, err = r.run(ctx, in, line)
	}
	r.remember(in, line, ran)
	return text, ran, err
}

func (r *Responder) run(ctx context.Context, in *message, line string) (text string, ran bool, err error) {
	name, args, err := agent.ParseLine(line, r.Agent.CommandsFor(in.bare, in.via))
	switch {
	case in.room != "" && errors.Is(err, agent.ErrUnknown):
		_ = r.unknown(in, err)
		return "", false, silent
	case len(line) > maxLine:
		return "", false, refusal(fmt.Sprintf("That is longer than %d bytes, so I did not run it.", maxLine))
	case strings.ContainsAny(line, "\r\n\v\f\u0085\u2028\u2029"):
		return "", false, refusal(oneLine)
	}
	var ans agent.Answer
	switch {
	case errors.Is(err, agent.ErrUnknown):
		err = r.unknown(in, err)
	case err == nil:
		ans, err = r.Agent.Do(ctx, agent.Request{From: in.bare, Via: in.via, Name: name, Args: args, Room: in.room, Re: in.re})
	}
	in.file = ans.File
	return outcome(in, name, line, ans, err)
}

// unknown lets the agent know of a verb that the sender may not use, and returns
// what to answer: err, or that it was too much.
func (r *Responder) unknown(in *message, err error) error {
	req := agent.Request{From: in.bare, Via: in.via, Room: in.room}
	if e := (*agent.UnknownError)(nil); errors.As(err, &e) {
		req.Name = strings.ToLower(e.Word)
	}
	if refused := r.Agent.Refuse(req); !errors.Is(refused, agent.ErrUnknown) {
		return refused
	}
	return err
}

// outcome writes the answer to a line that was handed to the agent, or not even
// that.
func outcome(in *message, name, line string, ans agent.Answer, err error) (text string, ran bool, _ error) {
	var bad *agent.ParamError
	var rate *agent.RateError
	var ask *agent.ConfirmError
	var unconfirmed *agent.UnconfirmedError
	switch {
	case err == nil:
		return body(ans), true, nil
	case errors.As(err, &rate) && rate.Again:
		return "", false, silent
	case errors.As(err, &rate):
		return "", false, refusal(tooFast)
	case errors.As(err, &ask):
		return question(ask, in.call), false, nil
	case errors.As(err, &unconfirmed):
		return "", false, refusal(sentence("I did not run that: " + unconfirmed.Text))
	case errors.Is(err, agent.ErrUnknown):
		return "", false, refusal(unknownWord(line, err))
	case errors.As(err, &bad):
		return "", false, refusal(badArgument(name, bad))
	}
	return body(agent.Answer{Text: sentence("That did not work: " + err.Error())}), true, nil
}

// unknownWord writes the answer to a verb that is no command.
func unknownWord(line string, err error) string {
	e := &agent.UnknownError{}
	if !errors.As(err, &e) { // the role went while the line was read
		e.Word, _, _ = strings.Cut(line, " ")
	}
	s := fmt.Sprintf("%s%q.", unknownStart, clip(e.Word, 40))
	if e.Near != "" {
		s += fmt.Sprintf(" Did you mean %q?", e.Near)
	}
	return s + ` Send "help" for a list.`
}

// badArgument writes the answer to a wrong argument.
func badArgument(name string, err *agent.ParamError) string {
	if name == "" {
		return sentence("I did not run that: " + err.Error())
	}
	return sentence(fmt.Sprintf("I did not run %s: %s", name, err)) + fmt.Sprintf(" Send \"help %s\" for its arguments.", name)
}

// sentence ends s with a period unless it ends with a mark already.
func sentence(s string) string {
	if s = strings.TrimSpace(s); strings.HasSuffix(s, "?") || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") {
		return s
	}
	return s + "."
}

// clip shortens s to so many runes.
func clip(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes-1]) + "…"
}

func (r *Responder) log() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}

// stranger notes that somebody without a role wrote something.
func (r *Responder) stranger(bare string, m *stanza.Stanza) {
	if r.Agent.Outside == nil || m.Type == "error" {
		return
	}
	if in, err := decode(m, bare); err == nil && in.ignored() == "" {
		r.Agent.Outside.Note(bare, "wrote a message")
	}
}
