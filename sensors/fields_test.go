package sensors

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFieldsAreBoundedAndUnique(t *testing.T) {
	l := new(fieldList)
	for i := range maxFields + 10 {
		l.number("f"+strconv.Itoa(i), 1, "")
	}
	if len(l.readings) != maxFields {
		t.Errorf("%d fields, want %d", len(l.readings), maxFields)
	}
	l = new(fieldList)
	for range 3 {
		l.number(l.unique("x"), 1, "")
	}
	l.number("x", 2, "") // a field that is there already
	if diff := cmp.Diff([]string{"x: 1", "x_2: 1", "x_3: 1"}, lines(l.readings, nil)); diff != "" {
		t.Error(diff)
	}
}
