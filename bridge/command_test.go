package bridge

import (
	"strings"
	"testing"
)

// FuzzCommand: whatever comes, an id can stand in a topic.
func FuzzCommand(f *testing.F) {
	f.Add([]byte(`{"name":"say","args":{"what":[1,true,null,{"a":2}]},"id":"1"}`))
	f.Add([]byte(`{"name":1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseCommand(payload)
		if err == nil && (c.Name == "" || len(c.ID) > 64 || strings.ContainsAny(c.ID, "/+#")) {
			t.Errorf("%+v", c)
		}
		argWords(c.Args)
	})
}
