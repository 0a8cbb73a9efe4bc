package rota

import (
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
)

// TagSeen is the event with which a place says that somebody's badge is there: Data["person"] is a practitioner.
const TagSeen vigil.EventKind = "tag-seen"

const seenFor = 15 * time.Minute // older sightings say nothing about now

// Places knows beds and units: the census.
type Places interface {
	UnitOf(s vigil.Subject) string
	// BedOf names the bed of a patient, "" when he has none.
	BedOf(s vigil.Subject) string
}

// Sightings is the Whereabouts that devices of places report. It is safe for concurrent use.
type Sightings struct {
	places Places
	now    func() time.Time
	mu     sync.RWMutex
	last   map[string]sighting
}

type sighting struct {
	place string
	at    time.Time
}

// NewSightings returns one that has seen nobody.
func NewSightings(places Places, now func() time.Time) *Sightings {
	return &Sightings{places: places, now: now, last: map[string]sighting{}}
}

// Observe takes the sightings out of reports.
func (s *Sightings) Observe(reports []*vigil.Report) {
	for _, r := range reports {
		if r.Subject.Type() != "Location" {
			continue
		}
		for _, e := range r.Events {
			if person := e.Data["person"]; e.Kind == TagSeen && person != "" {
				s.see("Practitioner/"+strings.TrimPrefix(person, "Practitioner/"), r.Subject.ID(), e.At())
			}
		}
	}
}

func (s *Sightings) see(person, place string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.last[person]; !ok || !at.Before(old.at) {
		s.last[person] = sighting{place, at}
	}
}

// Place implements Whereabouts.
func (s *Sightings) Place(person string) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	last, ok := s.last[person]
	return last.place, ok && s.now().Sub(last.at) < seenFor
}

// Around implements Whereabouts: a patient's bed, or his unit.
func (s *Sightings) Around(subject vigil.Subject) (string, bool) {
	if subject.Type() == "Location" {
		return subject.ID(), true
	}
	if bed := s.places.BedOf(subject); bed != "" {
		return bed, true
	}
	unit := s.places.UnitOf(subject)
	return unit, unit != ""
}

// Distance implements Whereabouts: the same place, the same unit, anywhere else.
func (s *Sightings) Distance(a, b string) int {
	switch {
	case a == b:
		return 0
	case s.unit(a) == s.unit(b):
		return 1
	}
	return 2
}

// unit returns the unit of a place, the place itself when it is one.
func (s *Sightings) unit(place string) string {
	if u := s.places.UnitOf(vigil.LocationSubject(place)); u != "" {
		return u
	}
	return place
}
