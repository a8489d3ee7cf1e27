package pubsub

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/stanza"
)

// A fake is a PubSub service of one account with the faults of real ones.
type fake struct {
	maxItems  int      // refuses more; 0: no bound
	noMax     bool     // does not know the value max
	access    []string // models it knows; none: all
	lacks     []string // options it does not know
	silent    bool     // its errors name no field
	noOptions bool     // refuses publish-options, as old ejabberd does with options it does not know
	deaf      bool     // takes another access model than asked for, without an error
	foreign   bool     // nodes belong to somebody else
	createErr error
	publish   func(n int) error // of the nth publish, counted from 1

	mu        sync.Mutex
	nodes     map[string]map[string]string
	items     map[string][]string // ids
	log       []string            // what was asked, one word each
	published int
	to        string
}

type fakeRequest struct {
	Create *struct {
		Node string `xml:"node,attr"`
	} `xml:"create"`
	Configure *struct {
		Node string               `xml:"node,attr"`
		Form *dataform.Submission `xml:"x"`
	} `xml:"configure"`
	Publish *struct {
		Node string `xml:"node,attr"`
		Item struct {
			ID    string `xml:"id,attr"`
			Inner string `xml:",innerxml"`
		} `xml:"item"`
	} `xml:"publish"`
	Options *struct {
		Form dataform.Submission `xml:"x"`
	} `xml:"publish-options"`
}

func (f *fake) Request(_ context.Context, to, typ string, payload []byte) (*stanza.Stanza, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = to
	if f.nodes == nil {
		f.nodes, f.items = map[string]map[string]string{}, map[string][]string{}
	}
	var r fakeRequest
	if err := xml.Unmarshal(payload, &r); err != nil {
		return nil, err
	}
	body, err := f.serve(typ, r)
	if err != nil {
		return nil, err
	}
	return stanza.Parse([]byte("<iq type='result' id='1'>" + body + "</iq>"))
}

func (f *fake) serve(typ string, r fakeRequest) (string, error) {
	switch {
	case r.Create != nil:
		f.log = append(f.log, "create")
		if f.createErr != nil {
			return "", f.createErr
		}
		if f.nodes[r.Create.Node] != nil {
			return "", &stanza.Error{Type: "cancel", Condition: "conflict"}
		}
		return "", f.configure(r.Create.Node, r.Configure.Form)
	case r.Configure != nil && f.foreign:
		f.log = append(f.log, "foreign")
		return "", stanza.Forbidden
	case r.Configure != nil && typ == "get":
		f.log = append(f.log, "get")
		if f.nodes[r.Configure.Node] == nil {
			return "", stanza.ItemNotFound
		}
		return f.config(r.Configure.Node), nil
	case r.Configure != nil:
		f.log = append(f.log, "set"+changed(r.Configure.Form))
		return "", f.configure(r.Configure.Node, r.Configure.Form)
	}
	return "", f.take(r)
}

// changed lists the options in a form.
func changed(form *dataform.Submission) string {
	var names []string
	for _, k := range slices.Sorted(maps.Keys(form.Values)) {
		if k != "FORM_TYPE" {
			names = append(names, strings.TrimPrefix(k, "pubsub#"))
		}
	}
	return ":" + strings.Join(names, ",")
}

func (f *fake) configure(node string, form *dataform.Submission) error {
	config := maps.Clone(f.nodes[node])
	if config == nil {
		config = map[string]string{"access_model": "open", "max_items": "1", "persist_items": "0", "send_last_published_item": "never", "title": ""}
		for _, l := range f.lacks {
			delete(config, l)
		}
	}
	for name, values := range form.Values {
		name = strings.TrimPrefix(name, "pubsub#")
		if name == "FORM_TYPE" {
			continue
		}
		if !f.takes(name, values[0]) {
			e := &stanza.Error{Type: "modify", Condition: "bad-request"}
			if !f.silent {
				e.Text = fmt.Sprintf("Bad value of field 'pubsub#%s'", name)
			}
			return e
		}
		if config[name] = values[0]; values[0] == "true" {
			config[name] = "1"
		}
	}
	if f.deaf {
		config["access_model"] = "open"
	}
	f.nodes[node] = config
	return nil
}

func (f *fake) takes(name, value string) bool {
	switch {
	case slices.Contains(f.lacks, name):
		return false
	case name == "access_model":
		return f.access == nil || slices.Contains(f.access, value)
	case name == "max_items" && value == "max":
		return !f.noMax
	case name == "max_items":
		n, _ := strconv.Atoi(value)
		return f.maxItems == 0 || n <= f.maxItems
	}
	return true
}

func (f *fake) config(node string) string {
	form := dataform.Form{Type: "form", Fields: []dataform.Field{dataform.FormType(NS + "#node_config")}}
	for _, k := range slices.Sorted(maps.Keys(f.nodes[node])) {
		form.Fields = append(form.Fields, dataform.Field{Var: "pubsub#" + k, Values: []string{f.nodes[node][k]}})
	}
	return "<pubsub xmlns='" + NSOwner + "'><configure node='" + node + "'>" + string(form.Append(nil)) + "</configure></pubsub>"
}

func (f *fake) take(r fakeRequest) error {
	p := r.Publish
	f.published++
	word := "publish"
	if r.Options == nil {
		word = "plain"
	}
	f.log = append(f.log, word)
	if f.publish != nil {
		if err := f.publish(f.published); err != nil {
			return err
		}
	}
	config := f.nodes[p.Node]
	switch {
	case config == nil:
		return stanza.ItemNotFound
	case r.Options != nil && f.noOptions:
		return &stanza.Error{Type: "wait", Condition: "resource-constraint", Text: "Unknown field 'pubsub#access_model' of type 'publish-options'"}
	case r.Options != nil && len(r.Options.Form.Values) != 2:
		return &stanza.Error{Type: "wait", Condition: "resource-constraint", Text: "Unknown field"}
	case r.Options != nil && r.Options.Form.Values["pubsub#access_model"][0] != config["access_model"]:
		return &stanza.Error{Type: "cancel", Condition: "conflict", App: xml.Name{Space: NS + "#errors", Local: "precondition-not-met"}}
	}
	f.items[p.Node] = append(f.items[p.Node], p.Item.ID)
	return nil
}
