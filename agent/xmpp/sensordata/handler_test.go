package sensordata

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

func ask(t *testing.T, typ, req string, source []agent.Reading) (string, error) {
	t.Helper()
	iq, err := stanza.Parse([]byte("<iq type='" + typ + "' id='1' from='anna@example.org/x'>" + req + "</iq>"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := Handler(func() []agent.Reading { return source })(t.Context(), iq)
	return string(payload), err
}

func TestHandler(t *testing.T) {
	source := board[:5]
	all := "outside.temperature tiny huge tank door"
	tests := []struct {
		name, req string
		want      string // names of the readings, "-" for an empty answer
		err       error
	}{
		{"bare", `<req xmlns='urn:nf:iot:sd:1.0'/>`, all, nil},
		{"IoTGateway", `<req xmlns='urn:nfi:iot:sd:1.0' id='00000001' all='true'/>`, all, nil},
		{"ieee", `<req xmlns='urn:ieee:iot:sd:1.0' id='a&amp;b' m='true'/>`, all, nil},
		{"fields", `<req xmlns='urn:nf:iot:sd:1.0' id='1'><f n='door'/><f n='tiny'/><f n='bogus'/></req>`, "tiny door", nil},
		{"unknown fields only", `<req xmlns='urn:nf:iot:sd:1.0' id='1'><f n='bogus'/></req>`, "-", nil},
		{"history only", `<req xmlns='urn:nf:iot:sd:1.0' id='1' h='1'/>`, "-", nil},
		{"history and momentary", `<req xmlns='urn:nf:iot:sd:1.0' id='1' h='true' m='1'/>`, all, nil},
		{"a node", `<req xmlns='urn:nf:iot:sd:1.0' id='1'><nd id='x'/></req>`, "", stanza.ItemNotFound},
		{"other namespace", `<req xmlns='urn:xmpp:iot:sensordata'/>`, "", stanza.ServiceUnavailable},
		{"malformed", `<req xmlns='urn:nf:iot:sd:1.0'>`, "", stanza.BadRequest},
		{"too many fields", `<req xmlns='urn:nf:iot:sd:1.0'>` + strings.Repeat("<f n='a'/>", MaxFields+1) + `</req>`, "", stanza.BadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload, err := ask(t, "get", tt.req, source)
			if !errors.Is(err, tt.err) || err == nil && tt.err != nil {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			ns := tt.req[strings.Index(tt.req, "'")+1:]
			ns = ns[:strings.Index(ns, "'")]
			if !strings.HasPrefix(payload, "<resp xmlns='"+ns+"' id='") {
				t.Errorf("not in the asker's namespace: %s", payload)
			}
			readings, _, err := Parse([]byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, r := range readings {
				names = append(names, r.Name)
			}
			if got := strings.Join(names, " "); got != strings.TrimPrefix(tt.want, "-") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if payload, _ := ask(t, "get", `<req xmlns='urn:nf:iot:sd:1.0' id='a&amp;b'/>`, nil); payload != `<resp xmlns='urn:nf:iot:sd:1.0' id='a&amp;b'></resp>` {
		t.Errorf("the id does not come back: %s", payload)
	}
	if _, err := ask(t, "set", `<req xmlns='urn:nf:iot:sd:1.0'/>`, source); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("set: error %v", err)
	}
}

// An answer that no server would carry is refused, not sent.
func TestHandlerBounds(t *testing.T) {
	var many []agent.Reading
	for i := range agent.MaxReadings {
		many = append(many, reading(fmt.Sprintf("sensor%d.temperature", i), agent.Number(1), "°C"))
	}
	_, err := ask(t, "get", `<req xmlns='urn:nf:iot:sd:1.0' id='1'/>`, many)
	var e *stanza.Error
	if !errors.As(err, &e) || e.Condition != "resource-constraint" {
		t.Errorf("error %v", err)
	}
	if _, err := ask(t, "get", `<req xmlns='urn:nf:iot:sd:1.0' id='1'><f n='sensor7.temperature'/></req>`, many); err != nil {
		t.Errorf("error %v", err)
	}
}
