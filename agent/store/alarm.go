package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"pipit/agent"
)

const (
	alertName  = "store"
	alarmEvery = time.Hour // at most one alert that the disk fails, and one that it works again
)

// An alarm is what people were told of the disk. It is used under mu.
type alarm struct {
	on bool
	at time.Time // it was last raised
}

// raise alerts people when the disk begins to fail, and when that is over. A
// failure within an hour of the one before is told when the hour is over, if it
// lasts.
func (s *Store) raise(err error) {
	s.mu.Lock()
	was := s.alarm
	switch {
	case err != nil && !was.on && (was.at.IsZero() || time.Since(was.at) >= alarmEvery):
		s.alarm = alarm{true, time.Now()}
	case err == nil:
		s.alarm.on = false
	}
	now := s.alarm.on
	s.mu.Unlock()
	switch {
	case now && !was.on:
		s.say(agent.Warning, fmt.Sprintf("Readings are in memory only, and a power cut would lose them: %v. See to the disk of %s, and that Pipit may write there.", err, s.dir))
	case !now && was.on:
		s.say(agent.Info, "Readings are on disk again.")
	}
}

// say appends an alert. When the disk fails it is in memory, and goes on disk
// with the next commit that works; the state of the disk is told already.
func (s *Store) say(level agent.Level, text string) {
	_ = s.AppendAlert(agent.NewAlert(alertName, level, text))
}

// noteDamaged makes an alert if a file is set aside that none was made for. It
// goes into the new file together with the name, so that a process that dies in
// between leaves it to the next one. It is called under writing.
func (s *Store) noteDamaged() {
	files := s.damagedFiles()
	s.mu.Lock()
	defer s.mu.Unlock()
	owed := slices.DeleteFunc(slices.Clone(files), func(name string) bool { return slices.Contains(s.alerts.told, name) })
	if len(owed) == 0 {
		return
	}
	s.alerts.told = files
	s.addAlert(agent.NewAlert(alertName, agent.Warning, fmt.Sprintf(
		"The file of readings was damaged and is set aside as %s; a new one began. Readings in it that were not sent yet are lost. Check the disk (is the SD card worn?), and delete that file when nobody needs it.",
		filepath.Join(s.dir, owed[len(owed)-1]))))
}
