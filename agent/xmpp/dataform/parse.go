package dataform

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is read.
const (
	MaxFields  = 100
	MaxValues  = 100      // of one field
	MaxValue   = 4 << 10  // bytes
	maxOptions = 1000     // more are left out
	maxText    = 64 << 10 // bytes of a title, of instructions; the rest is cut
)

// ErrBounds is wrapped by the errors of forms that exceed a bound.
var ErrBounds = errors.New("form too large")

// A Submission is a form as somebody filled it in, reduced to what counts.
type Submission struct {
	Type   string // submit or cancel, but other types come too
	Values map[string][]string
}

// UnmarshalXML reads an <x/> element. It ignores everything but the names and
// values of fields. The values of a name that occurs twice are joined. It
// fails with ErrBounds when one is exceeded.
func (s *Submission) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var v struct {
		Type   string     `xml:"type,attr"`
		Fields []xmlField `xml:"jabber:x:data field"`
	}
	if err := d.DecodeElement(&v, &start); err != nil {
		return err
	}
	if len(v.Fields) > MaxFields {
		return tooManyFields(len(v.Fields))
	}
	s.Type, s.Values = v.Type, make(map[string][]string, len(v.Fields))
	for _, f := range v.Fields {
		if f.Var == "" {
			continue // fixed
		}
		all := append(s.Values[f.Var], f.Values...)
		if err := checkValues(f.Var, all); err != nil {
			return err
		}
		s.Values[f.Var] = all
	}
	return nil
}

// UnmarshalXML reads an <x/> element with everything that this package knows.
// It fails with ErrBounds when one is exceeded, except that options beyond the thousandth
// are left out.
func (f *Form) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var v struct {
		Type         string     `xml:"type,attr"`
		Title        string     `xml:"jabber:x:data title"`
		Instructions []string   `xml:"jabber:x:data instructions"`
		Fields       []xmlField `xml:"jabber:x:data field"`
		Reported     struct {
			Fields []xmlField `xml:"jabber:x:data field"`
		} `xml:"jabber:x:data reported"`
		Items []xmlItem `xml:"jabber:x:data item"`
	}
	if err := d.DecodeElement(&v, &start); err != nil {
		return err
	}
	*f = Form{Type: v.Type, Title: cut(v.Title), Instructions: cut(strings.Join(v.Instructions, "\n"))}
	var err error
	if f.Fields, err = readFields(v.Fields); err != nil {
		return err
	}
	if f.Reported, err = readFields(v.Reported.Fields); err != nil {
		return err
	}
	for _, item := range v.Items {
		f.Items = append(f.Items, item.row(f.Reported))
	}
	return nil
}

type xmlField struct {
	Var      string    `xml:"var,attr"`
	Type     string    `xml:"type,attr"`
	Label    string    `xml:"label,attr"`
	Desc     string    `xml:"jabber:x:data desc"`
	Required *struct{} `xml:"jabber:x:data required"`
	Values   []string  `xml:"jabber:x:data value"`
	Options  []struct {
		Label string `xml:"label,attr"`
		Value string `xml:"jabber:x:data value"`
	} `xml:"jabber:x:data option"`
	Validate struct {
		Datatype string `xml:"datatype,attr"`
		Range    struct {
			Min string `xml:"min,attr"`
			Max string `xml:"max,attr"`
		} `xml:"range"`
	} `xml:"http://jabber.org/protocol/xdata-validate validate"`
}

type xmlItem struct {
	Fields []xmlField `xml:"jabber:x:data field"`
}

// row puts the values of an item in the order of the columns.
func (item xmlItem) row(columns []Field) []string {
	row := make([]string, len(columns))
	for i, c := range columns {
		for _, f := range item.Fields {
			if f.Var == c.Var {
				row[i] = cut(strings.Join(f.Values, "\n"))
				break
			}
		}
	}
	return row
}

func readFields(in []xmlField) ([]Field, error) {
	if len(in) > MaxFields {
		return nil, tooManyFields(len(in))
	}
	var out []Field
	for _, x := range in {
		if err := checkValues(x.Var, x.Values); err != nil {
			return nil, err
		}
		f := Field{
			Var: x.Var, Type: x.Type, Label: cut(x.Label), Desc: cut(x.Desc),
			Required: x.Required != nil, Values: x.Values,
			Validate: Validate{x.Validate.Datatype, x.Validate.Range.Min, x.Validate.Range.Max},
		}
		for _, o := range x.Options[:min(len(x.Options), maxOptions)] {
			f.Options = append(f.Options, Option{cut(o.Label), o.Value})
		}
		out = append(out, f)
	}
	return out, nil
}

func tooManyFields(n int) error {
	return fmt.Errorf("%w: %d fields, at most %d are allowed", ErrBounds, n, MaxFields)
}

func checkValues(name string, values []string) error {
	if len(values) > MaxValues {
		return fmt.Errorf("%w: field %.64q has more than %d values", ErrBounds, name, MaxValues)
	}
	for _, v := range values {
		if len(v) > MaxValue {
			return fmt.Errorf("%w: a value of field %.64q is longer than %d bytes", ErrBounds, name, MaxValue)
		}
	}
	return nil
}

// cut keeps a text within its bound and its encoding whole.
func cut(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
