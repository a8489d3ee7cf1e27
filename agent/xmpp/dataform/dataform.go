// Package dataform writes and reads data forms (XEP-0004) with the validation
// hints of XEP-0122.
//
// What comes in is read in two ways: a Submission keeps only the names and
// values of fields, because clients send back whole forms, or fields without
// types; a Form keeps everything that a filling program needs. Both embed in
// structs for encoding/xml under the name "jabber:x:data x".
package dataform

import "pipit/agent/xmpp/wire"

// Namespaces of data forms and of their validation hints.
const (
	NS         = "jabber:x:data"
	NSValidate = "http://jabber.org/protocol/xdata-validate"
)

// A Form is a data form: questions, answers or results (XEP-0004 section 3.1).
type Form struct {
	Type         string // form, submit, cancel or result
	Title        string
	Instructions string // lines are separated by \n
	Fields       []Field
	Reported     []Field    // the columns of a table: Var, Type and Label count
	Items        [][]string // the rows of a table, a value for each of Reported
}

// A Field is one question or answer.
type Field struct {
	Var      string // "" only for type fixed
	Type     string // "" is left out in a submit and text-single otherwise
	Label    string
	Desc     string
	Required bool
	Values   []string
	Options  []Option
	Validate Validate
}

// An Option is one choice of a list field.
type Option struct{ Label, Value string }

// Validate hints at what a value may be (XEP-0122). The range counts when
// either end is given; the zero Validate says nothing.
type Validate struct{ Datatype, Min, Max string }

// FormType returns the hidden field that names what a form is for (XEP-0068).
func FormType(ns string) Field {
	return Field{Var: "FORM_TYPE", Type: "hidden", Values: []string{ns}}
}

// ParseBool reads a boolean value.
func ParseBool(s string) (value, ok bool) {
	switch s {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}

// Append writes the <x/> element.
func (f Form) Append(b []byte) []byte {
	b = append(b, "<x xmlns='"+NS+"'"...)
	b = wire.Attr(b, "type", f.Type)
	b = append(b, '>')
	b = appendText(b, "title", f.Title)
	b = appendText(b, "instructions", f.Instructions)
	for _, field := range f.Fields {
		b = field.append(b, f.Type != "submit")
	}
	if len(f.Reported) > 0 {
		b = f.appendTable(b)
	}
	return append(b, "</x>"...)
}

func (f Form) appendTable(b []byte) []byte {
	b = append(b, "<reported>"...)
	for _, column := range f.Reported {
		b = column.append(b, true)
	}
	b = append(b, "</reported>"...)
	for _, row := range f.Items {
		b = append(b, "<item>"...)
		for i, column := range f.Reported[:min(len(f.Reported), len(row))] {
			b = Field{Var: column.Var, Values: row[i : i+1]}.append(b, false)
		}
		b = append(b, "</item>"...)
	}
	return b
}

func (f Field) append(b []byte, typed bool) []byte {
	b = append(b, "<field"...)
	b = wire.Attr(b, "var", f.Var)
	if f.Type == "" && typed {
		f.Type = "text-single"
	}
	b = wire.Attr(b, "type", f.Type)
	b = wire.Attr(b, "label", f.Label)
	b = append(b, '>')
	b = appendText(b, "desc", f.Desc)
	if f.Required {
		b = append(b, "<required/>"...)
	}
	for _, v := range f.Values {
		b = append(b, "<value>"...)
		b = wire.Escape(b, v)
		b = append(b, "</value>"...)
	}
	for _, o := range f.Options {
		b = append(b, "<option"...)
		b = wire.Attr(b, "label", o.Label)
		b = append(b, "><value>"...)
		b = wire.Escape(b, o.Value)
		b = append(b, "</value></option>"...)
	}
	b = f.Validate.append(b)
	return append(b, "</field>"...)
}

func (v Validate) append(b []byte) []byte {
	if v.Datatype == "" {
		return b
	}
	b = append(b, "<validate xmlns='"+NSValidate+"'"...)
	b = wire.Attr(b, "datatype", v.Datatype)
	b = append(b, '>')
	if v.Min == "" && v.Max == "" {
		b = append(b, "<basic/>"...)
	} else {
		b = append(b, "<range"...)
		b = wire.Attr(b, "min", v.Min)
		b = wire.Attr(b, "max", v.Max)
		b = append(b, "/>"...)
	}
	return append(b, "</validate>"...)
}

func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	b = wire.Escape(b, text)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}
