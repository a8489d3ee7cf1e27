package wire

import "bytes"

// A Lexer cuts one direction of an XMPP stream into units. The zero Lexer has
// no limits and waits for a stream header. It is used from one goroutine.
type Lexer struct {
	MaxBytes int // longest unit in bytes; 0 means no limit
	MaxDepth int // deepest nesting in a unit, a stanza alone has depth 1; 0 means no limit

	// MaxSkip is how many bytes of an element over a limit are passed over. It
	// is then emitted with its start tag alone. 0 makes every limit an error.
	MaxSkip int

	state   state
	quote   byte   // the mark that ends the attribute value being read
	last    byte   // last byte of the Feed before
	closing bool   // the tag being read is an end tag
	decl    bool   // the XML declaration was there
	over    bool   // the stream has ended
	depth   int    // open elements, the stream counted
	matched int    // bytes of a keyword or terminator that have matched
	buf     []byte // the part of a unit that came in earlier Feeds
	cut     bool   // the unit being read is over a limit: buf holds its beginning only
	skipped int    // bytes of it that were passed over
}

type state byte

const (
	inText  state = iota
	inOpen        // behind '<'
	inTag         // in a start or end tag
	inValue       // in a quoted attribute value
	inBang        // behind "<!": only CDATA is allowed
	inCDATA
	inDecl // behind "<?": only the XML declaration is allowed
)

const (
	maxHead = 4 << 10 // bytes kept of an element that is cut: enough for a start tag

	headerStart = "<stream:stream" // as every server writes it

	cdataStart = "[CDATA["
	declStart  = "xml"
)

// Reset makes the Lexer wait for a new stream header, as after STARTTLS and
// SASL (RFC 6120 section 4.3.3). The limits stay.
func (l *Lexer) Reset() {
	*l = Lexer{MaxBytes: l.MaxBytes, MaxDepth: l.MaxDepth, MaxSkip: l.MaxSkip, buf: l.buf[:0]}
}

// Buffered returns how many bytes of an unfinished unit are held.
func (l *Lexer) Buffered() int { return len(l.buf) }

// Feed reads the next bytes and calls emit for each unit that they complete.
// It takes time proportional to len(p), however the input is split. An error
// of emit is returned as it is; after any error only Reset may follow.
func (l *Lexer) Feed(p []byte, emit func(Unit) error) error {
	start := 0 // of the unit being read, in p
	for i := 0; i < len(p); {
		outside := l.depth == 1
		n, done, err := l.step(p, i)
		if err != nil {
			return err
		}
		i += n
		if outside && l.depth == 2 && l.isHeader(p[start:i]) {
			return ErrMalformed // all that follows would be inside of it, for ever
		}
		if done == 0 {
			continue
		}
		if err := l.emit(p[start:i], done, emit); err != nil {
			return err
		}
		start = i
	}
	if err := l.hold(p[start:]); err != nil {
		return err
	}
	if len(p) > 0 {
		l.last = p[len(p)-1]
	}
	return nil
}

// hold keeps a part of a unit, or its beginning when that is over a limit.
func (l *Lexer) hold(part []byte) error {
	if l.MaxBytes > 0 && len(l.buf)+len(part) > l.MaxBytes && !l.cut {
		if !l.mayCut() {
			return ErrTooLong
		}
		l.cut = true
	}
	if !l.cut {
		l.buf = append(l.buf, part...)
		return nil
	}
	if l.skipped += len(part); l.skipped > l.MaxSkip {
		return ErrTooLong
	}
	if len(l.buf) > maxHead {
		l.buf = bytes.Clone(l.buf[:maxHead]) // and let go of the rest
	}
	l.buf = append(l.buf, part[:min(len(part), maxHead-len(l.buf))]...)
	return nil
}

// isHeader tells whether the unit that part goes on is the start tag of a stream.
func (l *Lexer) isHeader(part []byte) bool {
	const most = len(headerStart) + 1
	if len(l.buf) > 0 {
		part = append(bytes.Clone(l.buf[:min(len(l.buf), most)]), part[:min(len(part), most)]...)
	}
	rest, ok := bytes.CutPrefix(part, []byte(headerStart))
	return ok && (isSpace(rest[0]) || rest[0] == '>')
}

