package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pipit/agent"
	"pipit/agent/watch"
)

// watchHow says what a line may have after the name.
const watchHow = `write "watch NAME by 0.5 every 10m", or one of the two, or none`

func (d *Device) watch() agent.Command {
	return agent.Command{
		Name:  "watch",
		Help:  "tell you when a reading changes: watch outside.temperature by 0.5 every 10m",
		Needs: agent.Viewer,
		Params: []agent.Param{
			// A text and not a choice: a glob stands for what comes later, too.
			{Name: "name", Label: "Reading", Help: "name of a reading or a sensor; * stands for any characters", Required: true},
			{Name: "by", Label: "Change", Help: "how much a number has to change, in its unit, such as 0.5; empty: as soon as it is shown otherwise", Rest: true},
			{Name: "every", Label: "At most every", Help: "how long to wait between two messages, such as 10m, at least 10s; empty: 1m"},
		},
		Run: d.runWatch,
	}
}

func (d *Device) runWatch(_ context.Context, req agent.Request) (agent.Answer, error) {
	if err := byPerson(req); err != nil {
		return agent.Answer{}, err
	}
	w, err := watchOf(req.Args)
	if err != nil {
		return agent.Answer{}, err
	}
	names := d.names()
	if !slices.ContainsFunc(names, func(n string) bool { return agent.Match(w.Name, n) }) {
		return agent.Answer{}, noSuch("there is no "+strconv.Quote(cell(w.Name)), w.Name, names)
	}
	err = d.Watch.Add(req.From, w)
	note := ""
	switch {
	case errors.Is(err, watch.ErrNotKept):
		note = "\n" + err.Error() + "."
	case err != nil:
		return agent.Answer{}, err
	}
	return agent.Answer{Text: "Watching " + w.Name + " " + watchWords(w) + "." + d.now(w.Name) + note}, nil
}

// byPerson refuses who is nobody that could be told.
func byPerson(req agent.Request) error {
	switch {
	case req.Via == agent.ViaRoom:
		return errors.New("watching goes by private chat only: write to me there")
	case req.From == "":
		return errors.New("watching is for a person, who is told by chat: ask from an account of [people]")
	}
	return nil
}

func noSuch(text, word string, choices []string) error {
	if near := agent.Nearest(word, choices); near != "" {
		text += fmt.Sprintf(", did you mean %q?", near)
	}
	return &agent.ParamError{Param: "name", Text: text}
}

// watchOf reads the arguments of watch. In a chat line the names of the last
// two stand before their values, in any order, and both are in "by".
func watchOf(args map[string]string) (w watch.Watch, err error) {
	words, err := splitWords(args["by"])
	if err != nil {
		return w, err
	}
	w.Name = strings.ToLower(args["name"])
	if s, ok := words["by"]; ok {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || agent.Number(f).Kind() == agent.None || f < 0 || strings.ContainsAny(s, "xX_") {
			return w, &agent.ParamError{Param: "by", Text: fmt.Sprintf("%q is no number from 0: %s", cell(s), watchHow)}
		}
		w.By = f
	}
	s, ok := words["every"]
	switch given := strings.TrimPrefix(strings.ToLower(args["every"]), "every "); {
	case ok && given != "":
		return w, &agent.ParamError{Param: "every", Text: "given twice"}
	case !ok && given == "":
		return w, nil
	case !ok:
		s = given
	}
	if w.Every, ok = duration(s); !ok || w.Every < watch.MinEvery {
		return w, &agent.ParamError{Param: "every", Text: fmt.Sprintf("%q is no duration from 10s: write a number and a unit, such as 30s, 10m or 1h30m", cell(s))}
	}
	return w, nil
}

// splitWords takes "0.5", "by 0.5 every 10m", "every 10 min" apart.
func splitWords(s string) (map[string]string, error) {
	parts := make(map[string]string)
	key := "by"
	for i, word := range strings.Fields(strings.ToLower(s)) {
		if word != "by" && word != "every" {
			parts[key] = strings.TrimSpace(parts[key] + " " + word)
			continue
		}
		if _, twice := parts[word]; twice || i > 0 && parts[key] == "" {
			return nil, &agent.ParamError{Param: word, Text: watchHow}
		}
		key = word
		parts[key] = ""
	}
	if last, ok := parts[key]; ok && last == "" {
		return nil, &agent.ParamError{Param: key, Text: "a value is needed: " + watchHow}
	}
	return parts, nil
}

// watchWords says when a watch tells: "by 0.5, at most every 10m".
func watchWords(w watch.Watch) string {
	how := "for any change"
	if w.By > 0 {
		how = "by " + agent.Number(w.By).String()
	}
	if w.Every == 0 {
		w.Every = watch.DefaultEvery
	}
	return how + ", at most every " + every(w.Every)
}

// now tells what is watched: the value of one reading, the number of several.
func (d *Device) now(glob string) string {
	readings := slices.DeleteFunc(d.Agent.Board.All(), func(r agent.Reading) bool { return !agent.Match(glob, r.Name) })
	switch len(readings) {
	case 0:
		return " It has no value yet."
	case 1:
		return " Now " + readings[0].Name + ": " + cell(readings[0].Display()) + "."
	}
	return " Now " + count(len(readings), "reading") + "."
}
