package agent

import (
	"context"
	"time"
)

// A Sensor is read by a Poller. Read returns the fields it found: Name holds the
// field ("temperature"), or "" for a sensor that has just one. Time may be
// zero, then it is the time at which Read returned; a reading that is the same
// as the last one, with its time, is not put again. A field that cannot be
// read is a Reading with Fault or Missing and a Reason; an error says that the
// whole sensor failed. Read must return when ctx ends if it can; it is never
// called again before it has returned, and only from one goroutine at a time.
type Sensor interface {
	Read(ctx context.Context) ([]Reading, error)
}

// A Waker is a Sensor that knows when there is something new: it is then read
// at once, at most every 100 ms, and on its schedule as well.
type Waker interface {
	// Wake returns a channel that holds one; it is asked for once, before the
	// first Read.
	Wake() <-chan struct{}
}

// Trouble counts what a sensor got over by itself since the start.
type Trouble struct {
	Retried     uint64 // transient failures that were tried again in the same Read
	Implausible uint64 // values that could not be true and were discarded
	Remade      uint64 // times the driver was made anew
}

// Troubled is a Sensor that counts its trouble. Trouble may be called from any
// goroutine, also while a Read is under way.
type Troubled interface{ Trouble() Trouble }

// A Task is a sensor with its schedule.
type Task struct {
	Name    string        // of the sensor: one part of a reading's name
	Kind    string        // for people: "bme280"
	Every   time.Duration // at least 100 ms
	Timeout time.Duration // for one Read; 0 means 5 s, but never more than a minute
	Bus     string        // tasks with the same bus are read one after the other: "sysfs", "i2c:1"
	Fields  []string      // names of the fields if they are known before the first Read; they get its failure
	Sensor  Sensor
}

// MissingError is returned by Sensor.Read when the hardware is not there. Any
// other error is a fault.
type MissingError struct{ Reason string }

func (e *MissingError) Error() string { return e.Reason }
