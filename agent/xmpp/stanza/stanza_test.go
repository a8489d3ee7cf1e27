package stanza

import (
	"errors"
	"strings"
	"testing"
)

func TestDecodeBounds(t *testing.T) {
	for name, c := range map[string]struct {
		in string
		ok bool
	}{
		"most tags":             {"<iq>" + strings.Repeat("<a/>", maxTags-2) + "</iq>", true},
		"a tag too many":        {"<iq>" + strings.Repeat("<a/>", maxTags-1) + "</iq>", false},
		"most attributes":       {"<iq><a" + strings.Repeat(" a=''", maxAttrs) + "/></iq>", true},
		"an attribute too many": {"<iq><a" + strings.Repeat(" a=''", maxAttrs+1) + "/></iq>", false},
		"4096 readings":         {"<iq>" + strings.Repeat("<q n='a1' v='1' u='%' m='true' ar='true' x=''/>", 4096) + "</iq>", true},
	} {
		s, err := Parse([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			Children []struct{} `xml:",any"`
		}
		if err := s.Decode(&v); (err == nil) != c.ok || err != nil && !errors.Is(err, errCrowded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
