package agent

import "slices"

// Next returns a Poller for other tasks, to be run when the Run of p has ended.
// Call it before that ends. The tasks that same names go on: give them with the
// Sensor they have; p does not close it, and its schedule and what is known of
// its readings stay. The error of p's Run says that a read was left behind: then
// nothing of p can go on, and its tasks need new Sensors.
func (p *Poller) Next(tasks []Task, same func(name string) bool) *Poller {
	p.keeps = same
	return &Poller{Tasks: tasks, Seed: p.Seed, Put: p.Put, Remove: p.Remove, Loops: p.Loops, Log: p.Log, from: p}
}

// heir returns the job of a task that goes on, nil for one that begins.
func (p *Poller) heir(name string) *job {
	if p == nil || !p.keeps(name) {
		return nil
	}
	for _, b := range p.ran {
		if i := slices.IndexFunc(b.tasks, func(j *job) bool { return j.Name == name }); i >= 0 {
			j := b.tasks[i]
			j.told, j.woken = false, false
			return j
		}
	}
	return nil
}

// stays tells whether a sensor is read by another Poller after this one.
func (p *Poller) stays(name string) bool { return p.keeps != nil && p.keeps(name) }
