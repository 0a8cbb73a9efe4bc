package sim

import (
	"context"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
)

// Stage is where a story is told: a Vigil on virtual time in a test, or a running one.
type Stage interface {
	// Now is the clock that Vigil and its devices go by.
	Now() time.Time
	// Wait lets d of that clock pass.
	Wait(ctx context.Context, d time.Duration) error
	// Send hands a device's message over and returns when it was acknowledged.
	Send(ctx context.Context, device string, payload []byte) error
	// Alarms returns the patient's alarms raised since a time, with their history.
	Alarms(ctx context.Context, patient string, since time.Time) ([]vigil.Alarm, error)
	// Act lets somebody do something to an alarm; action is a kind of the application API: seen, acknowledge, pass.
	Act(ctx context.Context, who string, alarm string, a Act) error
	// Talk lets somebody take part in the patient's consult; for verb "open" it is about the alarm.
	Talk(ctx context.Context, who string, t Talk) error
	// Value returns what the trend of the patient's metric says at a time, and false when it has no value.
	Value(ctx context.Context, patient, metric string, at time.Time) (float64, bool, error)
	// Has reports whether an application runs.
	Has(ctx context.Context, app string) bool
}

// Act is something done to an alarm.
type Act struct{ Action, Text string }

// Talk is a step of a consult: open, join, leave, write, close.
type Talk struct {
	Verb    string
	Patient string // record id
	Alarm   string
	Text    string // what is written, or the note that closes
	Action  string // closing: what was done
}

// Role is a patient of the story with his body and devices on the stage.
type Role struct {
	Patient   string // record id
	Patch     string // device ids
	Dispenser string
	Vitals    Vitals
	Mute      bool // he has no account: what he does as a person is left out
}

// RoleOf returns the patient of the hospital as he plays himself.
func (h *Hospital) RoleOf(name string) (Role, error) {
	p := h.patientNamed(name)
	if p == nil {
		return Role{}, vigil.Errorf(vigil.NotFound, "story.cast", "nobody in the hospital is called %q", name)
	}
	return Role{Patient: p.ID, Patch: p.Patch, Dispenser: p.Dispenser, Vitals: p.Body(1).Vitals(), Mute: p.Account == ""}, nil
}

// Medicines returns the codes of what the patient takes.
func (h *Hospital) Medicines(name string) (out []string) {
	if p := h.patientNamed(name); p != nil {
		for _, m := range p.Medicines {
			out = append(out, m.Code)
		}
	}
	return out
}

// DisplayName returns how Vigil shows a person of the story: "Dr Lee", "Sara Duarte".
func (h *Hospital) DisplayName(name string) string {
	if s := h.staffNamed(name); s != nil {
		return s.Name()
	}
	if p := h.patientNamed(name); p != nil {
		return p.Given + " " + p.Family
	}
	return name
}

// LoginOf returns the account of a person of the story.
func (h *Hospital) LoginOf(name string) string {
	if s := h.staffNamed(name); s != nil {
		return s.Login
	}
	if p := h.patientNamed(name); p != nil {
		return p.Account
	}
	return ""
}

// Told is what became of a line.
type Told struct {
	Line    *Line
	At      time.Duration // story time
	OK      bool
	Skipped bool
	Detail  string        // why not, or what was found
	After   time.Duration // of an expectation that came true: counted from the event, by the stage's clock
}

// Mark is ✓, ✗, – or a blank for what merely happened.
func (t Told) Mark() string {
	switch {
	case t.Skipped:
		return "–"
	case !t.OK:
		return "✗"
	case t.Line.Expects():
		return "✓"
	}
	return " "
}

// isNamed reports whether the alarm goes by the name: its rule, the rule without what it is about, or its title.
func isNamed(a *vigil.Alarm, name string) bool {
	return name == "" || a.Rule == name || strings.HasPrefix(a.Rule, name+".") || strings.EqualFold(a.Title, name)
}
