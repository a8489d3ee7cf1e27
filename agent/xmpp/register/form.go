package register

import (
	"encoding/xml"
	"slices"
	"strings"

	"pipit/agent/xmpp/wire"
)

// A query is what a server wants to know: as a data form (XEP-0004), as
// elements, or both.
type query struct {
	Any []element `xml:",any"`
}

type element struct {
	XMLName xml.Name
	Text    string  `xml:",chardata"`
	URL     string  `xml:"url"`   // of jabber:x:oob
	Field   []field `xml:"field"` // of jabber:x:data
}

type field struct {
	Var      string    `xml:"var,attr"`
	Type     string    `xml:"type,attr"`
	Required *struct{} `xml:"required"`
	Value    string    `xml:"value"`
}

// answer fills in a name and a password. A form goes before elements
// (XEP-0077 section 6).
func (q *query) answer(local, password string) ([]byte, error) {
	given := map[string]string{"username": local, "password": password}
	var names []string
	elements := [][2]string{{"username", local}, {"password", password}}
	url := ""
	for _, e := range q.Any {
		switch {
		case e.XMLName == xml.Name{Space: nsForm, Local: "x"}:
			return fillForm(e.Field, given)
		case e.URL != "":
			url = oneLine(e.URL)
		case e.XMLName == xml.Name{Space: nsRegister, Local: "key"}:
			elements = append(elements, [2]string{"key", e.Text})
		case e.XMLName.Space == nsRegister && e.XMLName.Local != "instructions" && e.XMLName.Local != "registered":
			names = append(names, e.XMLName.Local)
		}
	}
	if err := enough(names, names, url); err != nil {
		return nil, err
	}
	b := []byte("<query xmlns='" + nsRegister + "'>")
	for _, e := range elements {
		b = append(b, "<"+e[0]+">"...)
		b = append(wire.Escape(b, e[1]), "</"+e[0]+">"...)
	}
	return append(b, "</query>"...), nil
}

// fillForm gives hidden fields back as they came.
func fillForm(fields []field, given map[string]string) ([]byte, error) {
	var asked, required []string
	b := []byte("<query xmlns='" + nsRegister + "'><x xmlns='" + nsForm + "' type='submit'>")
	for _, f := range fields {
		value, ours := given[f.Var]
		switch {
		case f.Type == "hidden":
			value = f.Value
		case f.Type == "fixed" || f.Var == "":
			continue
		default:
			asked = append(asked, f.Var)
			if f.Required != nil {
				required = append(required, f.Var)
			}
			if !ours {
				continue
			}
		}
		b = append(wire.Attr(append(b, "<field"...), "var", f.Var), "><value>"...)
		b = append(wire.Escape(b, value), "</value></field>"...)
	}
	return append(b, "</x></query>"...), enough(asked, required, "")
}

// enough tells whether a name and a password are asked for and will do.
func enough(asked, required []string, url string) error {
	more := slices.DeleteFunc(slices.Clone(required), func(name string) bool { return name == "username" || name == "password" })
	switch {
	case len(more) > 0:
		return &refusal{why: ErrForm, said: "it wants " + oneLine(strings.Join(more, ", "))}
	case !slices.Contains(asked, "username") || !slices.Contains(asked, "password"):
		return &refusal{why: ErrForm, said: url}
	}
	return nil
}
