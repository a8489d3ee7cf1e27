package upload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/stanza"
)

const domain = "example.org"

func infoOf(feature, formType, size string) string {
	return "<query xmlns='" + disco.NSInfo + "'><identity category='store' type='file'/><feature var='" + feature + "'/>" +
		"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>" + formType + "</value></field>" +
		"<field var='max-file-size'><value>" + size + "</value></field></x></query>"
}

func itemsOf(jids ...string) string {
	b := "<query xmlns='" + disco.NSItems + "'><item jid='node." + domain + "' node='n'/><item node='x'/>"
	for _, j := range jids {
		b += "<item jid='" + j + "'/>"
	}
	return b + "</query>"
}

func TestFind(t *testing.T) {
	wait := &stanza.Error{Type: "wait", Condition: "remote-server-timeout"}
	other := infoOf("urn:example:other", "urn:example:other", "7")
	tests := []struct {
		name    string
		replies map[string]string
		errs    map[string]error
		want    Service
		err     error // in the chain
	}{
		{"the server itself", map[string]string{domain + " info": infoOf(NS, NS, "1000")}, nil, Service{domain, 1000}, nil},
		{"a component", map[string]string{domain + " info": other, domain + " items": itemsOf("a.x", "up.x"), "a.x info": other, "up.x info": infoOf(NS, NS, "5242880")},
			nil, Service{"up.x", 5242880}, nil},
		{"the server refuses info", map[string]string{domain + " items": itemsOf("up.x"), "up.x info": infoOf(NS, NS, "1")}, nil, Service{"up.x", 1}, nil},
		{"a component refuses info", map[string]string{domain + " info": other, domain + " items": itemsOf("a.x", "up.x"), "up.x info": infoOf(NS, NS, "1")},
			nil, Service{"up.x", 1}, nil},
		{"a component does not answer", map[string]string{domain + " info": other, domain + " items": itemsOf("a.x", "up.x"), "up.x info": infoOf(NS, NS, "1")},
			map[string]error{"a.x info": stanza.ErrNoAnswer}, Service{"up.x", 1}, nil},
		{"size of another form", map[string]string{domain + " info": infoOf(NS, "urn:example:other", "7")}, nil, Service{domain, 0}, nil},
		{"size that is none", map[string]string{domain + " info": infoOf(NS, NS, "-7")}, nil, Service{domain, 0}, nil},
		{"none", map[string]string{domain + " info": other, domain + " items": itemsOf("a.x"), "a.x info": other}, nil, Service{}, ErrNoService},
		{"no items", map[string]string{domain + " info": other}, nil, Service{}, ErrNoService},
		{"the server does not answer", nil, map[string]error{domain + " info": stanza.ErrNoAnswer}, Service{}, stanza.ErrNoAnswer},
		{"no answer to items", map[string]string{domain + " info": other}, map[string]error{domain + " items": stanza.ErrNoAnswer}, Service{}, stanza.ErrNoAnswer},
		{"malformed info", map[string]string{domain + " info": "<query xmlns='" + disco.NSInfo + "'>&nothing;</query>"}, nil, Service{}, nil},
		{"none, one component is away", map[string]string{domain + " info": other, domain + " items": itemsOf("a.x", "b.x"), "b.x info": other},
			map[string]error{"a.x info": wait}, Service{}, wait},
		{"the connection ends", map[string]string{domain + " info": other, domain + " items": itemsOf("a.x", "up.x"), "up.x info": infoOf(NS, NS, "1")},
			map[string]error{"a.x info": stanza.ErrClosed}, Service{}, stanza.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Find(t.Context(), &fake{replies: tt.replies, errs: tt.errs}, domain)
			if got != tt.want || !errors.Is(err, tt.err) && tt.err != nil || (err == nil) != (tt.want != Service{}) {
				t.Errorf("got %+v, error %v; want %+v, %v", got, err, tt.want, tt.err)
			}
			if tt.err != ErrNoService && errors.Is(err, ErrNoService) {
				t.Errorf("error %v says that there is none for good", err)
			}
		})
	}
}

func TestFindBounds(t *testing.T) {
	var jids []string
	for i := range maxComponents + 5 {
		jids = append(jids, fmt.Sprintf("c%d.x", i))
	}
	f := &fake{replies: map[string]string{
		domain + " info": infoOf("urn:example:other", "", ""), domain + " items": itemsOf(jids...),
		fmt.Sprintf("c%d.x info", maxComponents): infoOf(NS, NS, "1"),
	}}
	if _, err := Find(t.Context(), f, domain); !errors.Is(err, ErrNoService) {
		t.Errorf("error %v", err)
	}
	if len(f.log) != 2+maxComponents || strings.Contains(strings.Join(f.log, " "), "node.") {
		t.Errorf("asked %d: %q", len(f.log), f.log)
	}
}

func TestFindEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &fake{
		replies: map[string]string{domain + " info": infoOf("urn:example:other", "", ""), domain + " items": itemsOf("a.x", "b.x")},
		errs:    map[string]error{"a.x info": context.Canceled},
	}
	if _, err := Find(ctx, f, domain); !errors.Is(err, context.Canceled) || len(f.log) != 3 {
		t.Errorf("error %v after %q", err, f.log)
	}
}

func TestAppendMessage(t *testing.T) {
	want := "<body>https://up.example.org/a?b=1&amp;c=&lt;</body>" +
		"<x xmlns='jabber:x:oob'><url>https://up.example.org/a?b=1&amp;c=&lt;</url></x>"
	if diff := cmp.Diff(want, string(AppendMessage(nil, "https://up.example.org/a?b=1&c=<"))); diff != "" {
		t.Error(diff)
	}
}
