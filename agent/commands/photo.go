package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"pipit/agent"
)

// photo is for operators: a picture tells more of a home than a number.
func (d *Device) photo() agent.Command {
	names := func() []string { return slices.Sorted(maps.Keys(d.Cameras)) }
	camera := agent.Param{Name: "camera", Label: "Camera", Help: "name of the camera", Kind: agent.ParamChoice, Choices: names, Required: true}
	if list := names(); len(list) == 1 {
		camera.Default = list[0]
	}
	return agent.Command{
		Name: "photo", Help: "a picture of a camera, taken now", Needs: agent.Operator, Params: []agent.Param{camera},
		Run: func(ctx context.Context, req agent.Request) (agent.Answer, error) {
			name := req.Args["camera"]
			data, media, err := d.Cameras[name](ctx)
			if err != nil {
				return agent.Answer{}, err
			}
			now := time.Now().Local()
			ending := map[string]string{"image/png": "png"}[media]
			if ending == "" {
				ending = "jpg"
			}
			file := &agent.File{Name: name + now.Format("-20060102-150405.") + ending, Type: media, Data: data}
			return agent.Answer{Text: fmt.Sprintf("%s at %s, %d kB.", name, now.Format("15:04:05"), len(data)/1000), File: file}, nil
		},
	}
}
