// Package alarm runs the rules of the config: it feeds them readings, keeps
// their state, decides who is told when, and runs what a rule does. It tells
// people through agent.Agent and knows no connection.
package alarm

import (
	"time"

	"pipit/agent"
	"pipit/agent/rule"
)

// A Rule is one [rule.NAME] of the config.
type Rule struct {
	rule.Rule
	Say      string   // what people read, with placeholders, see Say; "": a line of the condition and its readings
	To       []string // targets, see Plan; nil: those of the plan
	Do       []string // command lines, run when it fires
	OnClear  []string // command lines, run when it is resolved
	Escalate bool     // whether those of Plan.Escalate are told when nobody acknowledges
}

// A Plan is what holds for all rules: [alerts] and [quiet] of the config.
//
// A target is the normalised bare JID of a person, "owners", "operators" or
// "viewers" (everybody who has exactly that role at the time), or "room.NAME".
type Plan struct {
	To            []string         // who is told first; nil: owners
	Escalate      []string         // who is told next, one after the other
	CriticalAfter time.Duration    // until the next is told of a critical alert that nobody acknowledged; 0: never
	WarningAfter  time.Duration    // the same for a warning; 0: never
	ReceiptAfter  time.Duration    // until the next is told when no device of the first received a critical one; 0: never
	Quiet         map[string]Quiet // by normalised bare JID
}

// Quiet is when a person is not told, in the local time of the process.
type Quiet struct {
	From, To time.Duration // since midnight, 0 to 24 h; From > To goes over midnight
	Except   agent.Level   // this level and worse ones are told all the same; above Critical: none is
}
