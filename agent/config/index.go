package config

import (
	"errors"
	"strings"
)

// Bounds of the index. They also keep the toml parser's time and memory in
// proportion to the file: it copies the whole path of every key.
const (
	maxKeys    = 8192
	maxKeyText = 1024 // bytes of one key or header
	maxParts   = 16   // of one key or header
	maxNesting = 16   // of lists and inline tables
)

// A node is a key of the file with its place: the toml module tells no line
// for what it has decoded. The keys of an array of tables share one node.
type node struct {
	at   int // line of the first mention, from 1
	seq  int // order of the first mention
	kids map[string]*node
}

// line returns the line of a key, or of the nearest table above it.
func (n *node) line(path []string) int {
	for _, part := range path {
		kid := n.kids[part]
		if kid == nil {
			break
		}
		n = kid
	}
	return n.at
}

// find returns the node at a path, nil if there is none.
func (n *node) find(path []string) *node {
	for _, part := range path {
		if n == nil {
			return nil
		}
		n = n.kids[part]
	}
	return n
}

var (
	errMalformed = errors.New("malformed") // the toml parser says it better
	errManyKeys  = errors.New("more than 8192 keys")
	errLongKey   = errors.New("a key of more than 1024 bytes")
	errDeep      = errors.New("nested more than 16 deep")
)

// newIndex finds the line of every key. The error is errMalformed where the
// text is not TOML; any other is a bound that was passed in the returned line.
func newIndex(text string) (root *node, line int, err error) {
	s := &scanner{text: strings.TrimPrefix(text, "\ufeff"), line: 1}
	root = &node{at: 1}
	table := root
	for err == nil {
		s.skip(" \t\r\n#")
		switch s.peek() {
		case 0:
			return root, s.line, nil
		case '[':
			table, err = s.header(root)
		default:
			err = s.pair(table, 0)
		}
	}
	return root, s.line, err
}
