package adhoc

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/dataform"
)

const (
	idle         = 5 * time.Minute // a session unused for so long ends
	maxSessions  = 32
	maxPerPerson = 4  // the person's oldest makes room for a fifth
	maxEnded     = 64 // remembered, to tell a late request what has happened
	perStage     = 8  // parameters in one form
)

// A session is a command under way, bound to the full JID that started it.
type session struct {
	id, jid, person, node string

	stages [][]agent.Param // a form for each; none for a command without parameters
	at     int             // the stage that was shown last
	values map[string]string
	used   time.Time

	ask *agent.ConfirmError // what the last stage asks, nil before
}

func newSession(req request, c agent.Command) *session {
	return &session{
		id: rand.Text(), jid: req.from, person: req.person, node: req.node,
		stages: slices.Collect(slices.Chunk(c.Params, perStage)),
		values: make(map[string]string),
	}
}

// args returns what was entered, as agent.Do wants it.
func (x *session) args() map[string]string {
	args := make(map[string]string, len(x.values))
	for name, v := range x.values {
		if v != "" && name != confirmField && name != codeField {
			args[name] = v
		}
	}
	return args
}

// keep notes the values of the stage that was shown and returns those that
// cannot even be noted. A field that is not there keeps its value: clients
// leave out what they did not change.
func (x *session) keep(form *dataform.Submission) (wrong []*agent.ParamError) {
	if form == nil {
		return nil
	}
	if t := form.Values["FORM_TYPE"]; len(t) > 0 && t[0] != x.formType() {
		return []*agent.ParamError{{Text: "this form belongs to another step"}}
	}
	for _, p := range x.stages[x.at] {
		values, ok := form.Values[p.Name]
		switch {
		case !ok:
		case len(values) > 1 && p.Kind != agent.ParamChoices:
			wrong = append(wrong, &agent.ParamError{Param: p.Name, Text: "only one value is allowed"})
		default:
			x.values[p.Name] = strings.Join(values, " ")
		}
	}
	return wrong
}

// submit notes the values of the stage that was shown and returns what is
// wrong with them.
func (x *session) submit(form *dataform.Submission) []*agent.ParamError {
	wrong := x.keep(form)
	if len(wrong) > 0 {
		return wrong
	}
	for _, p := range x.stages[x.at] {
		_, err := p.Check(x.values[p.Name])
		var e *agent.ParamError
		if errors.As(err, &e) {
			wrong = append(wrong, e)
		}
	}
	return wrong
}

// stageOf returns the stage that asks for a parameter, -1 for none.
func (x *session) stageOf(name string) int {
	return slices.IndexFunc(x.stages, func(stage []agent.Param) bool {
		return slices.ContainsFunc(stage, func(p agent.Param) bool { return p.Name == name })
	})
}

// sessions is the table of commands under way. It needs no clock of its own:
// what is too old goes when somebody asks.
type sessions struct {
	open  map[string]*session
	ended []*session // oldest first
}

// find returns the session that a request belongs to and notes its use. A
// session of somebody else, or of another command, is none. ended tells that
// there was one.
func (t *sessions) find(req request) (x *session, ended bool) {
	t.expire()
	belongs := func(x *session) bool { return x.id == req.id && x.jid == req.from && x.node == req.node }
	if x = t.open[req.id]; x != nil && belongs(x) {
		x.used = time.Now()
		return x, false
	}
	return nil, slices.ContainsFunc(t.ended, belongs)
}

// add puts a session into the table. It reports false when the table is full.
func (t *sessions) add(x *session) bool {
	t.expire()
	var oldest *session
	count := 0
	for _, y := range t.open {
		if y.person != x.person {
			continue
		}
		count++
		if oldest == nil || y.used.Before(oldest.used) {
			oldest = y
		}
	}
	if count >= maxPerPerson {
		t.end(oldest)
	}
	if len(t.open) >= maxSessions {
		return false
	}
	x.used = time.Now()
	t.open[x.id] = x
	return true
}

// end takes a session out of the table.
func (t *sessions) end(x *session) {
	delete(t.open, x.id)
	if len(t.ended) >= maxEnded {
		t.ended = slices.Delete(t.ended, 0, 1)
	}
	t.ended = append(t.ended, &session{id: x.id, jid: x.jid, node: x.node})
}

func (t *sessions) expire() {
	for _, x := range t.open {
		if time.Since(x.used) >= idle {
			t.end(x)
		}
	}
}

func (t *sessions) gone(jid string) {
	for _, x := range t.open {
		if x.jid == jid {
			t.end(x)
		}
	}
}
