package bridge

import (
	"fmt"

	"pipit/agent/jsonpath"
)

// lookup returns the value of a JSON payload at a path: a json.Number, string,
// bool or nil. The errors are for people and bounded. The caller bounds the
// payload's size.
func lookup(payload []byte, path string) (any, error) {
	p, err := jsonpath.Parse(path)
	if err != nil {
		return nil, err
	}
	v, err := jsonpath.Decode(payload)
	if err != nil {
		return nil, fmt.Errorf("the payload: %w", err)
	}
	return p.Leaf(v)
}
