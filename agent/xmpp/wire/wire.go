// Package wire finds the boundaries of whole stanzas in a byte stream, reads
// their start tags, and writes escaped XML. It has no dependencies, builds no
// token trees and trusts nothing.
//
// The Lexer refuses what RFC 6120 section 11.1 takes out of XML: comments,
// processing instructions, document types. It does not check what is inside a
// stanza further than it must to find its end: names of tags need not match
// and entities are not read. That is left to encoding/xml, which then fails on
// this one stanza and not on the stream.
package wire

import "errors"

// Errors of Lexer.Feed. After one of them the stream cannot be read further.
var (
	ErrTooLong   = errors.New("longer than the limit on a stanza")
	ErrTooDeep   = errors.New("nested deeper than the limit on a stanza")
	ErrForbidden = errors.New("a comment, processing instruction or document type, which XMPP forbids")
	ErrMalformed = errors.New("not well-formed XML")
)

// Kind tells what a Unit is.
type Kind byte

const (
	Header  Kind = iota + 1 // the start tag of the stream, with the XML declaration if there is one
	Element                 // a whole element directly below the stream
	End                     // the end tag of the stream
	Space                   // white space between elements; a run of it may come in pieces
)

// A Unit is a part of a stream that makes sense alone.
type Unit struct {
	Kind Kind
	Name string // local name of the element, without prefix; "" for Space
	Raw  []byte // its bytes, valid only until emit returns
	Cut  bool   // an element over a limit: Raw is its start tag made an empty element
}
