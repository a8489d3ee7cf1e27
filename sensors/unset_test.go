package sensors

import (
	"errors"
	"testing"

	"pipit/agent"
)

func TestUnsetIsMissingToo(t *testing.T) {
	err := unset("%s was not set yet", "x")
	var m *agent.MissingError
	if !IsUnset(err) || !errors.As(err, &m) || err.Error() != "x was not set yet" || IsUnset(missing("gone")) {
		t.Errorf("%#v", err)
	}
}
