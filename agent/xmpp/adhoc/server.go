// Package adhoc serves and asks for ad-hoc commands (XEP-0050).
//
// The serving side offers the agent's command table: the name of a command is
// its node, its parameters become a form, and its answer a note or a table.
// What goes out keeps to what the clients in use understand, which is less
// than the standard allows: a stage holds either a note or a form, never both;
// status, node and session are always there; an error in a form comes as the
// same form again, and says so in three places because no place is shown
// everywhere.
package adhoc

import (
	"context"
	"errors"
	"strings"
	"sync"

	"pipit/agent"
	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/stanza"
)

// NS is the namespace of commands and the node under which they are listed.
const NS = "http://jabber.org/protocol/commands"

// A Server answers requests for commands. Use New. Its methods may be called
// from any goroutine; only Serve blocks, as long as the command runs.
type Server struct {
	agent *agent.Agent
	self  func() string
	bare  func(string) string

	// File sends the file of an answer to the asker's bare JID in a chat: a form
	// cannot hold one. It must not block; false: too many wait. It may be set
	// before the first request.
	File func(to string, f *agent.File) bool

	mu       sync.Mutex
	sessions sessions
}

// New returns a server for the agent's commands. self returns the device's
// full JID, under which alone it can be reached. bare returns the normalised
// bare JID of an asker, "" for an address that is nobody's.
func New(a *agent.Agent, self func() string, bare func(string) string) *Server {
	return &Server{agent: a, self: self, bare: bare, sessions: sessions{open: make(map[string]*session)}}
}

// Items lists the commands that the asker may run, for disco#items of node NS.
func (s *Server) Items(from string) []disco.Item {
	var items []disco.Item
	for _, c := range s.agent.CommandsFor(s.bare(from), agent.ViaAdHoc) {
		items = append(items, disco.Item{JID: s.self(), Node: c.Name, Name: title(c)})
	}
	return items
}

// Info describes node NS, or a command that the asker may run. ok is false for
// every other node, and for somebody who may run nothing.
func (s *Server) Info(from, node string) (info disco.Info, ok bool) {
	id := disco.Identity{Category: "automation", Type: "command-list", Name: "Commands"}
	if node != NS {
		c, ok := s.agent.Command(s.bare(from), agent.ViaAdHoc, node)
		if !ok {
			return disco.Info{}, false
		}
		id.Type, id.Name = "command-node", title(c)
	} else if s.agent.Role(s.bare(from)) == agent.Stranger {
		return disco.Info{}, false
	}
	return disco.Info{Identities: []disco.Identity{id}, Features: []string{NS, disco.NSInfo, dataform.NS}}, true
}

// Gone frees the sessions of a requester who has become unavailable.
func (s *Server) Gone(fullJID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.gone(fullJID)
}

// Serve answers a <command/> in an IQ of type set.
func (s *Server) Serve(ctx context.Context, iq *stanza.Stanza) ([]byte, error) {
	person := s.bare(iq.From)
	if person == "" || s.agent.Role(person) == agent.Stranger {
		return nil, stanza.ServiceUnavailable
	}
	req, err := parse(iq, person)
	if err != nil {
		return nil, err
	}
	if req.id == "" {
		return s.start(ctx, req)
	}
	return s.resume(ctx, req)
}

// command returns the command of a node. A node such as "ack#17", the button of an
// alert, is the command ack with its first parameter given: it asks no more.
func (s *Server) command(req request) (c agent.Command, value string, ok bool) {
	name, value, given := strings.Cut(req.node, "#")
	c, ok = s.agent.Command(req.person, agent.ViaAdHoc, name)
	if given && (value == "" || len(c.Params) == 0) {
		return agent.Command{}, "", false
	}
	return c, value, ok
}

