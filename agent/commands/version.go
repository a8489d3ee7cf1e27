package commands

import (
	"context"
	"fmt"
	"runtime"

	"pipit/agent"
)

func (d *Device) version() agent.Command {
	return agent.Command{
		Name:  "version",
		Help:  "the version of the program",
		Needs: agent.Viewer,
		Run:   d.runVersion,
	}
}

func (d *Device) runVersion(context.Context, agent.Request) (agent.Answer, error) {
	return agent.Answer{Text: fmt.Sprintf("%s: Pipit %s, built with %s for %s/%s.",
		d.Agent.Name, d.Agent.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)}, nil
}
