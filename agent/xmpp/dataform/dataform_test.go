package dataform

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAppend(t *testing.T) {
	tests := []struct {
		name string
		form Form
		want string
	}{
		{"empty", Form{Type: "cancel"}, `<x xmlns='jabber:x:data' type='cancel'></x>`},
		{"form", Form{
			Type: "form", Title: "Relay", Instructions: "first\nsecond",
			Fields: []Field{
				FormType("urn:example:relay"),
				{Type: "fixed", Values: []string{"Mind <the> 'gap'"}},
				{Var: "state", Type: "list-single", Label: "Set to", Desc: "now", Required: true, Values: []string{"off"},
					Options: []Option{{"on", "on"}, {"", "off"}}},
				{Var: "minutes", Values: []string{"0"}, Validate: Validate{"xs:decimal", "0", "1440"}},
				{Var: "free", Validate: Validate{Datatype: "xs:decimal"}},
			},
		}, `<x xmlns='jabber:x:data' type='form'><title>Relay</title><instructions>first
second</instructions>` +
			`<field var='FORM_TYPE' type='hidden'><value>urn:example:relay</value></field>` +
			`<field type='fixed'><value>Mind &lt;the&gt; &#39;gap&#39;</value></field>` +
			`<field var='state' type='list-single' label='Set to'><desc>now</desc><required/><value>off</value>` +
			`<option label='on'><value>on</value></option><option><value>off</value></option></field>` +
			`<field var='minutes' type='text-single'><value>0</value>` +
			`<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:decimal'><range min='0' max='1440'/></validate></field>` +
			`<field var='free' type='text-single'>` +
			`<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:decimal'><basic/></validate></field></x>`},
		{"submit without types", Form{Type: "submit", Fields: []Field{FormType("urn:example:f"), {Var: "a", Values: []string{"1", "2"}}, {Var: "b"}}},
			`<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:example:f</value></field>` +
				`<field var='a'><value>1</value><value>2</value></field><field var='b'></field></x>`},
		{"table", Form{Type: "result", Reported: []Field{{Var: "n", Label: "Name"}, {Var: "v"}}, Items: [][]string{{"a", "1"}, {"b"}}},
			`<x xmlns='jabber:x:data' type='result'><reported><field var='n' type='text-single' label='Name'></field>` +
				`<field var='v' type='text-single'></field></reported>` +
				`<item><field var='n'><value>a</value></field><field var='v'><value>1</value></field></item>` +
				`<item><field var='n'><value>b</value></field></item></x>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, string(tt.form.Append(nil))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Submissions as clients send them.
const (
	cheogram = `<x xmlns="jabber:x:data" type="submit"><title>Relay</title><instructions>Pump is ON</instructions>` +
		`<field type="hidden" var="FORM_TYPE"><value>urn:example:relay</value></field>` +
		`<field type="fixed"><value>Error: no</value></field>` +
		`<field type="list-single" var="state" label="Set to"><required/><desc>x</desc><option label="on"><value>on</value></option>` +
		`<option label="off"><value>off</value></option><value>off</value></field>` +
		`<field type="text-single" var="minutes"><validate xmlns="http://jabber.org/protocol/xdata-validate" datatype="xs:integer"><range min="0" max="9"/></validate><value>5</value></field></x>`
	profanity = `<x xmlns="jabber:x:data" type="submit"><field var="state"><value>off</value></field><field var="minutes"><value>5</value></field></x>`
)

func TestSubmission(t *testing.T) {
	many := strings.Repeat("<value>v</value>", MaxValues)
	tests := []struct {
		name, in string
		want     Submission
		err      error
	}{
		{"Cheogram sends the whole form back", cheogram, Submission{"submit", map[string][]string{
			"FORM_TYPE": {"urn:example:relay"}, "state": {"off"}, "minutes": {"5"}}}, nil},
		{"Profanity sends no types", profanity, Submission{"submit", map[string][]string{"state": {"off"}, "minutes": {"5"}}}, nil},
		{"cancel", `<x xmlns='jabber:x:data' type='cancel'/>`, Submission{"cancel", map[string][]string{}}, nil},
		{"empty and missing values", `<x xmlns='jabber:x:data' type='submit'><field var='a'/><field var='b'><value/></field></x>`,
			Submission{"submit", map[string][]string{"a": nil, "b": {""}}}, nil},
		{"a name twice", `<x xmlns='jabber:x:data'><field var='a'><value>1</value></field><field var='a'><value>2</value></field></x>`,
			Submission{"", map[string][]string{"a": {"1", "2"}}}, nil},
		{"other namespaces", `<x xmlns='jabber:x:data' type='submit'><field xmlns='urn:other' var='a'><value>1</value></field></x>`,
			Submission{"submit", map[string][]string{}}, nil},
		{"as many values as allowed", `<x xmlns='jabber:x:data'><field var='a'>` + many + `</field></x>`,
			Submission{"", map[string][]string{"a": strings.Split(strings.Repeat("v", MaxValues), "")}}, nil},
		{"too many values", `<x xmlns='jabber:x:data'><field var='a'>` + many + `</field><field var='a'><value>v</value></field></x>`, Submission{}, ErrBounds},
		{"too many fields", `<x xmlns='jabber:x:data'>` + strings.Repeat("<field var='a'/>", MaxFields+1) + `</x>`, Submission{}, ErrBounds},
		{"too long a value", `<x xmlns='jabber:x:data'><field var='a'><value>` + strings.Repeat("v", MaxValue+1) + `</value></field></x>`, Submission{}, ErrBounds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got Submission
			err := xml.Unmarshal([]byte(tt.in), &got)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFormRoundTrip(t *testing.T) {
	tests := []Form{
		{Type: "form", Title: "T & t", Instructions: "a\nb", Fields: []Field{
			FormType("urn:example:f"),
			{Var: "l", Type: "list-multi", Label: "L", Desc: "d", Required: true, Values: []string{"x", "y"}, Options: []Option{{"X", "x"}, {"Y", "y"}}},
			{Var: "n", Type: "text-single", Validate: Validate{"xs:decimal", "-1.5", "2"}},
		}},
		{Type: "result", Reported: []Field{{Var: "a", Type: "text-single", Label: "A"}, {Var: "b", Type: "text-single"}},
			Items: [][]string{{"1", "2"}, {"", "é<"}}},
	}
	for _, want := range tests {
		t.Run(want.Type, func(t *testing.T) {
			var got Form
			if err := xml.Unmarshal(want.Append(nil), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Columns of items may come in any order, and cells may be missing.
func TestFormItems(t *testing.T) {
	var got Form
	err := xml.Unmarshal([]byte(`<x xmlns='jabber:x:data' type='result'><reported><field var='a'/><field var='b'/></reported>`+
		`<item><field var='b'><value>2</value></field><field var='z'><value>9</value></field><field var='a'><value>1</value></field></item>`+
		`<item><field var='b'><value>3</value><value>4</value></field></item></x>`), &got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"1", "2"}, {"", "3\n4"}}, got.Items); diff != "" {
		t.Error(diff)
	}
}

func TestFormBounds(t *testing.T) {
	var options strings.Builder
	for i := range maxOptions + 5 {
		fmt.Fprintf(&options, "<option><value>%d</value></option>", i)
	}
	var got Form
	err := xml.Unmarshal([]byte(`<x xmlns='jabber:x:data'><title>`+strings.Repeat("ü", maxText)+`</title><field var='a'>`+options.String()+`</field></x>`), &got)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Fields[0].Options); n != maxOptions {
		t.Errorf("%d options, want %d", n, maxOptions)
	}
	if len(got.Title) != maxText {
		t.Errorf("title of %d bytes, want %d", len(got.Title), maxText)
	}
	err = xml.Unmarshal([]byte(`<x xmlns='jabber:x:data'><reported>`+strings.Repeat("<field var='a'/>", MaxFields+1)+`</reported></x>`), &got)
	if !errors.Is(err, ErrBounds) {
		t.Errorf("error %v, want %v", err, ErrBounds)
	}
}

func TestParseBool(t *testing.T) {
	for s, want := range map[string][2]bool{
		"1": {true, true}, "true": {true, true}, "0": {false, true}, "false": {false, true},
		"": {}, "TRUE": {}, "yes": {}, "2": {},
	} {
		if v, ok := ParseBool(s); v != want[0] || ok != want[1] {
			t.Errorf("ParseBool(%q) = %v, %v", s, v, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		cheogram, profanity, `<x xmlns='jabber:x:data'/>`,
		`<x xmlns='jabber:x:data' type='result'><reported><field var='a'/></reported><item><field var='a'><value>1</value></field></item></x>`,
		`<x xmlns='jabber:x:data'><field><value>` + "\u0001" + `</value></field>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var s Submission
		if xml.Unmarshal(in, &s) == nil {
			for name, values := range s.Values {
				if name == "" || checkValues(name, values) != nil {
					t.Errorf("field %q exceeds a bound", name)
				}
			}
		}
		var form, again Form
		if xml.Unmarshal(in, &form) != nil {
			return
		}
		if err := xml.Unmarshal(form.Append(nil), &again); err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		var third Form
		if err := xml.Unmarshal(again.Append(nil), &third); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(again, third); diff != "" {
			t.Errorf("not stable: %s", diff)
		}
	})
}
