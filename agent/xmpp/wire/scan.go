package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A Head is what the start tag of a stanza says, and the name of its first child.
type Head struct {
	Name, Type, ID, From, To, Lang string

	// Child is the first child element, empty when there is none. Its Space is
	// "" when neither the child nor the stanza declares it: then it is the
	// namespace of the stream, jabber:client.
	Child xml.Name
}

var errHead = errors.New("malformed start tag")

// Scan reads the start tags of a stanza and of its first child; what follows
// is not looked at. Attribute values are decoded as encoding/xml does it. An
// attribute that Head names must not stand there twice.
func Scan(raw []byte) (Head, error) {
	var h Head
	s := scanner{raw}
	root, err := s.startTag(&h)
	if err != nil {
		return Head{}, err
	}
	h.Name = intern(root.local)
	if root.empty || !s.skipText() {
		return h, nil
	}
	child, err := s.startTag(nil)
	if err != nil {
		return Head{}, err
	}
	h.Child.Local = string(child.local)
	if ns, ok := child.lookup(child.prefix); ok {
		h.Child.Space = ns
	} else if ns, ok := root.lookup(child.prefix); ok {
		h.Child.Space = ns
	} else {
		h.Child.Space = string(child.prefix) // as encoding/xml does with an unknown prefix
	}
	return h, nil
}

// A startTag is a tag that was read: its name and the namespaces it declares.
type startTag struct {
	prefix, local []byte
	empty         bool // ends with "/>"
	spaces        []namespace
}

type namespace struct {
	prefix []byte
	uri    string
}

func (t *startTag) lookup(prefix []byte) (uri string, ok bool) {
	for _, n := range t.spaces {
		if bytes.Equal(n.prefix, prefix) {
			return n.uri, true
		}
	}
	return "", false
}

// A scanner holds the bytes that are not read yet.
type scanner struct{ rest []byte }

// skipText moves to the start tag of the first child; ok is false when there is none.
func (s *scanner) skipText() (ok bool) {
	for {
		i := bytes.IndexByte(s.rest, '<')
		if i < 0 || i+1 == len(s.rest) || s.rest[i+1] == '/' {
			return false
		}
		s.rest = s.rest[i:]
		if !bytes.HasPrefix(s.rest, []byte("<!"+cdataStart)) {
			return true
		}
		if i = bytes.Index(s.rest, []byte("]]>")); i < 0 {
			return false
		}
		s.rest = s.rest[i+3:]
	}
}

// startTag reads a start tag; the attributes of a stanza go to h when it is not nil.
func (s *scanner) startTag(h *Head) (t startTag, err error) {
	if len(s.rest) == 0 || s.rest[0] != '<' {
		return t, errHead
	}
	s.rest = s.rest[1:]
	if t.prefix, t.local, err = s.name(); err != nil {
		return t, err
	}
	var seen [len(headAttrs)]bool
	for {
		s.space()
		if bytes.HasPrefix(s.rest, []byte("/>")) {
			t.empty, s.rest = true, s.rest[2:]
			return t, nil
		}
		if bytes.HasPrefix(s.rest, []byte(">")) {
			s.rest = s.rest[1:]
			return t, nil
		}
		prefix, local, value, err := s.attr()
		switch {
		case err != nil:
			return t, err
		case string(prefix) == "xmlns":
			t.spaces = append(t.spaces, namespace{local, value})
		case len(prefix) == 0 && string(local) == "xmlns":
			t.spaces = append(t.spaces, namespace{nil, value})
		case h != nil:
			if err := h.set(prefix, local, value, &seen); err != nil {
				return t, err
			}
		}
	}
}

// headAttrs are the attributes that a Head keeps.
var headAttrs = [...]struct {
	prefix, local string
	field         func(*Head) *string
}{
	{"", "type", func(h *Head) *string { return &h.Type }},
	{"", "id", func(h *Head) *string { return &h.ID }},
	{"", "from", func(h *Head) *string { return &h.From }},
	{"", "to", func(h *Head) *string { return &h.To }},
	{"xml", "lang", func(h *Head) *string { return &h.Lang }},
}

