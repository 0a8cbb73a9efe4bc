package catalog

import (
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/vigil-health/vigil"
)

//go:embed rules/*.yaml scores/*.yaml chains/*.yaml
var watch embed.FS

//go:embed ruletests/*.yaml
var ruleTests embed.FS

// Rule is one condition worth an alarm, as written in rules/*.yaml. docs/reference/rules.md says what each key means.
type Rule struct {
	Key      string           `yaml:"key"`
	Version  string           `yaml:"version,omitempty"`
	Kind     string           `yaml:"kind"`  // limit, score, condition, no-data, lead-off, quality
	Title    string           `yaml:"title"` // "MAP low"
	Sentence string           `yaml:"sentence,omitempty"`
	Metrics  []vigil.Metric   `yaml:"metrics,omitempty"` // in order of trust: the first that is live speaks
	Side     string           `yaml:"side,omitempty"`    // low or high: which side of the limit alarms
	Extreme  bool             `yaml:"extreme,omitempty"` // a second, more urgent limit; not moved inwards by personal limits
	When     string           `yaml:"when,omitempty"`    // kind condition: an expression in CEL
	Class    vigil.AlarmClass `yaml:"class,omitempty"`
	Priority vigil.Priority   `yaml:"priority"`
	Chain    string           `yaml:"chain,omitempty"`
	Latching bool             `yaml:"latching,omitempty"`
	Delay    time.Duration    `yaml:"delay,omitempty"` // how long the condition must hold
	// Delays overrides Delay for one metric: a cuff speaks at once, an arterial line after ten seconds.
	Delays map[vigil.Metric]time.Duration `yaml:"delays,omitempty"`
	Clear  Clear                          `yaml:"clear,omitempty"`
	Limits map[string]float64             `yaml:"limits,omitempty"` // by age group; an absent group is not watched by this rule
	Score  string                         `yaml:"score,omitempty"`  // kind score: key of the table
	// AtLeast is the total from which a rule of kind score alarms.
	AtLeast int `yaml:"at_least,omitempty"`
	// CoveredBy names rules whose open alarm already speaks for this one: while one is open, this one stays silent.
	CoveredBy []string        `yaml:"covered_by,omitempty"`
	Scope     Scope           `yaml:"scope,omitempty"`
	Schedule  Schedule        `yaml:"schedule,omitempty"`
	Flags     map[string]bool `yaml:"flags,omitempty"`  // flags the subject must have (true) or must not have (false)
	Source    string          `yaml:"source,omitempty"` // where the numbers come from
}

// Clear says when a condition is over: Hysteresis beyond the limit, or When true, held for Hold.
type Clear struct {
	Hold       time.Duration `yaml:"hold,omitempty"`
	Hysteresis float64       `yaml:"hysteresis,omitempty"`
	When       string        `yaml:"when,omitempty"` // kind condition: an expression in CEL; without it the end of Rule.When is the end
}

// Scope is for whom a rule watches; an empty list means everybody.
type Scope struct {
	Patients   []string `yaml:"patients,omitempty"` // record ids
	Units      []string `yaml:"units,omitempty"`    // ids of care units
	AgeGroups  []string `yaml:"age_groups,omitempty"`
	Programmes []string `yaml:"programmes,omitempty"`
}

// Schedule is when a rule watches, in the hospital's time zone; empty means always.
type Schedule struct {
	Hours string   `yaml:"hours,omitempty"` // "22-06": from 22:00 up to 06:00
	Days  []string `yaml:"days,omitempty"`  // mon, tue, …: the day on which the hours begin
}

// ScoreTable is one early-warning score as published.
type ScoreTable struct {
	Key       string   `yaml:"key"`
	Version   string   `yaml:"version"`
	Title     string   `yaml:"title"`
	Source    string   `yaml:"source"`
	AgeGroups []string `yaml:"age_groups"`
	// Under is the age in years from which the score is not made any more; 0 is none.
	Under  int          `yaml:"under"`
	Inputs []ScoreInput `yaml:"inputs"`
	Parts  []ScorePart  `yaml:"parts"`
	Bands  []ScoreBand  `yaml:"bands"` // first that fits
}

