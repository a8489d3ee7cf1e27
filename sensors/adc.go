package sensors

import (
	"maps"
	"slices"

	"pipit/agent"
)

// An adcInput is one field of an analogue-digital converter.
type adcInput struct {
	name string // of the field
	code byte   // of the input, as the chip's command wants it
}

// inputs checks a table of the names of fields and their inputs. The place of
// an input in codes is its code. The result is in the order of the names.
func (c *checker) inputs(key string, table map[string]string, codes []string) []adcInput {
	var list []adcInput
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if agent.CheckName("s."+name) != nil {
			c.fail(key, "%q is not a name: only a-z, 0-9, _ and - are allowed", name)
		}
		c.oneOf(key, table[name], codes...)
		list = append(list, adcInput{name, byte(slices.Index(codes, table[name]))})
	}
	if len(list) == 0 {
		c.fail(key, "no input: write the name of a field and its input, such as { battery = \"0\" }")
	}
	return list
}

func inputNames(inputs []adcInput) []string {
	var names []string
	for _, in := range inputs {
		names = append(names, in.name)
	}
	return names
}
