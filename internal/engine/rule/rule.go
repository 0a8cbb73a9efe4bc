// Package rule evaluates rules on the stream of telemetry, per subject in order, and raises and ends alarms.
//
// Rules, limits and score tables are data (catalog/rules, catalog/scores). It pages nobody and keeps no alarm
// (engine/alarm), and reads no device message (engine/ingest). Start at Engine; the ports are in this file.
package rule

import (
	"context"
	"log/slog"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Rule is one condition worth an alarm, as written in the catalogue.
type Rule = catalog.Rule

// Kinds of rule.
const (
	KindLimit   = "limit"
	KindScore   = "score"
	KindNoData  = "no-data"
	KindLeadOff = "lead-off"
	KindQuality = "quality"
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

// Profile is what rules need to know of a subject besides its values.
type Profile struct {
	AgeGroup string // "" means adult
	Unit     string // care unit that watches the subject, "" when the desk is to find it
	Flags    map[string]bool
	Personal map[vigil.Metric]vigil.Limit
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
}

// Telemetry answers for evidence and estimates.
type Telemetry interface {
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
}

// Config is what the engine needs from outside.
type Config struct {
	Rules     []Rule
	Scores    []catalog.ScoreTable
	Limits    Limits // nil: every subject is an adult without personal limits
	Keeper    Keeper // nil: personal limits live as long as the engine
	Desk      Desk
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
