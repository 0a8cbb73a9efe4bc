// Package rule evaluates rules on the stream of telemetry, per subject in order, and raises and ends alarms.
//
// Rules, limits and score tables are data (catalog/rules, catalog/scores). It pages nobody and keeps no alarm
// (engine/alarm), and reads no device message (engine/ingest). Start at Engine; the ports are in this file.
package rule

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Rule is one condition worth an alarm, as written in the catalogue.
type Rule = catalog.Rule

// Kinds of rule.
const (
	KindLimit     = "limit"
	KindScore     = "score"
	KindCondition = "condition"
	KindNoData    = "no-data"
	KindLeadOff   = "lead-off"
	KindQuality   = "quality"
)

// Age groups that limits are written for. Any stands for all of them, in rules about equipment.
const (
	Neonate = "neonate" // under 28 days
	Infant  = "infant"  // under 1 year
	Child   = "child"   // under 12 years
	Adult   = "adult"
	Any     = "any"
)

// Standby is the flag of a patient who is away from the bed for a while.
const Standby = "standby"

// AgeGroup returns the group of a birth date at a time; a zero birth date counts as adult.
func AgeGroup(birth, at time.Time) string {
	switch {
	case birth.IsZero():
		return Adult
	case at.Before(birth.AddDate(0, 0, 28)):
		return Neonate
	case at.Before(birth.AddDate(1, 0, 0)):
		return Infant
	case at.Before(birth.AddDate(12, 0, 0)):
		return Child
	}
	return Adult
}

// years returns whole years since a birth date, NaN for a zero one.
func years(birth, at time.Time) float64 {
	if birth.IsZero() {
		return math.NaN()
	}
	y := at.Year() - birth.Year()
	if at.YearDay() < birth.YearDay() && birth.AddDate(y, 0, 0).After(at) {
		y--
	}
	return float64(y)
}

// ages are the bands that tables of children ask for, beside the flags of the subject.
func ages() []struct {
	name          string
	years, months int
} {
	return []struct {
		name          string
		years, months int
	}{{"under-3-months", 0, 3}, {"under-1-year", 1, 0}, {"under-4-years", 4, 0}, {"under-12-years", 12, 0}}
}

// younger returns which bands a birth date is under at a time; an unknown one is under none.
func younger(birth, at time.Time) map[string]bool {
	out := map[string]bool{}
	for _, a := range ages() {
		if !birth.IsZero() && at.Before(birth.AddDate(a.years, a.months, 0)) {
			out[a.name] = true
		}
	}
	return out
}

// Profile is what rules need to know of a subject besides its values.
type Profile struct {
	AgeGroup string // "" means adult
	Unit     string // care unit that watches the subject, "" when the desk is to find it
	Flags    map[string]bool
	Personal map[vigil.Metric]vigil.Limit

	Birth      time.Time // zero is unknown
	Surgery    time.Time // end of the last operation, zero is none known
	Programmes map[string]bool
}

// Limits knows the profile of a subject. It is asked when the subject is first heard of and after Refresh.
type Limits interface {
	LimitsFor(ctx context.Context, s vigil.Subject) (Profile, error)
}

// Keeper stores personal limits; an empty Limit of a metric removes it.
type Keeper interface {
	PutLimits(ctx context.Context, s vigil.Subject, limits map[vigil.Metric]vigil.Limit) error
}

// Desk takes alarms. engine/alarm.Desk implements it.
type Desk interface {
	// Raise returns the alarm as it stands on the desk: its ID may be that of an open one of the same episode.
	Raise(ctx context.Context, a vigil.Alarm) (vigil.Alarm, error)
	Update(ctx context.Context, id string, value float64, at time.Time)
	End(ctx context.Context, id string, at time.Time) error
	// Mark writes a step on the history of an alarm, here why a rule that is no longer in force ended it.
	Mark(ctx context.Context, id string, step vigil.AlarmStep) error
}

// Shadows notes what rules on trial would have raised. A call that is repeated changes nothing.
type Shadows interface {
	BeginShadow(ctx context.Context, s Shadow) error
	EndShadow(ctx context.Context, id string, at time.Time, peak float64) error
}

// Shadow is an alarm that a rule on trial would have raised.
type Shadow struct {
	ID       string         `json:"id"`
	Rule     string         `json:"rule"`
	Version  string         `json:"version"`
	Subject  vigil.Subject  `json:"subject"`
	Unit     string         `json:"unit,omitempty"`
	Priority vigil.Priority `json:"priority"`
	Metric   vigil.Metric   `json:"metric,omitempty"`
	Value    float64        `json:"value"`
	Peak     float64        `json:"peak"`
	Start    time.Time      `json:"start"` // the condition became true
	At       time.Time      `json:"at"`    // it would have been raised
	End      time.Time      `json:"end,omitzero"`
}

// Telemetry answers for evidence and estimates.
type Telemetry interface {
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
}

// Config is what the engine needs from outside.
type Config struct {
	Program   *Program // nil: compiled from Rules and Scores
	Rules     []Rule
	Scores    []catalog.ScoreTable
	Limits    Limits // nil: every subject is an adult without personal limits
	Keeper    Keeper // nil: personal limits live as long as the engine
	Desk      Desk
	Shadows   Shadows   // nil: what rules on trial would have raised is forgotten
	Telemetry Telemetry // nil: alarms carry no lines and Estimate is Unavailable
	Now       func() time.Time
	Log       *slog.Logger
	// Interval says how often a device is expected to speak: 0 unknown, negative only now and then (never "no data").
	// It may be nil.
	Interval func(vigil.DeviceID) time.Duration
	// Review sees every alarm with its evidence before it goes to the desk. It may lower the priority to low at least, and
	// says why in Demoted; whatever else it changes stands too. It must not block. It may be nil.
	Review func(ctx context.Context, a *vigil.Alarm)
}
