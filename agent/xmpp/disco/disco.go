// Package disco holds what entities say of themselves and of their parts
// (XEP-0030, XEP-0128), and the hash of it that rides in presence (XEP-0115).
package disco

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"pipit/agent/xmpp/dataform"
	"pipit/agent/xmpp/wire"
)

// Namespaces of service discovery and of entity capabilities.
const (
	NSInfo  = "http://jabber.org/protocol/disco#info"
	NSItems = "http://jabber.org/protocol/disco#items"
	NSCaps  = "http://jabber.org/protocol/caps"
)

// An Identity says what kind of thing an entity is (XEP-0030 section 3.1).
type Identity struct{ Category, Type, Lang, Name string }

// Info is what an entity or one of its nodes is and can do.
type Info struct {
	Identities []Identity
	Features   []string
	Forms      []dataform.Form // of type result, with a FORM_TYPE (XEP-0128)
}

// An Item is a part of an entity. Strict clients want all three (XEP-0050
// section 2.2).
type Item struct{ JID, Node, Name string }

// Append writes the <query/> element; node is the one that was asked for, "" for none.
func (i Info) Append(b []byte, node string) []byte {
	b = append(b, "<query xmlns='"+NSInfo+"'"...)
	b = wire.Attr(b, "node", node)
	b = append(b, '>')
	for _, id := range i.identities() {
		b = append(b, "<identity"...)
		b = wire.Attr(b, "category", id.Category)
		b = wire.Attr(b, "type", id.Type)
		b = wire.Attr(b, "xml:lang", id.Lang)
		b = wire.Attr(b, "name", id.Name)
		b = append(b, "/>"...)
	}
	for _, f := range i.features() {
		b = append(b, "<feature"...)
		b = wire.Attr(b, "var", f)
		b = append(b, "/>"...)
	}
	for _, f := range i.Forms {
		b = f.Append(b)
	}
	return append(b, "</query>"...)
}

// Ver returns the verification string of XEP-0115 section 5.1 with SHA-1, the
// only hash that servers filter events by.
func (i Info) Ver() string {
	var b strings.Builder
	for _, id := range i.identities() {
		fmt.Fprintf(&b, "%s/%s/%s/%s<", id.Category, id.Type, id.Lang, id.Name)
	}
	for _, f := range i.features() {
		b.WriteString(f + "<")
	}
	for _, f := range i.forms() {
		appendForm(&b, f)
	}
	sum := sha1.Sum([]byte(b.String()))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// AppendCaps writes the <c/> element of presence; node is the URI of the software.
func (i Info) AppendCaps(b []byte, node string) []byte {
	b = append(b, "<c xmlns='"+NSCaps+"' hash='sha-1'"...)
	b = wire.Attr(b, "node", node)
	b = wire.Attr(b, "ver", i.Ver())
	return append(b, "/>"...)
}

// identities returns them sorted, once each and without the '<' that XEP-0115
// separates them by: a name that holds one makes the hash ill-formed.
func (i Info) identities() []Identity {
	ids := slices.Clone(i.Identities)
	for n := range ids {
		ids[n].Name = strings.ReplaceAll(ids[n].Name, "<", "")
	}
	slices.SortFunc(ids, func(x, y Identity) int {
		return cmp.Or(cmp.Compare(x.Category, y.Category), cmp.Compare(x.Type, y.Type),
			cmp.Compare(x.Lang, y.Lang), cmp.Compare(x.Name, y.Name))
	})
	return slices.Compact(ids)
}

func (i Info) features() []string { return slices.Compact(slices.Sorted(slices.Values(i.Features))) }

// forms returns those that count, the ones with a FORM_TYPE, sorted by it.
func (i Info) forms() []dataform.Form {
	forms := slices.DeleteFunc(slices.Clone(i.Forms), func(f dataform.Form) bool { return formType(f) == "" })
	slices.SortFunc(forms, func(x, y dataform.Form) int { return cmp.Compare(formType(x), formType(y)) })
	return forms
}

func formType(f dataform.Form) string {
	for _, field := range f.Fields {
		if field.Var == "FORM_TYPE" && field.Type == "hidden" && len(field.Values) == 1 {
			return field.Values[0]
		}
	}
	return ""
}

// appendForm writes a form's part of the verification string.
func appendForm(b *strings.Builder, f dataform.Form) {
	b.WriteString(formType(f) + "<")
	fields := slices.SortedFunc(slices.Values(f.Fields), func(x, y dataform.Field) int { return cmp.Compare(x.Var, y.Var) })
	for _, field := range fields {
		if field.Var == "FORM_TYPE" {
			continue
		}
		b.WriteString(field.Var + "<")
		for _, v := range slices.Sorted(slices.Values(field.Values)) {
			b.WriteString(v + "<")
		}
	}
}

// AppendItems writes the <query/> element of disco#items; node is the one that
// was asked for, "" for none. Items have no other attributes than the three:
// one more makes Gajim refuse the list.
func AppendItems(b []byte, node string, items []Item) []byte {
	b = append(b, "<query xmlns='"+NSItems+"'"...)
	b = wire.Attr(b, "node", node)
	b = append(b, '>')
	for _, i := range items {
		b = append(b, "<item"...)
		b = wire.Attr(b, "jid", i.JID)
		b = wire.Attr(b, "node", i.Node)
		b = wire.Attr(b, "name", i.Name)
		b = append(b, "/>"...)
	}
	return append(b, "</query>"...)
}
