package adhoc

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pipit/agent"
	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/wire"
)

const (
	maxOptions = 500       // of a list; beyond that the value is typed
	maxReply   = 100 << 10 // bytes of an answer's text or table; the rest is left out and counted
)

// title names a command for people: the name, which is what they type in a
// chat, and what it does.
func title(c agent.Command) string {
	if c.Help == "" {
		return c.Name
	}
	return c.Name + ": " + c.Help
}

func app(condition string) xml.Name { return xml.Name{Space: NS, Local: condition} }

// command writes the <command/> of an answer.
func command(x *session, status string, body []byte) []byte {
	b := make([]byte, 0, 256+len(body))
	b = append(b, "<command xmlns='"+NS+"'"...)
	b = wire.Attr(b, "node", x.node)
	b = wire.Attr(b, "sessionid", x.id)
	b = wire.Attr(b, "status", status)
	if len(body) == 0 {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	b = append(b, body...)
	return append(b, "</command>"...)
}

// formType names the form of the stage that is shown, so that a form that
// comes late is not taken for the next one.
func (x *session) formType() string {
	return "pipit:command:" + x.node + ":" + strconv.Itoa(x.at+1)
}

// form shows the present stage, with what was entered and what is wrong with it.
func (x *session) form(c agent.Command, wrong []*agent.ParamError) []byte {
	f := dataform.Form{Type: "form", Title: title(c), Fields: []dataform.Field{dataform.FormType(x.formType())}}
	var lines []string
	for _, w := range wrong {
		text := "Error: " + label(x.stages[x.at], w.Param) + w.Text
		lines = append(lines, text)
		f.Fields = append(f.Fields, dataform.Field{Type: "fixed", Values: []string{text}})
	}
	if x.ask != nil {
		lines = append(lines, x.ask.Text)
	} else if len(x.stages) > 1 {
		lines = append(lines, fmt.Sprintf("Step %d of %d", x.at+1, len(x.stages)))
	}
	f.Instructions = strings.Join(lines, "\n")
	for _, p := range x.stages[x.at] {
		f.Fields = append(f.Fields, x.field(p, wrong))
	}
	return command(x, "executing", f.Append(x.actions()))
}

// actions offers the ways from the present stage.
func (x *session) actions() []byte {
	on := "complete"
	if x.at < len(x.stages)-1 {
		on = "next"
	}
	b := []byte("<actions execute='" + on + "'>")
	if x.at > 0 {
		b = append(b, "<prev/>"...)
	}
	return append(b, "<"+on+"/></actions>"...)
}

// label is the beginning of an error about a parameter.
func label(params []agent.Param, name string) string {
	for _, p := range params {
		if p.Name == name && p.Label != "" {
			return p.Label + ": "
		}
	}
	if name == "" {
		return ""
	}
	return name + ": "
}

func (x *session) field(p agent.Param, wrong []*agent.ParamError) dataform.Field {
	f := dataform.Field{Var: p.Name, Label: p.Label, Desc: p.Help, Required: p.Required}
	if f.Label == "" {
		f.Label = p.Name
	}
	for _, w := range wrong {
		if w.Param == p.Name {
			f.Desc = strings.TrimSuffix("Error: "+w.Text+". "+p.Help, ". ")
		}
	}
	value, entered := x.values[p.Name]
	if !entered {
		value = p.Default
	}
	if value != "" {
		f.Values = []string{value}
	}
	switch p.Kind {
	case agent.ParamNumber:
		f.Validate.Datatype = "xs:decimal"
		if p.Min < p.Max {
			f.Validate.Min, f.Validate.Max = agent.Number(p.Min).String(), agent.Number(p.Max).String()
		}
	case agent.ParamBool:
		f.Type = "boolean"
		if normal, err := p.Check(value); err == nil && normal != "" {
			f.Values = []string{normal}
		}
	case agent.ParamChoice, agent.ParamChoices:
		choices(&f, p, value)
	}
	return f
}

// choices makes the field a list, unless the list is longer than people scroll.
func choices(f *dataform.Field, p agent.Param, value string) {
	var all []string
	if p.Choices != nil {
		all = p.Choices()
	}
	if len(all) == 0 || len(all) > maxOptions {
		return
	}
	f.Type = "list-single"
	if p.Kind == agent.ParamChoices {
		f.Type, f.Values = "list-multi", strings.Fields(value)
	}
	for _, c := range all {
		f.Options = append(f.Options, dataform.Option{Label: c, Value: c})
	}
}

// completed is the answer of a command that worked: a table, or else a note,
// and never nothing, since some clients then show nothing at all.
func completed(c agent.Command, x *session, a agent.Answer) []byte {
	if len(a.Rows) == 0 || len(a.Columns) == 0 {
		text := a.String()
		if text == "" {
			text = "done"
		}
		return command(x, "completed", note("info", text))
	}
	f := dataform.Form{Type: "result", Title: title(c), Instructions: shorten(a.Text), Reported: columns(a.Columns)}
	size := 0
	for _, row := range a.Rows {
		for _, cell := range row {
			size += len("<field var=''><value></value></field>") + len(wire.Escape(nil, cell))
		}
		if size > maxReply {
			break
		}
		f.Items = append(f.Items, row)
	}
	if left := len(a.Rows) - len(f.Items); left > 0 {
		f.Instructions = strings.TrimPrefix(fmt.Sprintf("%s\n%d more rows are left out", f.Instructions, left), "\n")
	}
	return command(x, "completed", f.Append(nil))
}

// columns names the columns of a table, each differently.
func columns(headings []string) []dataform.Field {
	var fields []dataform.Field
	for i, h := range headings {
		name := agent.CleanName(h)
		if slices.ContainsFunc(fields, func(f dataform.Field) bool { return f.Var == name }) {
			name += "_" + strconv.Itoa(i+1)
		}
		fields = append(fields, dataform.Field{Var: name, Label: h})
	}
	return fields
}

// failed is the answer of a command that did not work.
func failed(x *session, err error) []byte {
	return command(x, "completed", note("error", err.Error()))
}

func note(typ, text string) []byte {
	b := []byte("<note type='" + typ + "'>")
	b = wire.Escape(b, shorten(text))
	return append(b, "</note>"...)
}

// shorten keeps a text within the bound of an answer, escaped at its worst.
func shorten(text string) string {
	const limit = maxReply / 5
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
