// Package condition is the language of rules: expressions in CEL over windows of a subject's values.
//
// CEL's own parser and type checker read an expression; it is then planned into a tree of its own, because an expression
// is evaluated for every value that arrives: evaluation allocates nothing, knows three answers (yes, no, undecided) and
// reads windows that are kept up to date as values come. The package knows no rule, no alarm and no clock. Start at
// Compile, and at functions in vocabulary.go; docs/reference/rules.md is the page for people.
package condition

import (
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// Truth is the answer of a condition. Undecided means that a value it needs is not known: it is neither yes nor no.
type Truth uint8

// The answers.
const (
	No Truth = iota
	Yes
	Undecided
)

// Facts is what a condition may ask about a subject besides its values. NaN is unknown.
type Facts struct {
	Unit       string
	AgeGroup   string
	AgeYears   float64
	Surgery    time.Time // end of the last operation; zero is unknown
	Flags      map[string]bool
	Programmes map[string]bool
	Zone       *time.Location // of hours and days; nil is UTC
}

// Score is a score as it stands: the sum of the parts that are known, and how many are missing.
type Score struct {
	Known   int
	Missing int
	Live    bool // false: not made for the subject's age, or never fed
}

// Context is one evaluation: the state of a subject at a time.
type Context struct {
	State *State
	Now   int64 // Unix nanoseconds
	Facts *Facts
	Score func(score int) Score
}

// Expr is a compiled condition. It does not change and may be shared between subjects.
type Expr struct {
	Text    string
	root    truthNode
	Metrics []int // slots of the layout that it reads, each once
	Scores  []int
	// Timed conditions change by the clock alone, without a new value.
	Timed bool
}

// Eval returns the answer now.
func (e *Expr) Eval(c *Context) Truth { return e.root.truth(c) }

// Layout numbers what the conditions of one program read, so that a subject keeps every window once.
type Layout struct {
	metrics []vigil.Metric
	scores  []string
	rings   []ringDef
	views   []viewDef
	bySlot  [][]int // rings
}

// Metrics returns the metrics by slot.
func (l *Layout) Metrics() []vigil.Metric { return l.metrics }

// Scores returns the keys of the scores by number.
func (l *Layout) Scores() []string { return l.scores }

// Back returns how far back the windows of a slot reach, 0 when it has none.
func (l *Layout) Back(slot int) time.Duration {
	longest := int64(0)
	for _, r := range l.rings {
		if r.slot == slot {
			longest = max(longest, r.span)
		}
	}
	return time.Duration(longest)
}

func (l *Layout) find(m vigil.Metric) int { return slices.Index(l.metrics, m) }

func (l *Layout) slot(m vigil.Metric) int {
	if i := l.find(m); i >= 0 {
		return i
	}
	l.metrics = append(l.metrics, m)
	l.bySlot = append(l.bySlot, nil)
	return len(l.metrics) - 1
}

func (l *Layout) score(key string) int {
	if i := slices.Index(l.scores, key); i >= 0 {
		return i
	}
	l.scores = append(l.scores, key)
	return len(l.scores) - 1
}

// view returns the number of a window, adding it and its ring when they are new.
func (l *Layout) view(slot int, v viewDef) int {
	long := v.window > longWindow
	v.ring = slices.IndexFunc(l.rings, func(r ringDef) bool { return r.slot == slot && r.long == long })
	if v.ring < 0 {
		v.ring = len(l.rings)
		l.rings = append(l.rings, ringDef{slot: slot, long: long})
		l.bySlot[slot] = append(l.bySlot[slot], v.ring)
	}
	r := &l.rings[v.ring]
	r.span = max(r.span, v.window)
	if long {
		r.gap = r.span / longPoints
	}
	if i := slices.Index(l.views, v); i >= 0 {
		return i
	}
	l.views = append(l.views, v)
	r.views = append(r.views, len(l.views)-1)
	return len(l.views) - 1
}
