package rule

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/condition"
)

// Form is a rule as an editor holds it: JSON with durations in seconds and the condition as a tree where it fits into one.
type Form struct {
	Key       string                   `json:"key"`
	Kind      string                   `json:"kind"`
	Title     string                   `json:"title"`
	Sentence  string                   `json:"sentence,omitempty"` // of the alarm's evidence, "" is the rule's own
	Class     vigil.AlarmClass         `json:"class,omitempty"`
	Priority  vigil.Priority           `json:"priority"`
	Chain     string                   `json:"chain,omitempty"`
	Latching  bool                     `json:"latching,omitempty"`
	Metrics   []vigil.Metric           `json:"metrics,omitempty"`
	Side      string                   `json:"side,omitempty"`
	Extreme   bool                     `json:"extreme,omitempty"`
	Limits    map[string]float64       `json:"limits,omitempty"`
	Score     string                   `json:"score,omitempty"`
	AtLeast   int                      `json:"at_least,omitempty"`
	Model     *condition.Model         `json:"model,omitempty"` // wins over When
	When      string                   `json:"when,omitempty"`  // CEL
	DelayS    float64                  `json:"delay_s"`
	DelaysS   map[vigil.Metric]float64 `json:"delays_s,omitempty"`
	ClearS    float64                  `json:"clear_hold_s"`
	Back      float64                  `json:"clear_hysteresis,omitempty"`
	ClearBy   *condition.Model         `json:"clear_model,omitempty"` // wins over ClearWhen
	ClearWhen string                   `json:"clear_when,omitempty"`
	CoveredBy []string                 `json:"covered_by,omitempty"`
	Hours     string                   `json:"hours,omitempty"`
	Days      []string                 `json:"days,omitempty"`
	Patients  []string                 `json:"patients,omitempty"`
	Units     []string                 `json:"units,omitempty"`
	AgeGroups []string                 `json:"age_groups,omitempty"`
	Programs  []string                 `json:"programmes,omitempty"`
	Flags     map[string]bool          `json:"flags,omitempty"`
	Source    string                   `json:"source,omitempty"`
}

// FormOf returns a rule in the editor's form.
func FormOf(r Rule) Form {
	f := Form{
		Key: r.Key, Kind: r.Kind, Title: r.Title, Sentence: r.Sentence, Class: r.Class, Priority: r.Priority, Chain: r.Chain, Latching: r.Latching,
		Metrics: r.Metrics, Side: r.Side, Extreme: r.Extreme, Limits: r.Limits, Score: r.Score, AtLeast: r.AtLeast, When: r.When,
		DelayS: r.Delay.Seconds(), ClearS: r.Clear.Hold.Seconds(), Back: r.Clear.Hysteresis, ClearWhen: r.Clear.When, CoveredBy: r.CoveredBy,
		Hours: r.Schedule.Hours, Days: r.Schedule.Days, Patients: r.Scope.Patients, Units: r.Scope.Units, AgeGroups: r.Scope.AgeGroups, Programs: r.Scope.Programmes,
		Flags: r.Flags, Source: r.Source,
	}
	if m, ok := condition.ModelOf(r.When); ok {
		f.Model = &m
	}
	if m, ok := condition.ModelOf(r.Clear.When); ok {
		f.ClearBy = &m
	}
	for m, d := range r.Delays {
		if f.DelaysS == nil {
			f.DelaysS = map[vigil.Metric]float64{}
		}
		f.DelaysS[m] = d.Seconds()
	}
	return f
}

// Rule returns what the form says. Its Invalid error says what a model lacks.
func (f Form) Rule() (Rule, error) {
	r := Rule{
		Key: f.Key, Kind: f.Kind, Title: f.Title, Sentence: f.Sentence, Class: f.Class, Priority: f.Priority, Chain: f.Chain, Latching: f.Latching,
		Metrics: f.Metrics, Side: f.Side, Extreme: f.Extreme, Limits: f.Limits, Score: f.Score, AtLeast: f.AtLeast, When: f.When,
		Delay: seconds(f.DelayS), Clear: catalog.Clear{Hold: seconds(f.ClearS), Hysteresis: f.Back, When: f.ClearWhen}, CoveredBy: f.CoveredBy,
		Schedule: catalog.Schedule{Hours: f.Hours, Days: f.Days},
		Scope:    catalog.Scope{Patients: f.Patients, Units: f.Units, AgeGroups: f.AgeGroups, Programmes: f.Programs},
		Flags:    f.Flags, Source: f.Source,
	}
	for m, s := range f.DelaysS {
		if r.Delays == nil {
			r.Delays = map[vigil.Metric]time.Duration{}
		}
		r.Delays[m] = seconds(s)
	}
	var err error
	if f.Model != nil {
		if r.When, err = f.Model.CEL(); err != nil {
			return r, err
		}
	}
	if f.ClearBy != nil {
		r.Clear.When, err = f.ClearBy.CEL()
	}
	return r, err
}

func seconds(s float64) time.Duration { return time.Duration(s*1e9 + 0.5) }
