package commands

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"pipit/agent"
	"pipit/agent/watch"
)

func (d *Device) unwatch() agent.Command {
	return agent.Command{
		Name:   "unwatch",
		Help:   "end a watch of yours, or all of them",
		Needs:  agent.Viewer,
		Params: []agent.Param{{Name: "name", Label: "Reading", Help: "the name as watches lists it, or all", Required: true}},
		Run:    d.runUnwatch,
	}
}

func (d *Device) runUnwatch(_ context.Context, req agent.Request) (agent.Answer, error) {
	if err := byPerson(req); err != nil {
		return agent.Answer{}, err
	}
	name := strings.ToLower(req.Args["name"])
	list, _ := d.Watch.List(req.From)
	gone, err := d.Watch.Remove(req.From, func(w watch.Watch) bool { return name == "all" || w.Name == name })
	note := ""
	switch {
	case errors.Is(err, watch.ErrNotKept):
		note = " " + err.Error() + "."
	case err != nil:
		return agent.Answer{}, err
	case len(gone) == 0 && name != "all":
		return agent.Answer{}, noSuch("you do not watch "+strconv.Quote(cell(name)), name, watchNames(list))
	}
	if name == "all" {
		return agent.Answer{Text: "Ended " + counted(len(gone)) + "." + note}, nil
	}
	return agent.Answer{Text: "Not watching " + name + " any more." + note}, nil
}

func watchNames(list []watch.Watch) (names []string) {
	for _, w := range list {
		names = append(names, w.Name)
	}
	return names
}

func counted(n int) string {
	if n == 1 {
		return "1 watch"
	}
	return strconv.Itoa(n) + " watches"
}