// mayCut tells whether a limit costs no more than the element being read.
func (l *Lexer) mayCut() bool { return l.MaxSkip > 0 && l.depth > 0 }

// emit hands out the unit whose last bytes are part.
func (l *Lexer) emit(part []byte, kind Kind, emit func(Unit) error) error {
	if kind == Space {
		return emit(Unit{Kind: Space, Raw: part})
	}
	if kind != Element && !l.cut && l.MaxBytes > 0 && len(l.buf)+len(part) > l.MaxBytes {
		return ErrTooLong
	}
	raw := part
	if len(l.buf) > 0 || l.cut || l.MaxBytes > 0 && len(part) > l.MaxBytes {
		if err := l.hold(part); err != nil {
			return err
		}
		raw = l.buf
	}
	u := Unit{Kind: kind, Raw: raw, Cut: l.cut}
	if l.cut {
		u.Raw = startTagOnly(raw)
	}
	u.Name = rootName(u.Raw)
	err := emit(u)
	if cap(l.buf) > 64<<10 {
		l.buf = nil // one big stanza must not hold its memory for ever
	}
	l.buf, l.cut, l.skipped = l.buf[:0], false, 0
	return err
}

// startTagOnly makes an empty element of the beginning of one. Where the start
// tag does not end in it, only the name is left.
func startTagOnly(b []byte) []byte {
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '>' && b[i-1] == '/':
			return b[:i+1]
		case c == '>':
			return append(b[:i:i], "/>"...)
		}
	}
	if i := bytes.IndexAny(b, " \t\r\n/"); i > 1 {
		return append(b[:i:i], "/>"...)
	}
	return []byte("<x/>")
}

// step reads some bytes from p[i:], at least one. done is not 0 when they end
// a unit.
func (l *Lexer) step(p []byte, i int) (n int, done Kind, err error) {
	switch l.state {
	case inText:
		return l.text(p[i:])
	case inOpen:
		return 1, 0, l.open(p[i])
	case inTag:
		return l.tag(p, i)
	case inValue:
		return l.value(p[i:])
	case inBang:
		return 1, 0, l.bang(p[i])
	case inCDATA:
		return l.cdata(p[i:]), 0, nil
	default:
		return 1, 0, l.declaration(p[i])
	}
}

// text reads up to the next tag. Outside of stanzas only white space is text.
func (l *Lexer) text(p []byte) (n int, done Kind, err error) {
	n = bytes.IndexByte(p, '<')
	switch {
	case n == 0 && l.over:
		return 0, 0, ErrMalformed
	case n == 0:
		l.state = inOpen
		return 1, 0, nil
	case n < 0:
		n = len(p)
	}
	if l.depth > 1 {
		return n, 0, nil
	}
	if len(bytes.TrimLeft(p[:n], " \t\r\n")) > 0 {
		return 0, 0, ErrMalformed
	}
	if l.depth == 0 && l.decl {
		return n, 0, nil // between declaration and header: part of the header
	}
	return n, Space, nil
}

// open reads the byte behind '<'.
func (l *Lexer) open(c byte) error {
	l.closing, l.matched = c == '/', 0
	switch {
	case c == '/', c == '_', c == ':', c >= 0x80, 'a' <= c|0x20 && c|0x20 <= 'z':
		l.state = inTag
	case c == '!' && l.depth > 1:
		l.state = inBang
	case c == '?' && l.depth == 0 && !l.decl:
		l.state = inDecl
	case c == '!', c == '?':
		return ErrForbidden
	default:
		return ErrMalformed
	}
	return nil
}

