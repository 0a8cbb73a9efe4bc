package sim

import (
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// Story is a course of events written as text: what bodies and devices do, what people do, and what must follow.
// The same file is a test, a demonstration and a load.
//
//	# Sara wears a smart patch. Her blood pressure drops.
//	0s   sara systolic 121 diastolic 78
//	10m  sara systolic 84 diastolic 46
//	expect dr-reyes paged within 5s
//	dr-reyes acknowledges
//
// Time zero is the start, a line without a time follows the one before at once, and the time of an expectation counts
// from the last line that was none. docs/guide/stories.md has the whole language.
type Story struct {
	Name   string
	Title  string // the first comment
	Begins string // local time of day, "07:50", at which it has to begin; "" at any
	Lines  []Line
}

// Deed is what happens in a line.
type Deed string

// The deeds: of bodies and devices, of people, and what is expected.
const (
	DoVitals    Deed = "vitals"
	DoBattery   Deed = "battery"
	DoLead      Deed = "lead"
	DoSilent    Deed = "silent"    // the device says nothing and measures nothing
	DoLose      Deed = "lose"      // it measures and keeps, but reaches nobody
	DoReconnect Deed = "reconnect" // it speaks again and sends what it kept
	DoTake      Deed = "take"
	DoMiss      Deed = "miss"

	DoSee         Deed = "see"
	DoAcknowledge Deed = "acknowledge"
	DoPass        Deed = "pass"
	DoEscalate    Deed = "escalate"
	DoNote        Deed = "note"
	DoOrder       Deed = "order"
	DoVideo       Deed = "video"
	DoJoin        Deed = "join"
	DoLeave       Deed = "leave"
	DoWrite       Deed = "write"
	DoClose       Deed = "close"

	ExpectPaged   Deed = "expect paged"
	ExpectAlarm   Deed = "expect alarm"
	ExpectNone    Deed = "expect no alarm"
	ExpectHistory Deed = "expect history"
	ExpectTrend   Deed = "expect trend"

	NeedApp Deed = "needs" // what follows is expected only where the application runs
)

// Line is one line of a story.
type Line struct {
	No     int
	Text   string
	Timed  bool
	At     time.Duration // when Timed
	Who    string        // patient or person, by the name the story uses
	Do     Deed
	Vitals []Vital
	Value  float64
	Name   string   // alarm by rule or title, medicine, patient, step of the history, application
	Words  []string // what is said
	State  vigil.AlarmState
	Within time.Duration // of an expectation
	When   time.Duration // the time that a trend is asked about
}

// Vital is one vital sign with its value.
type Vital struct {
	Name  string
	Value float64
}

// Expects reports whether the line asks rather than tells.
func (l *Line) Expects() bool {
	return slices.Contains([]Deed{ExpectPaged, ExpectAlarm, ExpectNone, ExpectHistory, ExpectTrend}, l.Do)
}

// ofBody reports whether the line is about a patient's body or devices.
func (l *Line) ofBody() bool {
	return slices.Contains([]Deed{DoVitals, DoBattery, DoLead, DoSilent, DoLose, DoReconnect, DoTake, DoMiss}, l.Do)
}

// vitalOf names the vital signs of the language and the metrics a patch sends them as.
func vitalOf(name string) (metric string, field func(*Vitals) *float64, ok bool) {
	switch name {
	case "systolic":
		return "bp-systolic", func(v *Vitals) *float64 { return &v.Sys }, true
	case "diastolic":
		return "bp-diastolic", func(v *Vitals) *float64 { return &v.Dia }, true
	case "heart-rate":
		return "heart-rate", func(v *Vitals) *float64 { return &v.HR }, true
	case "spo2":
		return "spo2", func(v *Vitals) *float64 { return &v.SpO2 }, true
	case "temperature":
		return "temperature", func(v *Vitals) *float64 { return &v.Temp }, true
	case "respiratory-rate":
		return "respiratory-rate", func(v *Vitals) *float64 { return &v.RR }, true
	}
	return "", nil, false
}

const vitalNames = "systolic, diastolic, heart-rate, spo2, temperature, respiratory-rate"

// Patients returns the names of the patients in the story, in order of appearance.
func (s *Story) Patients() (out []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for i := range s.Lines {
		switch l := &s.Lines[i]; {
		case l.ofBody() || l.Do == ExpectTrend:
			add(l.Who)
		case l.Do == DoVideo:
			add(l.Name)
		}
	}
	return out
}

// People returns the names of everybody who acts or is paged and is no patient of the story.
func (s *Story) People() (out []string) {
	patients := s.Patients()
	for i := range s.Lines {
		if n := s.Lines[i].Who; n != "" && !slices.Contains(patients, n) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// Check returns Invalid when the story names somebody who is not in the hospital.
func (s *Story) Check(h *Hospital) error {
	var faults []vigil.Fault
	lineOf := func(name string) int {
		for _, l := range s.Lines {
			if l.Who == name || l.Name == name {
				return l.No
			}
		}
		return 0
	}
	bad := func(name, kind string) {
		faults = append(faults, vigil.Fault{Path: place(s.Name, lineOf(name)), Msg: name + " is no " + kind + " of the simulated hospital; see internal/sim/hospital.yaml for who is"})
	}
	for _, n := range s.Patients() {
		if h.patientNamed(n) == nil {
			bad(n, "patient")
		}
	}
	for _, n := range s.People() {
		if h.staffNamed(n) == nil {
			bad(n, "person")
		}
	}
	if len(faults) > 0 {
		return &vigil.Error{Kind: vigil.Invalid, Op: "story.check", Msg: "the story cannot be cast", Faults: faults}
	}
	return nil
}

// patientNamed finds a patient by account or id.
func (h *Hospital) patientNamed(name string) *Patient {
	for i := range h.Patients {
		if p := &h.Patients[i]; p.ID == name || p.Account == name {
			return p
		}
	}
	return nil
}

// staffNamed finds a person by login or id.
func (h *Hospital) staffNamed(name string) *Staff {
	for i := range h.Staff {
		if s := &h.Staff[i]; s.ID == name || s.Login == name {
			return s
		}
	}
	return nil
}