// start begins a command: one without parameters ends at once.
func (s *Server) start(ctx context.Context, req request) ([]byte, error) {
	c, value, ok := s.command(req)
	switch {
	case !ok:
		return nil, s.refuse(req)
	case req.action == "prev":
		return nil, badRequest("bad-action", "there is no step before the first")
	case req.action == "cancel":
		return nil, badRequest("bad-sessionid", "there is nothing to cancel")
	}
	x := newSession(req, c)
	if value != "" {
		x.values[c.Params[0].Name], x.stages = value, nil
	}
	if len(x.stages) == 0 {
		return s.once(ctx, c, x)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.show(c, x)
}

// refuse lets the agent know of a command that the asker may not run.
func (s *Server) refuse(req request) error {
	name, _, _ := strings.Cut(req.node, "#")
	err := s.agent.Refuse(agent.Request{From: req.person, Via: agent.ViaAdHoc, Name: name})
	if rate := (*agent.RateError)(nil); errors.As(err, &rate) {
		return tooMany(rate)
	}
	return stanza.ItemNotFound
}

func tooMany(e *agent.RateError) error {
	return &stanza.Error{Type: "wait", Condition: "resource-constraint", Text: e.Error()}
}

// once runs a command without parameters, or asks for confirmation.
func (s *Server) once(ctx context.Context, c agent.Command, x *session) ([]byte, error) {
	payload, err := s.run(ctx, c, x)
	s.mu.Lock()
	defer s.mu.Unlock()
	var ask *agent.ConfirmError
	if errors.As(err, &ask) {
		x.confirm(ask)
		return s.show(c, x)
	}
	if errors.Is(err, errLost) {
		err = stanza.ItemNotFound
	}
	s.sessions.end(x)
	return payload, err
}

// show puts a session into the table and its form into the answer. The table is locked.
func (s *Server) show(c agent.Command, x *session) ([]byte, error) {
	if !s.sessions.add(x) {
		return nil, &stanza.Error{Type: "wait", Condition: "resource-constraint", Text: "too many commands are under way: try again in a few minutes"}
	}
	return x.form(c, nil), nil
}

// resume goes on with a session.
func (s *Server) resume(ctx context.Context, req request) ([]byte, error) {
	c, _, allowed := s.command(req)
	if !allowed {
		_ = s.refuse(req)
	}
	ready, payload, err := s.advance(req, c, allowed)
	if ready == nil {
		return payload, err
	}
	return s.finish(ctx, c, ready)
}

// advance answers a step of a session, or takes the session out of the table
// and returns it when nothing is left to ask: no command runs twice.
func (s *Server) advance(req request, c agent.Command, allowed bool) (ready *session, payload []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ended := s.sessions.find(req)
	if x == nil || !allowed || !req.forward() {
		payload, err = s.aside(req, c, allowed, x, ended)
		return nil, payload, err
	}
	if wrong := x.submit(req.form); len(wrong) > 0 {
		return nil, x.form(c, wrong), nil
	}
	if x.at < len(x.stages)-1 {
		x.at++
		return nil, x.form(c, nil), nil
	}
	s.sessions.end(x)
	return x, nil, nil
}

// aside answers everything that does not go forward: what may not be, leaving
// and going back. The table is locked.
func (s *Server) aside(req request, c agent.Command, allowed bool, x *session, ended bool) ([]byte, error) {
	switch {
	case x == nil && !allowed:
		return nil, stanza.ItemNotFound
	case ended:
		return nil, &stanza.Error{Type: "cancel", Condition: "not-allowed", App: app("session-expired"), Text: "this command has ended: start it again"}
	case x == nil:
		return nil, badRequest("bad-sessionid", "there is no such session")
	case !allowed:
		s.sessions.end(x)
		return nil, stanza.Forbidden
	case req.cancels():
		s.sessions.end(x)
		return command(x, "canceled", nil), nil
	case x.at == 0:
		return nil, badRequest("bad-action", "there is no step before the first")
	}
	x.keep(req.form)
	x.unconfirm()
	x.at--
	return x.form(c, nil), nil
}

// finish runs a command whose form is complete. An argument that it refuses
// after all leads back to the form.
func (s *Server) finish(ctx context.Context, c agent.Command, x *session) ([]byte, error) {
	if x.declined() {
		return command(x, "completed", note("warn", notRun)), nil
	}
	payload, err := s.run(ctx, c, x)
	var p *agent.ParamError
	var ask *agent.ConfirmError
	switch {
	case errors.Is(err, errLost):
		return nil, stanza.Forbidden
	case errors.As(err, &ask):
		x.confirm(ask)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.show(c, x)
	case !errors.As(err, &p):
		return payload, err
	}
	if p.Param != codeField {
		x.unconfirm()
	}
	if at := x.stageOf(p.Param); at >= 0 {
		x.at = at
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sessions.add(x) {
		return failed(x, p), nil
	}
	return x.form(c, []*agent.ParamError{p}), nil
}

// withFile sends the file of an answer, and says so.
func (s *Server) withFile(x *session, a agent.Answer) agent.Answer {
	switch {
	case a.File == nil:
		return a
	case s.File != nil && s.File(x.person, a.File):
		a.Text += "\nThe file comes as a message."
	default:
		a.Text += "\nThe file could not be sent: too many wait."
	}
	return a
}

// errLost says that the asker was allowed a moment ago and is not any more.
var errLost = errors.New("not allowed any more")

// run executes a command. The error is errLost, a *agent.ConfirmError, or a
// *agent.ParamError about an argument that can be given again; every other
// failure is an answer.
func (s *Server) run(ctx context.Context, c agent.Command, x *session) ([]byte, error) {
	answer, err := s.agent.Do(ctx, agent.Request{From: x.person, Via: agent.ViaAdHoc, Name: c.Name, Args: x.args(), Confirmed: x.confirmed()})
	var p *agent.ParamError
	var ask *agent.ConfirmError
	var no *agent.UnconfirmedError
	var rate *agent.RateError
	switch {
	case err == nil:
		return completed(c, x, s.withFile(x, answer)), nil
	case errors.Is(err, agent.ErrUnknown), errors.Is(err, agent.ErrForbidden):
		return nil, errLost
	case errors.As(err, &p) && len(x.stages) > 0:
		return nil, p
	case errors.As(err, &ask):
		return nil, ask
	case errors.As(err, &rate):
		return nil, tooMany(rate)
	case errors.As(err, &no) && no.Again && x.ask != nil && x.ask.Kind == agent.ConfirmTOTP:
		return nil, &agent.ParamError{Param: codeField, Text: no.Text}
	}
	return failed(x, err), nil
}
