package adhoc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

const (
	maxStages = 20 // of a command that is asked for
	maxNotes  = 50
)

// A Note is a line of a command's answer: info, warn or error.
type Note struct{ Type, Text string }

// A Result is what a command came back with.
type Result struct {
	Notes   []Note
	Text    string     // above the table, and fields that stand outside it as "label: value"
	Columns []string   // headings of Rows
	Rows    [][]string // each as long as Columns
}

// List asks which commands the entity at the full JID to offers.
func List(ctx context.Context, r stanza.Requester, to string) ([]disco.Item, error) {
	return disco.Items(ctx, r, to, NS)
}

// Execute runs the command node of the entity at the full JID to and fills in
// its forms: values by the variable of the field, defaults for the rest. It
// waits as long as the Requester does for each step. A form that needs more,
// that has no field for one of the values, or that refuses them, is canceled
// and described by the error. The result holds what came back even when there
// is an error: a *FailedError, or a value that a command without a form ignored.
// What a device asks before it does something dangerous is answered by consent;
// without it the error tells what was asked.
func Execute(ctx context.Context, r stanza.Requester, to, node string, values map[string][]string, consent Consent) (Result, error) {
	x := execution{r: r, to: to, node: node, values: values, consent: consent, used: make(map[string]bool)}
	result, err := x.run(ctx)
	if err != nil {
		return result, fmt.Errorf("command %q: %w", node, err)
	}
	return result, nil
}

// A FailedError says that the command ran and reported an error.
type FailedError struct{ Text string }

func (e *FailedError) Error() string { return e.Text }

type execution struct {
	r        stanza.Requester
	to, node string
	values   map[string][]string
	used     map[string]bool
	consent  Consent

	session string
	shown   []string // variables of the form before
}