func (h *Head) set(prefix, local []byte, value string, seen *[len(headAttrs)]bool) error {
	for i := range headAttrs {
		if a := &headAttrs[i]; a.local == string(local) && a.prefix == string(prefix) {
			if seen[i] {
				return errors.New("attribute " + a.local + " stands there twice")
			}
			seen[i] = true
			*a.field(h) = value
		}
	}
	return nil
}

func (s *scanner) space() {
	i := 0
	for i < len(s.rest) && isSpace(s.rest[i]) {
		i++
	}
	s.rest = s.rest[i:]
}

// name reads a name, perhaps with a prefix.
func (s *scanner) name() (prefix, local []byte, err error) {
	n, colon := 0, -1
	for ; n < len(s.rest) && !endsName(s.rest[n]); n++ {
		switch {
		case s.rest[n] == ':' && colon >= 0:
			return nil, nil, errHead
		case s.rest[n] == ':':
			colon = n
		}
	}
	name := s.rest[:n]
	s.rest = s.rest[n:]
	if n == 0 || colon == 0 || colon == n-1 || !utf8.Valid(name) {
		return nil, nil, errHead
	}
	if colon > 0 {
		return name[:colon], name[colon+1:], nil
	}
	return nil, name, nil
}

// endsName tells whether c cannot be in a name. It is not the whole rule: what
// XML does not allow is found when the stanza is decoded.
func endsName(c byte) bool {
	return c <= ' ' || c == '/' || c == '>' || c == '=' || c == '\'' || c == '"' || c == '<' || c == '&'
}

// attr reads an attribute with its value.
func (s *scanner) attr() (prefix, local []byte, value string, err error) {
	if prefix, local, err = s.name(); err != nil {
		return
	}
	s.space()
	if !bytes.HasPrefix(s.rest, []byte("=")) {
		return nil, nil, "", errHead
	}
	s.rest = s.rest[1:]
	s.space()
	if len(s.rest) == 0 || s.rest[0] != '\'' && s.rest[0] != '"' {
		return nil, nil, "", errHead
	}
	end := bytes.IndexByte(s.rest[1:], s.rest[0])
	if end < 0 {
		return nil, nil, "", errHead
	}
	value, err = unescape(s.rest[1 : end+1])
	s.rest = s.rest[end+2:]
	return
}

// unescape decodes an attribute value.
func unescape(v []byte) (string, error) {
	plain := true
	for _, c := range v {
		if c < 0x20 || c >= 0x80 || c == '&' || c == '<' {
			plain = false
			break
		}
	}
	if plain {
		return intern(v), nil
	}
	b := make([]byte, 0, len(v))
	for len(v) > 0 {
		r, n := utf8.DecodeRune(v)
		switch {
		case r == utf8.RuneError && n == 1, r == '<', !isChar(r):
			return "", errHead
		case r == '\r':
			if r = '\n'; bytes.HasPrefix(v, []byte("\r\n")) {
				n = 2
			}
		case r == '&':
			var ok bool
			if r, n, ok = reference(v); !ok {
				return "", errHead
			}
		}
		b = utf8.AppendRune(b, r)
		v = v[n:]
	}
	return string(b), nil
}

// reference decodes the entity or character reference that v starts with.
func reference(v []byte) (r rune, n int, ok bool) {
	end := bytes.IndexByte(v, ';')
	if end < 0 {
		return 0, 0, false
	}
	switch name := string(v[1:end]); name {
	case "amp":
		r = '&'
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "apos":
		r = '\''
	case "quot":
		r = '"'
	default:
		digits, found := strings.CutPrefix(name, "#")
		base := 10
		if hex, ok := strings.CutPrefix(digits, "x"); ok {
			digits, base = hex, 16
		}
		code, err := strconv.ParseUint(digits, base, 31)
		if !found || err != nil || code > utf8.MaxRune {
			return 0, 0, false
		}
		if r = rune(code); utf16.IsSurrogate(r) {
			r = utf8.RuneError
		}
		if !isChar(r) {
			return 0, 0, false
		}
	}
	return r, end + 1, true
}