// ScoreInput is one value a score is made from.
type ScoreInput struct {
	Key     string         `yaml:"key"`
	Label   string         `yaml:"label"`
	Metrics []vigil.Metric `yaml:"metrics"` // the newest of them counts
	MaxAge  time.Duration  `yaml:"max_age"` // older is missing
	// Above turns the value into 1 when it is over the number of its metric and 0 when it is not.
	Above map[vigil.Metric]float64 `yaml:"above"`
}

// ScorePart gives the points of one input.
type ScorePart struct {
	Key    string      `yaml:"key"`
	Label  string      `yaml:"label"`
	Input  string      `yaml:"input"`
	Tables []ScoreRows `yaml:"tables"` // the first whose conditions hold; last without conditions
	// Ratio names a second input to divide by: the part is a quotient and has no points.
	Ratio string `yaml:"ratio"`
}

// ScoreRows is a list of rows from low to high, used when its conditions hold.
type ScoreRows struct {
	When map[string]bool `yaml:"when"` // flags, inputs that are 0 or 1, or ages: under-3-months, under-1-year
	Rows []ScoreRow      `yaml:"rows"`
}

// ScoreRow gives points up to an upper bound: le includes it, lt does not; the last row has none.
type ScoreRow struct {
	LE     *float64 `yaml:"le"`
	LT     *float64 `yaml:"lt"`
	Points int      `yaml:"points"`
}

// ScoreBand names a range of the total.
type ScoreBand struct {
	Key     string `yaml:"key"`
	AtLeast int    `yaml:"at_least"`
	// Single is satisfied by one part of at least so many points, whatever the total.
	Single int `yaml:"single"`
}

// Chain is who is asked, one after the other, until somebody acknowledges.
type Chain struct {
	Key    string        `yaml:"key"`
	Title  string        `yaml:"title"`
	Steps  []ChainStep   `yaml:"steps"`
	Repeat time.Duration `yaml:"repeat"` // after the last step it is asked again so often; zero means never
}

// ChainStep asks whoever holds a role, or several at once: the first who acknowledges takes it.
type ChainStep struct {
	Role  string        `yaml:"role"`  // see the list at the top of chains/chains.yaml
	Roles []string      `yaml:"roles"` // instead of Role: all of them are asked together
	Again time.Duration `yaml:"again"` // those who gave no receipt are asked once more so often; zero means never
	Title string        `yaml:"title"` // "Rapid response"
	After time.Duration `yaml:"after"` // since the chain began; never less than the step before
}

// Posts returns the roles that the step asks.
func (s ChainStep) Posts() []string {
	if len(s.Roles) > 0 {
		return s.Roles
	}
	return []string{s.Role}
}

// Rules returns the rules of the catalogue in the order of their files.
func Rules() ([]Rule, error) { return decode[Rule]("rules") }

// Scores returns the score tables of the catalogue.
func Scores() ([]ScoreTable, error) { return decode[ScoreTable]("scores") }

// Chains returns the escalation chains of the catalogue.
func Chains() ([]Chain, error) { return decode[Chain]("chains") }

// decode reads every YAML file of a folder; a file holds one item or a list of them. Unknown keys are faults.
func decode[T any](dir string) ([]T, error) { return decodeFrom[T](watch, dir) }

func decodeFrom[T any](files embed.FS, dir string) ([]T, error) {
	names, err := fs.Glob(files, dir+"/*.yaml")
	if err != nil {
		return nil, err
	}
	var out []T
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		items, err := decodeItems[T](text)
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "catalog."+dir, "%s: %w", name, err)
		}
		out = append(out, items...)
	}
	return out, nil
}

func decodeItems[T any](text []byte) ([]T, error) {
	var list []T
	if listErr := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); listErr == nil {
		return list, nil
	} else if len(text) > 0 && isList(text) {
		return nil, fmt.Errorf("%s", yaml.FormatError(listErr, false, true))
	}
	var one T
	if err := yaml.UnmarshalWithOptions(text, &one, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s", yaml.FormatError(err, false, true))
	}
	return []T{one}, nil
}

// isList reports whether the first line that is no comment begins an item.
func isList(text []byte) bool {
	start := true
	comment := false
	for _, c := range text {
		switch {
		case c == '\n':
			start, comment = true, false
		case comment, c == ' ', c == '\r':
		case start && c == '#':
			comment = true
		default:
			return c == '-'
		}
	}
	return false
}
