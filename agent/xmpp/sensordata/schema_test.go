package sensordata

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pipit/agent"
)

// The rules of the sensor data schema for what this package writes: which
// elements stand where, which attributes they must and may have, and the form
// of their values.
var (
	boolean  = regexp.MustCompile(`^(true|false|1|0)$`)
	dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$`)
	anything = regexp.MustCompile(`(?s)^.*$`)

	values = map[string]*regexp.Regexp{
		"q":  regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$`),
		"b":  boolean,
		"s":  anything,
		"i":  regexp.MustCompile(`^[+-]?\d{1,10}$`),
		"dr": regexp.MustCompile(`^-?P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$`),
	}
	optional = strings.Fields("m p s c i h ms pr ae me mr ar of w er so iv eos pf ic ctr")
)

// checkSchema tells what is wrong with a <resp/>.
func checkSchema(payload []byte) error {
	var v struct {
		XMLName xml.Name
		Attrs   []xml.Attr `xml:",any,attr"`
		Times   []struct {
			XMLName xml.Name
			Attrs   []xml.Attr `xml:",any,attr"`
			Fields  []struct {
				XMLName xml.Name
				Attrs   []xml.Attr `xml:",any,attr"`
				Inner   string     `xml:",innerxml"`
			} `xml:",any"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(payload, &v); err != nil {
		return err
	}
	if v.XMLName.Local != "resp" || !has(v.Attrs, "id") {
		return fmt.Errorf("the root is %v", v.XMLName)
	}
	for _, ts := range v.Times {
		if ts.XMLName.Local != "ts" || len(ts.Attrs) != 1 || ts.Attrs[0].Name.Local != "v" || !dateTime.MatchString(ts.Attrs[0].Value) {
			return fmt.Errorf("%s %v", ts.XMLName.Local, ts.Attrs)
		}
		for _, f := range ts.Fields {
			if err := checkField(f.XMLName.Local, f.Attrs, f.Inner); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkField(name string, attrs []xml.Attr, inner string) error {
	if name == "err" {
		if len(attrs) > 0 || strings.Contains(inner, "<") {
			return fmt.Errorf("err %v holds %q", attrs, inner)
		}
		return nil
	}
	rule := values[name]
	if rule == nil || inner != "" || !has(attrs, "n") || !has(attrs, "v") {
		return fmt.Errorf("field %s %v holds %q", name, attrs, inner)
	}
	for _, a := range attrs {
		ok := false
		switch key := a.Name.Local; {
		case key == "n":
			ok = true
		case key == "v":
			ok = rule.MatchString(a.Value)
		case key == "u":
			ok = name == "q"
		case slices.Contains(optional, key):
			ok = boolean.MatchString(a.Value)
		}
		if !ok {
			return fmt.Errorf("field %s: %s=%q", name, a.Name.Local, a.Value)
		}
	}
	return nil
}

func has(attrs []xml.Attr, name string) bool {
	return slices.ContainsFunc(attrs, func(a xml.Attr) bool { return a.Name.Local == name })
}

// Row 36 of the acceptance checks: valid, numbers without NaN, time in UTC ms,
// failed sensors by flags and an error.
func TestSchema(t *testing.T) {
	o := Options{Seq: 1 << 40, Boot: "b", Interval: 90 * time.Second, Time: noon}
	for _, payload := range [][]byte{Encode(nil, Options{}), Encode(nil, o), Encode(board, Options{}), Encode(board, o)} {
		if err := checkSchema(payload); err != nil {
			t.Errorf("%v in %s", err, payload)
		}
	}
}

// The check itself must be able to fail.
func TestSchemaCheckRefuses(t *testing.T) {
	ts := func(s string) string { return "<resp id=''><ts v='2026-11-22T12:00:00.825Z'>" + s + "</ts></resp>" }
	for _, in := range []string{
		"<resp/>", "<resp id=''><ts/></resp>", "<resp id=''><ts v='today'/></resp>", "<resp id=''><q n='a' v='1'/></resp>",
		ts("<q n='a'/>"), ts("<q v='1'/>"), ts("<q n='a' v='NaN'/>"), ts("<q n='a' v='1,5'/>"), ts("<q n='a' v='1' ms='yes'/>"),
		ts("<b n='a' v='on'/>"), ts("<b n='a' v='1' u='V'/>"), ts("<x n='a' v='1'/>"), ts("<err><b/></err>"), ts("<q n='a' v='1' zz='true'/>"),
	} {
		if checkSchema([]byte(in)) == nil {
			t.Errorf("%s passes", in)
		}
	}
}

// Numbers have a point and no exponent.
func TestEncodeNumbers(t *testing.T) {
	for f, want := range map[float64]string{0: "0", -0.1: "-0.1", 1e-9: "0.000000001", 1e21: "1" + strings.Repeat("0", 21), 123456789.125: "123456789.125"} {
		payload := string(Encode([]agent.Reading{reading("x", agent.Number(f), "")}, Options{}))
		if !strings.Contains(payload, " v='"+want+"' ") {
			t.Errorf("%v: %s", f, payload)
		}
	}
}
