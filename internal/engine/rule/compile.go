package rule

import (
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/condition"
	"github.com/vigil-health/vigil/internal/engine/score"
)

// Set is what a program is compiled from.
type Set struct {
	Rules  []Rule // in force
	Shadow []Rule // on trial: they are evaluated and noted, and disturb nobody
	Scores []catalog.ScoreTable
	Flags  map[string]string // that rules may ask for; nil: condition.Flags
	Chains []string          // known chains; nil: not checked
	Zone   *time.Location    // of hours and days; nil is UTC
	// Reasons says why a rule that is no longer in force is not, by key, for those whose alarm it ends. A key that stands
	// here and in no rule is retired: an alarm of it that is still open after a restart is ended.
	Reasons map[string]string
	// Place says where a value stands in a file, by its path, for messages. It may be nil.
	Place func(path string) (catalog.Place, bool)
}

// Program is every rule and table compiled against one dense numbering of metrics. It does not change and is shared by
// all subjects.
type Program struct {
	rules   []*compiled
	metrics []vigil.Metric
	index   map[vigil.Metric]int
	labels  []coding.Metric
	byMet   [][]int // rules of kind limit that hear a metric
	inputs  [][]inputRef
	scores  []*scored
	news2   int // index of the score that ScoreOf answers with, or -1
	zone    *time.Location
	reasons map[string]string

	layout  *condition.Layout
	slots   []int   // metric → slot of the layout, -1 when no condition reads it
	readers [][]int // slot → rules of kind condition that read it
	asks    []int   // score number of the layout → score
	timed   []int   // conditions that the clock alone may change

	noData, leadOff, quality *compiled
}

// compiled is one rule with its numbers at hand.
type compiled struct {
	Rule
	pos      int
	shadow   bool
	sources  []source
	low      bool // side
	covered  []int
	score    int // of kind score
	when     *condition.Expr
	until    *condition.Expr // nil: the end of when
	speaks   int32           // of kind condition: the first metric it reads, -1 for none
	schedule *schedule       // nil is always
	text     string          // as YAML: equal texts are equal rules
	said     string          // the rule as a sentence, of rules that have none of their own
}

// name is the key in ids: a rule on trial must not be taken for the one in force.
func (c *compiled) name() string {
	if c.shadow {
		return c.Key + "~shadow"
	}
	return c.Key
}

// perDevice reports whether every device has a condition of its own.
func (c *compiled) perDevice() bool {
	return c.Class == vigil.Technical && c.Kind != KindCondition
}

// source is one metric a rule can speak of.
type source struct {
	metric int
	delay  int64 // nanoseconds the condition must hold
	fresh  int64 // nanoseconds in which this source silences the ones after it
}

// scored is a score table with where its inputs lie.
type scored struct {
	table  *score.Table
	inputs [][]int
	rules  []int
	asked  []int // rules of kind condition that ask for it
}

const noFresh = 2 * time.Minute // a monitored source that fell silent gives way to the next one after this

// Compile checks rules against tables, metrics, flags and one another. Its Invalid error names every fault, with line and
// column where Set.Place knows them.
func Compile(set Set) (*Program, error) {
	p := &Program{index: map[vigil.Metric]int{}, news2: -1, layout: &condition.Layout{}, zone: set.Zone, reasons: set.Reasons}
	if p.zone == nil {
		p.zone = time.UTC
	}
	k := &check{set: &set, p: p, err: vigil.Errorf(vigil.Invalid, "rule.compile", "these rules cannot be used"), keys: map[string]int{}, scores: map[string]int{}}
	for _, m := range []vigil.Metric{bpSys, bpDia, bpMean, artSys, artDia, artMean} {
		p.metric(m)
	}
	for _, def := range set.Scores {
		p.addScore(def, k)
	}
	for _, r := range set.Rules {
		k.rule(r, false)
	}
	for _, r := range set.Shadow {
		k.rule(r, true)
	}
	k.covers()
	p.hear()
	p.feedScores()
	p.readConditions()
	if len(k.err.Faults) > 0 {
		return nil, k.err
	}
	return p, nil
}

