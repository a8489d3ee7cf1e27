package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	confirmAnna = "anna@example.org"
	confirmBert = "bert@example.org"
)

// askingAgent returns an agent whose commands ask, and what they ran.
func askingAgent(t *testing.T) (*Agent, *[]string) {
	var ran []string
	run := func(_ context.Context, req Request) (Answer, error) {
		ran = append(ran, strings.TrimSpace(req.Name+" "+req.Args["output"]))
		return Answer{}, nil
	}
	a := &Agent{People: map[string]Role{confirmAnna: Owner, confirmBert: Owner}, Codes: rfcTOTP(t)}
	a.Commands = []Command{
		{Name: "reboot", Needs: Owner, Run: run, Confirm: ConfirmAsk, Will: "reboot the board"},
		{Name: "code", Needs: Owner, Run: run, Confirm: ConfirmTOTP},
		{Name: "set", Needs: Owner, Run: run, Confirm: ConfirmAsk, Params: []Param{{Name: "output"}},
			ConfirmIf: func(args map[string]string) bool { return args["output"] != "lamp" }},
	}
	return a, &ran
}

func chatRequest(from, name string, output ...string) Request {
	req := Request{From: from, Via: ViaChat, Name: name}
	if len(output) > 0 {
		req.Args = map[string]string{"output": output[0]}
	}
	return req
}

// word asks for a command and returns the word that confirms it.
func word(t *testing.T, a *Agent, req Request) string {
	t.Helper()
	_, err := a.Do(t.Context(), req)
	var ask *ConfirmError
	if !errors.As(err, &ask) || len(ask.Word) != wordLength || ask.Kind != ConfirmAsk || time.Until(ask.Until) > confirmTime || time.Until(ask.Until) < confirmTime/2 {
		t.Fatalf("%v: %+v, %v", req, ask, err)
	}
	if strings.Contains(err.Error(), ask.Word) {
		t.Errorf("the error tells the word: %v", err)
	}
	return ask.Word
}

