package muc

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pipit/agent/xmpp/stanza"
)

// out notes that the device is not in the room, and when to try again. The room
// has given back all of our messages that it took before it said so.
func (r *Room) out(now time.Time, wait time.Duration, problem string) {
	r.log.Warn("not in the room", "problem", problem, "retry_in", wait.Round(100*time.Millisecond))
	r.phase, r.due, r.problem = outside, now.Add(wait), problem
	r.forget()
	sent := r.sent
	r.sent = nil
	for _, m := range sent {
		r.again(m, 1, errNotIn)
	}
}

// retry is out with a wait that grows from try to try.
func (r *Room) retry(now time.Time, first time.Duration, problem string) {
	if r.phase == inside && now.Sub(r.entered) >= steady {
		r.fails = 0
	}
	wait := min(mostWait, first<<min(r.fails, 16))
	r.fails++
	r.variant = 0
	r.out(now, time.Duration(float64(wait)*(0.75+0.25*rand.Float64())), problem)
}

// Lost says that a presence of the room was dropped on its way here: somebody
// else may have a nick by now. The device forgets at once who is there, leaves,
// and joins anew.
func (r *Room) Lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == joining || r.phase == unlocking || r.phase == inside {
		r.retry(time.Now(), firstWait, "more came than I can take, and a presence was lost")
		r.astray = true
		r.wake()
	}
}

// kicked waits for longer: somebody does not want the device there now.
func (r *Room) kicked(now time.Time, reason string) {
	wait := r.times.kickedAgain
	if r.kicks++; r.kicks == 1 {
		wait = r.times.kicked
	}
	r.notBefore = now.Add(wait)
	r.tell("kicked", "somebody put me out of the room%s; I go back in %v", reason, wait)
	r.out(now, wait, "somebody put me out of the room"+reason)
}

// stop stays out until the device restarts, and says so.
func (r *Room) stop(problem string) {
	r.log.Warn("not in the room any more", "problem", problem)
	r.phase, r.problem = gone, problem
	for _, m := range append(r.sent, r.queue...) {
		r.fail(m, fmt.Errorf("not in room %s: %s", r.cfg.JID, problem))
	}
	r.queue, r.sent = nil, nil
	r.forget()
	r.tell("gone", "%s; I stay out of it until I am restarted", problem)
}

// tell queues a text for the owners, unless one of its kind was told a short
// time ago: whoever rules the room could make the device repeat it.
func (r *Room) tell(kind, format string, args ...any) {
	now := time.Now()
	if at, ok := r.told[kind]; ok && now.Sub(at) < tellAgain {
		return
	}
	r.told[kind] = now
	text := "Room " + r.cfg.JID + ": " + fmt.Sprintf(format, args...) + "."
	r.notes = append(r.notes, func() { r.cfg.Tell(text) })
}

// refusals are the answers to a join (XEP-0045 section 7.2), as people say them.
// No further try changes those that are final.
var refusals = map[string]struct {
	text  string
	final bool
}{
	"not-authorized":          {"it wants a password, and not the one of the config", true},
	"forbidden":               {"I am banned from it", true},
	"gone":                    {"it was closed for ever", true},
	"jid-malformed":           {"it does not take this address or nick", true},
	"registration-required":   {"only its members may enter; make me one", false},
	"not-allowed":             {"it does not exist, and I may not make it", false},
	"item-not-found":          {"it does not exist, or its owner has yet to set it up", false},
	"not-acceptable":          {"it does not let me use this nick", false},
	"service-unavailable":     {"it is full, or its service is not there", false},
	"resource-constraint":     {"it is full, or its service has too much to do", false},
	"remote-server-not-found": {"its server cannot be found", false},
	"remote-server-timeout":   {"its server does not answer", false},
}

// refused takes the answer to a join or to a change of the nick.
func (r *Room) refused(now time.Time, e *stanza.Error) {
	known, ok := refusals[e.Condition]
	switch {
	case r.phase == inside: // the wanted nick is not free; or else a self-ping tells
		if e.Condition != "conflict" {
			r.pingAt = now.Add(firstWait)
		}
	case r.phase != joining:
	case e.Condition == "conflict" && r.variant+1 < maxVariants:
		r.variant++
		r.phase, r.due = outside, now
	case known.final:
		r.stop("I cannot enter the room: " + known.text + why(e.Text))
	default:
		problem, kind := known.text+why(e.Text), e.Condition
		if e.Condition == "conflict" {
			problem = fmt.Sprintf("the nick %q is taken, and %d others like it", r.cfg.Nick, maxVariants-1)
		} else if !ok {
			problem, kind = "it says "+cut(e.Error()), "other"
		}
		r.tell("refused: "+kind, "I cannot enter the room: %s; I go on trying, at least every hour", problem)
		r.retry(now, refusedWait, "I cannot enter it: "+problem)
	}
}
