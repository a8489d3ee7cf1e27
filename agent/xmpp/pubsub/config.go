package pubsub

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// maxTries bounds how often a configuration is offered in different forms.
const maxTries = 16

// An option is a field of the node configuration with the values to try, best first.
type option struct {
	name   string // behind "pubsub#"
	values []string
}

const accessModel = "access_model" // stands first in wanted and is never dropped

func (n *Node) wanted() []option {
	opts := []option{{accessModel, []string{n.Access}}}
	if n.MaxItems > 0 {
		opts = append(opts, option{"max_items", itemCounts(n.MaxItems)})
	}
	opts = append(opts,
		option{"persist_items", []string{"true"}},
		option{"send_last_published_item", []string{"on_sub_and_presence"}})
	if n.Title != "" {
		opts = append(opts, option{"title", []string{n.Title}})
	}
	return opts
}

// itemCounts lists what to offer for max_items: servers have a bound of their
// own and tell it only by refusing.
func itemCounts(want int) []string {
	counts := []string{strconv.Itoa(want)}
	if want > 1 {
		counts = append(counts, "max")
	}
	for _, c := range []int{256, 64, 10, 1} {
		if c < want {
			counts = append(counts, strconv.Itoa(c))
		}
	}
	return counts
}

func (n *Node) ensure(ctx context.Context) error {
	err := n.negotiate(ctx, n.create)
	switch e := answer(err); {
	case e == nil:
	case e.Condition == "conflict":
		err = n.reconfigure(ctx)
	case e.Condition == "forbidden" && n.Service != "": // so says Prosody also of a node that exists
		again := n.reconfigure(ctx)
		if e := answer(again); e == nil || e.Condition != "item-not-found" {
			err = again
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w%s", n.place(), err, n.advice(err))
	}
	return nil
}

// advice says what to do about a refusal, "" when there is nothing to say.
func (n *Node) advice(err error) string {
	e := answer(err)
	switch {
	case e == nil:
	case e.Condition == "forbidden" && n.Service != "":
		return "; let the device's account create nodes on the service, or make it a publisher of this node"
	case n.Service == "" && slices.Contains([]string{"service-unavailable", "feature-not-implemented"}, e.Condition):
		return "; the server has no PEP for this account: switch it on there, or name a PubSub service in the config"
	}
	return ""
}

// negotiate offers the wanted configuration and gives way where the server
// refuses a field: to the field's next value, then to leaving it out.
func (n *Node) negotiate(ctx context.Context, offer func(context.Context, []option) error) error {
	opts := n.wanted()
	var err error
	for range maxTries {
		err = offer(ctx, opts)
		e := answer(err)
		if e == nil || !refusesForm(e) {
			return err
		}
		i := culprit(opts, e.Text)
		if i <= 0 {
			return permanent(e, fmt.Sprintf("the server does not take access model %q", n.Access))
		}
		if len(opts[i].values) > 1 {
			opts[i].values = opts[i].values[1:]
			continue
		}
		n.log().Info("node option not taken by the server", "node", n.Name, "option", opts[i].name, "error", e)
		opts = slices.Delete(opts, i, i+1)
	}
	return err
}

func refusesForm(e *stanza.Error) bool {
	switch e.Condition {
	case "bad-request", "not-acceptable", "resource-constraint":
		return true
	}
	return false
}

// culprit returns the index of the option that an error text names. When it
// names none: one that has other values to offer, or else the last.
func culprit(opts []option, text string) int {
	last := len(opts) - 1
	for i, o := range opts {
		if strings.Contains(text, o.name) {
			return i
		}
		if len(o.values) > 1 {
			last = i
		}
	}
	return last
}

func (n *Node) create(ctx context.Context, opts []option) error {
	b := []byte("<pubsub xmlns='" + NS + "'><create")
	b = wire.Attr(b, "node", n.Name)
	b = append(b, "/><configure>"...)
	b = configForm(opts).Append(b)
	b = append(b, "</configure></pubsub>"...)
	_, err := n.Conn.Request(ctx, n.Service, "set", b)
	return err
}

// reconfigure changes what differs on a node that exists. The node of another
// owner stays as it is: publish-options guard the access model there.
func (n *Node) reconfigure(ctx context.Context) error {
	current, err := n.config(ctx)
	if e := answer(err); e != nil && e.Condition == "forbidden" && n.Service != "" {
		n.log().Info("node belongs to somebody else; its configuration stays as it is", "node", n.Name)
		return nil
	}
	if err != nil {
		return err
	}
	return n.negotiate(ctx, func(ctx context.Context, opts []option) error {
		changes := differing(opts, current)
		if len(changes) == 0 {
			return nil
		}
		return n.configure(ctx, changes)
	})
}

// differing returns the options that the node does not have yet. Options that
// the server does not know are left out, except for the access model.
func differing(opts []option, current map[string][]string) []option {
	var changes []option
	for _, o := range opts {
		now, known := current["pubsub#"+o.name]
		if !known && o.name != accessModel {
			continue
		}
		if len(now) != 1 || !same(now[0], o.values[0]) {
			changes = append(changes, o)
		}
	}
	return changes
}

// same compares values of a field; true has two spellings.
func same(a, b string) bool {
	x, isBool := dataform.ParseBool(a)
	y, too := dataform.ParseBool(b)
	return a == b || isBool && too && x == y
}

// config reads the node's configuration, which only its owner may.
func (n *Node) config(ctx context.Context) (map[string][]string, error) {
	b := []byte("<pubsub xmlns='" + NSOwner + "'><configure")
	b = wire.Attr(b, "node", n.Name)
	b = append(b, "/></pubsub>"...)
	reply, err := n.Conn.Request(ctx, n.Service, "get", b)
	if err != nil {
		return nil, fmt.Errorf("read its configuration: %w", err)
	}
	var v struct {
		Form dataform.Submission `xml:"pubsub>configure>x"`
	}
	if err := reply.Decode(&v); err != nil {
		return nil, fmt.Errorf("read its configuration: %w", err)
	}
	return v.Form.Values, nil
}

func (n *Node) configure(ctx context.Context, opts []option) error {
	b := []byte("<pubsub xmlns='" + NSOwner + "'><configure")
	b = wire.Attr(b, "node", n.Name)
	b = append(b, '>')
	b = configForm(opts).Append(b)
	b = append(b, "</configure></pubsub>"...)
	_, err := n.Conn.Request(ctx, n.Service, "set", b)
	return err
}

func configForm(opts []option) dataform.Form {
	f := dataform.Form{Type: "submit", Fields: []dataform.Field{dataform.FormType(NS + "#node_config")}}
	for _, o := range opts {
		f.Fields = append(f.Fields, dataform.Field{Var: "pubsub#" + o.name, Values: o.values[:1]})
	}
	return f
}
