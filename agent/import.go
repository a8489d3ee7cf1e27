package agent

import "time"

// An Import is what the MQTT link takes from topics that other devices publish
// to: readings like any other, and an output where they can be set.
type Import struct {
	Name  string // of [mqtt.import.NAME]
	Topic string // a topic filter (MQTT 3.1.1 section 4.7)
	// As names the readings where Topic has wildcards: {1} is what the first of
	// them stands for, {2} the second, each made a name by CleanName. "": Name.
	As     string
	Values []ImportValue // at least one

	TimePath     string        // JSON path of the time, "": the time of arrival
	Availability string        // topic, with {1} as in As, that says online or offline, or JSON {"state": "online"}; "": none
	Expire       time.Duration // a value is stale when nothing came for so long; 0: never

	Output *ImportOutput // nil: it is a sensor
}

// An ImportValue is one value of a payload.
type ImportValue struct {
	Field string // second part of the reading's name, "": the name has one part
	Path  string // JSON path ("a.b", "list[0].x"), "": the payload is the value
	Unit  string // a symbol of the unit table: the value has to be a number; "": numbers, on and off, and texts
	// On and Off are the words of the payload for a truth value, besides on, off,
	// true and false in any case.
	On, Off string
}

// An ImportOutput says how an import is set.
type ImportOutput struct {
	Topic    string  // where the payload goes, no wildcards
	Payload  string  // {value} stands for the value; "": the value alone
	On, Off  string  // what {value} is for a switch
	Min, Max float64 // the range of a number when Min < Max; else it is a switch
	Unit     string
}