func (p *Program) addScore(def catalog.ScoreTable, k *check) {
	t, err := score.New(def)
	if err != nil {
		k.fault("/scores/"+def.Key, "%s", err)
		return
	}
	s := &scored{table: t}
	for _, in := range t.Inputs() {
		var ids []int
		for _, m := range in.Metrics {
			ids = append(ids, p.metric(m))
		}
		s.inputs = append(s.inputs, ids)
	}
	k.scores[def.Key] = len(p.scores)
	if def.Key == "news2" {
		p.news2 = len(p.scores)
	}
	p.scores = append(p.scores, s)
}

// readConditions lists who reads what.
func (p *Program) readConditions() {
	for _, m := range p.layout.Metrics() {
		p.metric(m)
	}
	p.slots = make([]int, len(p.metrics))
	for i, m := range p.metrics {
		p.slots[i] = slices.Index(p.layout.Metrics(), m)
	}
	p.readers = make([][]int, len(p.layout.Metrics()))
	for _, key := range p.layout.Scores() {
		p.asks = append(p.asks, slices.IndexFunc(p.scores, func(s *scored) bool { return s.table.Key == key }))
	}
	for _, c := range p.rules {
		c.speaks = -1
		for _, e := range []*condition.Expr{c.when, c.until} {
			if e == nil {
				continue
			}
			for _, slot := range e.Metrics {
				if !slices.Contains(p.readers[slot], c.pos) {
					p.readers[slot] = append(p.readers[slot], c.pos)
				}
			}
			for _, n := range e.Scores {
				if s := p.scores[p.asks[n]]; !slices.Contains(s.asked, c.pos) {
					s.asked = append(s.asked, c.pos)
				}
			}
			if e.Timed && !slices.Contains(p.timed, c.pos) {
				p.timed = append(p.timed, c.pos)
			}
		}
		if c.when != nil && len(c.when.Metrics) > 0 {
			c.speaks = int32(p.index[p.layout.Metrics()[c.when.Metrics[0]]])
		}
	}
	// byMet and inputs are as long as the metrics, also those that conditions alone read
	for len(p.byMet) < len(p.metrics) {
		p.byMet = append(p.byMet, nil)
	}
	for len(p.inputs) < len(p.metrics) {
		p.inputs = append(p.inputs, nil)
	}
}

func (p *Program) metric(m vigil.Metric) int {
	i, ok := p.index[m]
	if !ok {
		i = len(p.metrics)
		p.index[m] = i
		p.metrics = append(p.metrics, m)
		def, _ := coding.Lookup(m)
		p.labels = append(p.labels, def)
	}
	return i
}

// hear lists for each metric the rules that listen, more urgent ones first, so that what covers is decided before
// what is covered.
func (p *Program) hear() {
	p.byMet = make([][]int, len(p.metrics))
	for _, c := range p.rules {
		for _, s := range c.sources {
			p.byMet[s.metric] = append(p.byMet[s.metric], c.pos)
		}
	}
	for _, list := range p.byMet {
		slices.SortStableFunc(list, func(a, b int) int {
			if p.covers(a, b) {
				return -1
			}
			if p.covers(b, a) {
				return 1
			}
			return 0
		})
	}
}

func (p *Program) covers(a, b int) bool { return slices.Contains(p.rules[b].covered, a) }

// limit returns the limit in force for a rule, NaN when the rule does not watch this age group.
func (c *compiled) limit(prof Profile) float64 {
	group := prof.AgeGroup
	if group == "" {
		group = Adult
	}
	def, ok := c.Limits[group]
	if !ok {
		if def, ok = c.Limits[Any]; !ok {
			return math.NaN()
		}
	}
	for _, m := range c.Metrics {
		own, ok := prof.Personal[m]
		if !ok {
			continue
		}
		side := own.High
		if c.low {
			side = own.Low
		}
		if side == nil {
			continue
		}
		switch {
		case !c.Extreme:
			return *side
		case c.low: // a personal limit may widen an extreme one, never narrow it
			return min(def, *side)
		default:
			return max(def, *side)
		}
	}
	return def
}