// A stage is one answer of the other side.
type stage struct {
	Session string `xml:"sessionid,attr"`
	Status  string `xml:"status,attr"`
	Actions struct {
		Execute  string    `xml:"execute,attr"`
		Next     *struct{} `xml:"next"`
		Complete *struct{} `xml:"complete"`
	} `xml:"actions"`
	Notes []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"note"`
	Form *dataform.Form `xml:"jabber:x:data x"`
}

func (x *execution) run(ctx context.Context) (Result, error) {
	st, err := x.step(ctx, "execute", nil)
	for range maxStages {
		switch {
		case err != nil:
			return Result{}, err
		case st.Status == "completed":
			return x.result(st)
		case st.Status != "executing":
			return Result{}, fmt.Errorf("the answer has status %q", st.Status)
		}
		x.session = st.Session
		var form *dataform.Form
		if form, err = x.fill(st); err == nil {
			st, err = x.step(ctx, st.forward(), form)
			continue
		}
		if _, e := x.step(ctx, "cancel", nil); e != nil {
			err = fmt.Errorf("%w (and it could not be canceled: %w)", err, e)
		}
		return Result{}, err
	}
	return Result{}, fmt.Errorf("it goes on after %d steps", maxStages)
}

func (x *execution) step(ctx context.Context, action string, form *dataform.Form) (stage, error) {
	b := []byte("<command xmlns='" + NS + "'")
	b = wire.Attr(b, "node", x.node)
	b = wire.Attr(b, "sessionid", x.session)
	b = wire.Attr(b, "action", action)
	b = append(b, '>')
	if form != nil {
		b = form.Append(b)
	}
	reply, err := x.r.Request(ctx, x.to, "set", append(b, "</command>"...))
	if err != nil {
		return stage{}, err
	}
	var v struct {
		Stage *stage `xml:"http://jabber.org/protocol/commands command"`
	}
	if err := reply.Decode(&v); err != nil {
		return stage{}, err
	}
	if v.Stage == nil {
		return stage{}, errors.New("the answer holds no command")
	}
	return *v.Stage, nil
}

// forward picks the action that goes on (XEP-0050 section 3.4): the default if
// it does, otherwise the one that is offered.
func (st stage) forward() string {
	switch a := st.Actions; {
	case a.Execute == "next" && a.Next != nil, a.Complete == nil && a.Next != nil:
		return "next"
	}
	return "complete"
}

// fill answers the form of a stage.
func (x *execution) fill(st stage) (*dataform.Form, error) {
	if st.Form == nil {
		return nil, x.unused(st)
	}
	shown := []string{}
	for _, f := range st.Form.Fields {
		shown = append(shown, f.Var)
		if problem := fixedError(f); problem != "" {
			return nil, errors.New(problem)
		}
	}
	if x.shown != nil && slices.Equal(shown, x.shown) {
		return nil, fmt.Errorf("it asks the same again: %s", st.complaint())
	}
	x.shown = shown
	out := &dataform.Form{Type: "submit"}
	for _, f := range st.Form.Fields {
		if f.Var == "" || f.Type == "fixed" {
			continue
		}
		values, given := x.values[f.Var]
		if given && f.Type != "hidden" {
			x.used[f.Var] = true
			f.Values = values
		}
		if err := x.consent.fill(&f, st.Form.Instructions); err != nil {
			return nil, err
		}
		if f.Required && len(f.Values) == 0 {
			return nil, fmt.Errorf("%s is needed%s", f.Var, choice(f))
		}
		out.Fields = append(out.Fields, dataform.Field{Var: f.Var, Type: f.Type, Values: f.Values})
	}
	return out, x.unused(st)
}

// fixedError returns the error that a device of this kind puts into a form.
func fixedError(f dataform.Field) string {
	if f.Type != "fixed" || len(f.Values) == 0 {
		return ""
	}
	text, ok := strings.CutPrefix(f.Values[0], "Error: ")
	if !ok {
		return ""
	}
	return text
}

// complaint is what a stage has to say, in one line.
func (st stage) complaint() string {
	var words []string
	for _, n := range st.Notes {
		words = append(words, n.Text)
	}
	if st.Form != nil && st.Form.Instructions != "" {
		words = append(words, st.Form.Instructions)
	}
	return strings.Join(words, "; ")
}

// choice tells what a field takes, if that is little.
func choice(f dataform.Field) string {
	if len(f.Options) == 0 || len(f.Options) > 20 {
		return ""
	}
	var options []string
	for _, o := range f.Options {
		options = append(options, o.Value)
	}
	return ": one of " + strings.Join(options, ", ")
}

// unused complains about values that no form has asked for, before the last
// step makes them pointless.
func (x *execution) unused(st stage) error {
	if st.Status == "executing" && st.forward() == "next" {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(x.values)) {
		if !x.used[name] {
			return fmt.Errorf("it has no field %q", name)
		}
	}
	return nil
}

// result reads the last stage.
func (x *execution) result(st stage) (Result, error) {
	var res Result
	var failure error
	for _, n := range st.Notes[:min(len(st.Notes), maxNotes)] {
		res.Notes = append(res.Notes, Note(n))
		if n.Type == "error" {
			failure = &FailedError{n.Text}
		}
	}
	if f := st.Form; f != nil {
		res.table(f)
	}
	if err := x.unused(st); failure == nil && err != nil {
		failure = fmt.Errorf("it has run, but %w", err)
	}
	return res, failure
}

func (res *Result) table(f *dataform.Form) {
	var lines []string
	if f.Instructions != "" {
		lines = append(lines, f.Instructions)
	}
	for _, field := range f.Fields {
		if field.Type == "hidden" {
			continue
		}
		line := strings.Join(field.Values, ", ")
		if name := cmp.Or(field.Label, field.Var); name != "" {
			line = name + ": " + line
		}
		lines = append(lines, line)
	}
	res.Text = strings.Join(lines, "\n")
	for _, c := range f.Reported {
		res.Columns = append(res.Columns, cmp.Or(c.Label, c.Var))
	}
	res.Rows = f.Items
}
