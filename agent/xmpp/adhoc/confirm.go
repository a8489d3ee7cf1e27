package adhoc

import (
	"fmt"

	"pipit/agent"
	"pipit/agent/xmpp/dataform"
)

// The fields of the stage that asks for confirmation. No parameter of a command
// has such a name: they hold no hyphen.
const (
	confirmField = "confirm-run"
	codeField    = "confirm-code"
)

const notRun = "Not run: it was not confirmed."

// confirm makes the question of a command the last stage. The word stays here:
// the session, which is bound to a full JID, stands for it.
func (x *session) confirm(ask *agent.ConfirmError) {
	x.unconfirm()
	stage := []agent.Param{{Name: confirmField, Label: "Do it", Help: ask.Text, Kind: agent.ParamBool, Default: "false"}}
	if ask.Kind == agent.ConfirmTOTP {
		stage = append(stage, agent.Param{Name: codeField, Label: "Code", Help: "six digits of your authenticator"})
	}
	x.ask, x.at, x.stages = ask, len(x.stages), append(x.stages, stage)
}

// unconfirm takes the question away: what was entered before it changes, and so
// what is confirmed.
func (x *session) unconfirm() {
	delete(x.values, confirmField)
	delete(x.values, codeField)
	if x.ask == nil {
		return
	}
	x.ask, x.stages = nil, x.stages[:len(x.stages)-1]
}

// declined tells whether the question was answered with anything but yes.
func (x *session) declined() bool {
	if x.ask == nil {
		return false
	}
	yes, err := agent.Param{Kind: agent.ParamBool}.Check(x.values[confirmField])
	return err != nil || yes != "true" || x.confirmed() == ""
}

// confirmed returns the word or code for agent.Request.Confirmed.
func (x *session) confirmed() string {
	if x.ask != nil && x.ask.Kind == agent.ConfirmAsk {
		return x.ask.Word
	}
	return x.values[codeField]
}

// Consent is a caller's answer to what a device asks before it does something
// dangerous.
type Consent struct {
	Yes  bool
	Code string // of the authenticator, where one is asked for
}

// fill answers a field of the question; instructions are what is asked.
func (c Consent) fill(f *dataform.Field, instructions string) error {
	switch f.Var {
	case confirmField:
		if !c.Yes {
			return fmt.Errorf("not run, it has to be confirmed: %s", instructions)
		}
		f.Values = []string{"true"}
	case codeField:
		if c.Code == "" {
			return fmt.Errorf("not run, it has to be confirmed with a code: %s", instructions)
		}
		f.Values = []string{c.Code}
	}
	return nil
}
