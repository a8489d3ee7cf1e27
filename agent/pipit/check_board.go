package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"pipit/agent"
	"pipit/bridge"
	"pipit/sensors"
)

// outputTime bounds the look at one output.
const outputTime = askTime

// clock tells whether the kernel's clock is synchronised; what the server says
// of it stands below.
func (i *inspection) clock(_ context.Context, b branch) {
	if i.synced() {
		b.ok("clock", "synchronised")
		return
	}
	b.warn("clock", "the kernel does not say that it is synchronised", "run an NTP client, such as systemd-timesyncd")
}

// sensors reads each sensor once, but for those whose bus the agent uses: the
// chip of one would get the transfers of two programs mixed.
func (i *inspection) sensors(ctx context.Context, b branch) {
	var names []string
	defer func() { i.names <- names }()
	if len(i.cfg.Sensors) == 0 {
		b.skip("sensors", "there are none in the config")
		return
	}
	b.ok("sensors", "each read once")
	cfg := *i.cfg
	cfg.Sensors = nil
	for _, task := range i.cfg.Sensors {
		if i.agent.running && strings.HasPrefix(task.Bus, "i2c:") {
			b.under("sensors").skip(task.Name, task.Kind+", "+held+": \"pipit call\" asks it with the command read")
			names = append(names, namesOf(task)...)
			continue
		}
		cfg.Sensors = append(cfg.Sensors, task)
	}
	of := make(map[string][]timedReading)
	for _, r := range readOnce(ctx, &cfg) {
		sensor, _, _ := strings.Cut(r.Name, ".")
		of[sensor] = append(of[sensor], r)
		names = append(names, r.Name)
	}
	for _, task := range cfg.Sensors {
		i.judge(b.under("sensors"), task, of[task.Name])
	}
}

// namesOf returns the readings of a sensor that was not read, as far as they are known.
func namesOf(task agent.Task) (names []string) {
	for _, field := range task.Fields {
		names = append(names, strings.TrimSuffix(task.Name+"."+field, "."))
	}
	return names
}

// judge fails a sensor when nothing of it has a value, and warns when some of it
// is not good.
func (i *inspection) judge(b branch, task agent.Task, readings []timedReading) {
	text := task.Kind + ", no reading"
	var values int
	var doubts []string
	for n, r := range readings {
		if n == 0 {
			text = task.Kind
			if r.read {
				text += fmt.Sprintf(", %.1f ms", r.took.Seconds()*1000)
			}
		}
		if r.OK() {
			values++
		}
		lacks := task.Kind == "system" && r.Quality == agent.Missing // not every board has all of it
		if r.Quality != agent.Good && r.Reason != agentOnly && !lacks {
			doubts = append(doubts, r.Name+" "+r.Reason)
		}
	}
	told := strings.Join(doubts, "; ")
	hint := "check its wiring, the rights of this user, and its keys in [sensor." + task.Name + "]"
	switch {
	case values == 0 && i.agent.running && isHeld(told):
		b.ok(task.Name, task.Kind+", "+held)
	case values == 0:
		b.fail(task.Name, strings.TrimSuffix(text+": "+told, ": "), hint)
	case len(doubts) > 0:
		b.warn(task.Name, fmt.Sprintf("%s, values: %d; %s", text, values, told), hint)
	default:
		b.ok(task.Name, fmt.Sprintf("%s, values: %d", text, values))
	}
}

// isHeld tells whether the reason of a fault is that somebody has the hardware:
// EBUSY, or what sensors says of a line that another pipit has.
func isHeld(reason string) bool {
	return strings.Contains(reason, syscall.EBUSY.Error()) || strings.Contains(reason, "is held by pipit")
}

// outputs tells of each what can be known of it without switching it.
func (i *inspection) outputs(ctx context.Context, b branch) {
	if len(i.cfg.Outputs) == 0 {
		b.skip("outputs", "there are none in the config")
		return
	}
	b.ok("outputs", "looked at, not switched")
	for _, o := range i.cfg.Outputs {
		if ctx.Err() != nil {
			return
		}
		if line, ok := o.Output.(interface {
			Line() (string, sensors.GPIOLine, error)
		}); ok {
			i.tellLine(b.under("outputs"), o, line.Line)
			continue
		}
		tellOutput(ctx, b.under("outputs"), o)
	}
}

// tellLine tells who has the line of an output.
func (i *inspection) tellLine(b branch, o agent.OutputTask, find func() (string, sensors.GPIOLine, error)) {
	chip, line, err := find()
	text := fmt.Sprintf("%s, line %d of %s", o.Kind, line.Offset, chip)
	switch {
	case err != nil:
		b.fail(o.Name, o.Kind+", "+err.Error(), "check line and chip in [output."+o.Name+"]")
	case !line.Used:
		b.ok(o.Name, text+", free")
	case line.Consumer == "pipit" && i.agent.running:
		b.ok(o.Name, text+", "+held)
	case line.Consumer == "":
		b.fail(o.Name, text+", in use by the kernel", "use another line, or take out the overlay that has it")
	default:
		b.fail(o.Name, text+", in use by "+line.Consumer, "stop that, or use another line")
	}
}

// tellOutput reads an output back, which changes nothing.
func tellOutput(ctx context.Context, b branch, o agent.OutputTask) {
	ctx, cancel := context.WithTimeout(ctx, outputTime)
	defer cancel()
	v, err := o.Output.Get(ctx)
	switch {
	case err == nil:
		b.ok(o.Name, o.Kind+", is "+o.Word(v))
	case sensors.IsUnset(err):
		b.ok(o.Name, o.Kind+", "+err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		b.fail(o.Name, o.Kind+", no answer", "see what hangs")
	default:
		b.fail(o.Name, o.Kind+", "+err.Error(), "check its wiring, the rights of this user, and its keys in [output."+o.Name+"]")
	}
}

func (i *inspection) mqtt(ctx context.Context, b branch) {
	if i.cfg.MQTT.Broker == "" {
		b.skip("mqtt", "there is no [mqtt] in the config")
		return
	}
	base := i.cfg.MQTT.Prefix + "/" + i.cfg.MQTT.Device
	if err := bridge.Probe(ctx, broker(i.cfg.MQTT), base); err != nil {
		b.fail("mqtt", err.Error(), "check broker, user and password in [mqtt], and the broker's ACL")
		return
	}
	b.ok("mqtt", "the broker takes and delivers what is below "+base)
}