// tag reads on in a tag, up to its end or to an attribute value.
func (l *Lexer) tag(p []byte, i int) (n int, done Kind, err error) {
	for j := i; j < len(p); j++ {
		switch c := p[j]; c {
		case '\'', '"':
			if l.closing {
				return 0, 0, ErrMalformed
			}
			l.quote, l.state = c, inValue
			return j + 1 - i, 0, nil
		case '<':
			return 0, 0, ErrMalformed
		case '>':
			before := l.last
			if j > 0 {
				before = p[j-1]
			}
			done, err = l.endTag(before == '/')
			return j + 1 - i, done, err
		}
	}
	return len(p) - i, 0, nil
}

// endTag counts a tag that is complete; slash tells whether its last byte is one.
func (l *Lexer) endTag(slash bool) (Kind, error) {
	l.state = inText
	switch {
	case l.closing && (slash || l.depth == 0), slash && l.depth == 0:
		return 0, ErrMalformed
	case l.closing:
		l.depth--
	default:
		if l.MaxDepth > 0 && l.depth > l.MaxDepth {
			if !l.mayCut() {
				return 0, ErrTooDeep
			}
			l.cut = true
		}
		if !slash {
			l.depth++
		}
	}
	switch {
	case l.depth == 0:
		l.over = true
		return End, nil
	case l.depth > 1:
		return 0, nil
	case l.closing || slash:
		return Element, nil
	default:
		return Header, nil
	}
}

// value reads on in an attribute value.
func (l *Lexer) value(p []byte) (n int, done Kind, err error) {
	n = bytes.IndexByte(p, l.quote)
	if n < 0 {
		n = len(p)
	} else {
		l.state = inTag
	}
	if bytes.IndexByte(p[:n], '<') >= 0 {
		return 0, 0, ErrMalformed
	}
	return min(n+1, len(p)), 0, nil
}

// bang reads on in "<![CDATA[".
func (l *Lexer) bang(c byte) error {
	if c != cdataStart[l.matched] {
		return ErrForbidden
	}
	if l.matched++; l.matched == len(cdataStart) {
		l.state, l.matched = inCDATA, 0
	}
	return nil
}

// cdata reads on in a CDATA section; matched counts the ']' just read.
func (l *Lexer) cdata(p []byte) (n int) {
	if l.matched == 0 {
		if n = bytes.IndexByte(p, ']'); n < 0 {
			return len(p)
		}
		l.matched = 1
		return n + 1
	}
	switch {
	case p[0] == ']':
		l.matched = 2
	case p[0] == '>' && l.matched == 2:
		l.state = inText
	default:
		l.matched = 0
	}
	return 1
}

// declaration reads on in "<?xml ...?>"; matched counts first the bytes of its
// name, then whether the last byte was a question mark.
func (l *Lexer) declaration(c byte) error {
	const named = len(declStart) + 1
	switch {
	case l.matched < len(declStart):
		if c != declStart[l.matched] {
			return ErrForbidden
		}
		l.matched++
	case l.matched == len(declStart):
		if !isSpace(c) {
			return ErrForbidden
		}
		l.matched = named
	case c == '>' && l.matched > named:
		l.state, l.decl = inText, true
	case c == '?':
		l.matched = named + 1
	default:
		l.matched = named
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// rootName returns the local name in the first tag of raw, which an XML
// declaration may precede.
func rootName(raw []byte) string {
	if bytes.HasPrefix(raw, []byte("<?")) {
		raw = raw[bytes.Index(raw, []byte("?>"))+2:]
		raw = bytes.TrimLeft(raw, " \t\r\n")
	}
	name := bytes.TrimPrefix(raw[1:], []byte("/"))
	if i := bytes.IndexAny(name, " \t\r\n/>"); i >= 0 {
		name = name[:i]
	}
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return intern(name)
}

// intern returns what comes most often, names and types of stanzas, as a string
// without allocation, and anything else with.
func intern(b []byte) string {
	switch string(b) {
	case "message":
		return "message"
	case "presence":
		return "presence"
	case "iq":
		return "iq"
	case "result":
		return "result"
	case "get":
		return "get"
	case "set":
		return "set"
	case "http://jabber.org/protocol/pubsub":
		return "http://jabber.org/protocol/pubsub"
	}
	return string(b)
}
