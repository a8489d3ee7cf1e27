package bridge

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"pipit/agent"
)

// maxNames bounds the readings of one import with wildcards, so that a flood
// of new topics cannot grow memory.
const maxNames = 256

// An importer makes readings of the messages that other devices publish. It is
// used by one goroutine; dropped may be called by any.
type importer struct {
	sources []*source
	lost    atomic.Uint64
}

// A source is one import and what it has seen.
type source struct {
	agent.Import
	wild         bool               // Topic has wildcards
	availability string             // filter of the availability topics, ""
	devices      map[string]*device // by their part of the readings' names
	names        int                // readings known of all devices
	offline      map[string]bool    // availability topics that said so last
}

// A device is what publishes the values of one import: the only one, or one
// for each thing that the wildcards stand for.
type device struct {
	name  string
	words string // what name was made of: two devices may come to one name
	topic string // its availability topic, ""
	known []bool // of each of the import's values: it is a reading
}

// A message is what came on a topic.
type message struct {
	payload  []byte
	retained bool
	now      time.Time
}

func newImporter(imports []agent.Import) *importer {
	im := &importer{}
	for _, i := range imports {
		s := &source{
			Import:       i,
			wild:         strings.ContainsAny(i.Topic, "+#"),
			availability: availabilityFilter(i),
			devices:      map[string]*device{},
			offline:      map[string]bool{},
		}
		if !s.wild { // a sensor that was never heard of can be offline as well
			d, _ := s.device(nil)
			for n := range s.Values {
				s.learn(d, n)
			}
		}
		im.sources = append(im.sources, s)
	}
	return im
}

// topics returns the filters to subscribe to, sorted.
func (im *importer) topics() []string {
	var list []string
	for _, s := range im.sources {
		list = append(list, s.Topic)
		if s.availability != "" {
			list = append(list, s.availability)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// dropped tells how many readings were not made because their name is not
// allowed, is that of another device, or is one too many.
func (im *importer) dropped() uint64 { return im.lost.Load() }

// take returns the readings of a message, in the order of the imports. An
// empty payload, which clears a retained topic, makes none. A value that cannot
// be read is a fault; with wildcards only where it could be read before, for
// not everything on such topics has every value. The caller bounds the payload.
func (im *importer) take(topic string, payload []byte, retained bool, now time.Time) []agent.Reading {
	if len(payload) == 0 {
		return nil
	}
	m := message{payload, retained, now}
	var list []agent.Reading
	for _, s := range im.sources {
		if wild, ok := match(s.Topic, topic); ok {
			readings, lost := s.read(wild, m)
			list = append(list, readings...)
			im.lost.Add(uint64(lost))
		}
		list = append(list, s.hear(topic, m)...)
	}
	return list
}

// read makes the readings of one message, and tells how many were dropped.
func (s *source) read(wild []string, m message) (list []agent.Reading, lost int) {
	d, ok := s.device(wild)
	if !ok {
		return nil, len(s.Values)
	}
	at, doubt := s.date(m)
	for n, v := range s.Values {
		val, err := value(v, m.payload)
		switch {
		case !d.known[n] && err != nil:
			continue
		case !d.known[n] && !s.learn(d, n):
			lost++
			continue
		}
		name := d.reading(v)
		switch {
		case m.retained && s.offline[d.topic]:
			list = append(list, d.away(v, m.now))
		case err != nil:
			list = append(list, agent.Faulty(name, agent.Fault, m.now, err.Error()))
		default:
			list = append(list, good(name, val, v.Unit, at, doubt))
		}
	}
	return list, lost
}

func good(name string, v agent.Value, unit string, at time.Time, doubt string) agent.Reading {
	r := agent.Reading{Name: name, Value: v, Unit: unit, Time: at, Reason: doubt}
	if doubt != "" {
		r.Quality = agent.Uncertain
	}
	return r
}

// date returns the time of a message, and why it may not be believed, or "".
func (s *source) date(m message) (at time.Time, doubt string) {
	if s.TimePath != "" {
		t, err := stamp(m.payload, s.TimePath, m.now)
		if err == nil {
			return t, ""
		}
		doubt = "the time of the message is not known: " + err.Error()
	}
	if m.retained {
		doubt = "kept by the broker, its age is not known"
	}
	return m.now, doubt
}

// device returns the device that the wildcards of a topic stand for; one that
// is new is kept with the first name that is learned of it. ok is false when
// another device has its name.
func (s *source) device(wild []string) (d *device, ok bool) {
	clean := make([]string, len(wild))
	for i, w := range wild {
		clean[i] = agent.CleanName(w)
	}
	name, words := s.Name, s.Name
	if s.As != "" {
		name, words = expand(s.As, clean), expand(s.As, wild)
	}
	if d, ok := s.devices[name]; ok {
		return d, d.words == words
	}
	return &device{
		name: name, words: words, topic: expand(s.Availability, wild), known: make([]bool, len(s.Values)),
	}, true
}

// learn makes a reading of a device known; false when the name is not allowed
// or one too many.
func (s *source) learn(d *device, n int) bool {
	if s.wild && s.names >= maxNames || agent.CheckName(d.reading(s.Values[n])) != nil {
		return false
	}
	s.devices[d.name] = d
	d.known[n] = true
	s.names++
	return true
}

func (d *device) reading(v agent.ImportValue) string {
	if v.Field == "" {
		return d.name
	}
	return d.name + "." + v.Field
}

// expand puts the words in the places {1}, {2} and on of a template.
func expand(template string, words []string) string {
	pairs := make([]string, 0, 2*len(words))
	for i, w := range words {
		pairs = append(pairs, "{"+strconv.Itoa(i+1)+"}", w)
	}
	return strings.NewReplacer(pairs...).Replace(template)
}