func TestConfirm(t *testing.T) {
	reboot := chatRequest(confirmAnna, "reboot")
	for _, tt := range []struct {
		name   string
		before func(a *Agent)               // after the question
		change func(req *Request, a *Agent) // of the confirming request
		want   string                       // what runs
	}{
		{"the word", nil, nil, "reboot"},
		{"in other letters", nil, func(req *Request, _ *Agent) { req.Confirmed = " " + strings.ToLower(req.Confirmed) }, "reboot"},
		{"a wrong word", nil, func(req *Request, _ *Agent) { req.Confirmed = "0000" }, ""},
		{"the beginning of the word", nil, func(req *Request, _ *Agent) { req.Confirmed = req.Confirmed[:3] }, ""},
		{"at the last moment", func(*Agent) { time.Sleep(confirmTime - 1) }, nil, "reboot"},
		{"a moment too late", func(*Agent) { time.Sleep(confirmTime) }, nil, ""},
		{"somebody else", nil, func(req *Request, _ *Agent) { req.From = confirmBert }, ""},
		{"another way", nil, func(req *Request, _ *Agent) { req.Via = ViaAdHoc }, ""},
		{"another command", nil, func(req *Request, _ *Agent) { req.Name = "set" }, ""},
		{"no owner any more", func(a *Agent) { a.People[confirmAnna] = Operator }, nil, ""},
		{"asked for something else since", func(a *Agent) { a.Do(context.Background(), chatRequest(confirmAnna, "set", "pump")) }, nil, ""},
		{"another person asked since", func(a *Agent) { a.Do(context.Background(), chatRequest(confirmBert, "reboot")) }, nil, "reboot"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, ran := askingAgent(t)
			req := reboot
			req.Confirmed = word(t, a, req)
			if tt.before != nil {
				tt.before(a)
			}
			if tt.change != nil {
				tt.change(&req, a)
			}
			for range 2 { // a word runs once
				a.Do(t.Context(), req)
			}
			if got := strings.Join(*ran, " "); got != tt.want {
				t.Errorf("%s: ran %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

func TestConfirmArguments(t *testing.T) {
	a, ran := askingAgent(t)
	if _, err := a.Do(t.Context(), chatRequest(confirmAnna, "set", "lamp")); err != nil {
		t.Errorf("the lamp: %v", err)
	}
	other := chatRequest(confirmAnna, "set", "valve")
	other.Confirmed = word(t, a, chatRequest(confirmAnna, "set", "pump"))
	var no *UnconfirmedError
	if _, err := a.Do(t.Context(), other); !errors.As(err, &no) {
		t.Errorf("another output: %v", err)
	}
	local := Request{Via: ViaLocal, Name: "set", Args: map[string]string{"output": "local"}}
	if _, err := a.Do(t.Context(), local); err != nil {
		t.Errorf("local: %v", err)
	}
	if got := fmt.Sprint(*ran); got != "[set lamp set local]" {
		t.Errorf("ran %s", got)
	}
	req, ok := a.Pending(confirmAnna, ViaChat, "")
	if _, adhoc := a.Pending(confirmAnna, ViaAdHoc, ""); adhoc || !ok || req.Args["output"] != "pump" || req.Confirmed != "" {
		t.Errorf("pending: %+v, %v, ad-hoc %v", req, ok, adhoc)
	}
}

func TestConfirmTries(t *testing.T) {
	a, ran := askingAgent(t)
	req := chatRequest(confirmAnna, "reboot")
	right := word(t, a, req)
	for i, wrong := range []string{"1", "2", "3"} {
		req.Confirmed = wrong
		_, err := a.Do(t.Context(), req)
		var no *UnconfirmedError
		if !errors.As(err, &no) || no.Again != (i < 2) {
			t.Errorf("try %d: %v", i, err)
		}
	}
	req.Confirmed = right
	if _, err := a.Do(t.Context(), req); err == nil || len(*ran) > 0 {
		t.Errorf("the right word after three wrong ones: %v, ran %q", err, *ran)
	}
}

func TestConfirmByCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, ran := askingAgent(t)
		req := chatRequest(confirmAnna, "code")
		for _, want := range []int{1, 1, 2} { // the second time the code is used up
			req.Confirmed = ""
			_, err := a.Do(t.Context(), req)
			var ask *ConfirmError
			if !errors.As(err, &ask) || ask.Kind != ConfirmTOTP || ask.Word != "" || ask.Text != `This will run "code".` {
				t.Fatalf("%+v, %v", ask, err)
			}
			if want == 2 {
				time.Sleep(totpStep * time.Second)
			}
			req.Confirmed = code(0)
			a.Do(t.Context(), req)
			if len(*ran) != want {
				t.Errorf("ran %q, want %d", *ran, want)
			}
		}
	})
}

func TestConfirmIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := askingAgent(t)
		for i := range maxPending + 1 {
			from := fmt.Sprintf("p%d@example.org", i)
			a.People[from] = Owner
			_, err := a.Do(t.Context(), chatRequest(from, "reboot"))
			var ask *ConfirmError
			if errors.As(err, &ask) != (i < maxPending) {
				t.Errorf("request %d: %v", i, err)
			}
		}
		word(t, a, chatRequest("p0@example.org", "reboot")) // in place of the one before
		time.Sleep(confirmTime)
		word(t, a, chatRequest(confirmAnna, "reboot"))
		if n := len(a.confirmations.waiting); n != 1 {
			t.Errorf("%d wait", n)
		}
	})
}

// A rule cannot confirm: nothing waits for it, and nothing runs.
func TestRuleCannotConfirm(t *testing.T) {
	a, ran := askingAgent(t)
	a.Commands = append(a.Commands, Command{Name: "open", Needs: Operator, Confirm: ConfirmAsk, Run: a.Commands[0].Run})
	_, err := a.Do(t.Context(), Request{Via: ViaRule, Rule: "hot", Name: "open"})
	var no *UnconfirmedError
	if !errors.As(err, &no) || no.Again || len(*ran) > 0 || len(a.confirmations.waiting) > 0 {
		t.Errorf("%v, ran %q, %d wait", err, *ran, len(a.confirmations.waiting))
	}
}

// A word counts in the room where it was asked for, and nowhere else.
func TestConfirmInARoom(t *testing.T) {
	a, ran := askingAgent(t)
	req := chatRequest(confirmAnna, "reboot")
	req.Via, req.Room = ViaRoom, "hall@rooms.example.org"
	w := word(t, a, req)
	if _, ok := a.Pending(confirmAnna, ViaRoom, "attic@rooms.example.org"); ok {
		t.Error("it waits in another room")
	}
	for _, tt := range []struct{ room, from, want string }{
		{"attic@rooms.example.org", confirmAnna, ""},
		{req.Room, confirmBert, ""},
		{req.Room, confirmAnna, "reboot"},
	} {
		req.Room, req.From, req.Confirmed = tt.room, tt.from, w
		_, _ = a.Do(t.Context(), req)
		if got := strings.Join(*ran, " "); got != tt.want {
			t.Errorf("%s in %s: ran %q", tt.from, tt.room, got)
		}
	}
}
