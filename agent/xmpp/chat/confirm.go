package chat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pipit/agent"
)

// What is answered to a yes that cannot count.
const (
	nothingWaits = `Nothing waits for a "yes" from you.`
	notFresh     = `A "yes" counts only when it comes at once and as a message of its own. Ask again.`
	bareYes      = `Send "yes" and the word or code that I asked for.`
)

// question asks for what confirms a command. call is what addresses the device.
func question(e *agent.ConfirmError, call string) string {
	seconds := int(time.Until(e.Until).Round(time.Second) / time.Second)
	if e.Kind == agent.ConfirmTOTP {
		return fmt.Sprintf(`%s Send "%syes" and the code of your authenticator within %d s.`, e.Text, call, seconds)
	}
	return fmt.Sprintf(`%s Send "%syes %s" within %d s.`, e.Text, call, e.Word, seconds)
}

// yes reads a line that confirms: "yes WORD", in any case and with an optional ! or / before it.
func yes(line string) (word string, ok bool) {
	words := strings.Fields(strings.TrimLeft(line, "!/"))
	if len(words) == 0 || !strings.EqualFold(strings.Trim(words[0], `.,"`), "yes") || strings.ContainsAny(line, "\r\n") {
		return "", false
	}
	return strings.Trim(strings.Join(words[1:], ""), `.,"`), true
}

// confirm runs what waits for a word of this person. A message that a server
// held back does not count however short the time was, nor does a correction:
// what was meant then may not be what is meant now.
func (r *Responder) confirm(ctx context.Context, in *message, word string) (text string, ran bool, err error) {
	req, ok := r.Agent.Pending(in.bare, in.via, in.room)
	switch {
	case !ok:
		return "", false, refusal(nothingWaits)
	case in.replaces != "" || in.child("urn:xmpp:delay", "delay") != nil:
		return "", false, refusal(notFresh)
	case word == "":
		return "", false, refusal(bareYes)
	}
	req.Confirmed = word
	ans, err := r.Agent.Do(ctx, req)
	in.file = ans.File
	return outcome(in, req.Name, req.Name, ans, err)
}
