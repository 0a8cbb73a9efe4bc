package rule

import (
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/score"
)

// program is every rule and table compiled against one dense numbering of metrics. It does not change.
type program struct {
	rules   []*compiled
	metrics []vigil.Metric
	index   map[vigil.Metric]int
	labels  []coding.Metric
	byMet   [][]int // rules of kind limit that hear a metric
	inputs  [][]inputRef
	scores  []*scored
	news2   int // index of the score that ScoreOf answers with, or -1

	noData, leadOff, quality *compiled
}

// compiled is one rule with its numbers at hand.
type compiled struct {
	Rule
	pos     int
	sources []source
	low     bool // side
	covered []int
	score   int // of kind score
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
}

const noFresh = 2 * time.Minute // a monitored source that fell silent gives way to the next one after this

// Compile checks rules against tables and metrics; every fault is named.
func compile(rules []Rule, tables []catalog.ScoreTable) (*program, error) {
	p := &program{index: map[vigil.Metric]int{}, news2: -1}
	e := vigil.Errorf(vigil.Invalid, "rule.compile", "the rules do not fit")
	fault := func(path, msg string) { e.Faults = append(e.Faults, vigil.Fault{Path: path, Msg: msg}) }
	for _, m := range []vigil.Metric{bpSys, bpDia, bpMean, artSys, artDia, artMean} {
		p.metric(m)
	}
	byScore := map[string]int{}
	for _, def := range tables {
		t, err := score.New(def)
		if err != nil {
			fault("/scores/"+def.Key, err.Error())
			continue
		}
		s := &scored{table: t}
		for _, in := range t.Inputs() {
			var ids []int
			for _, m := range in.Metrics {
				ids = append(ids, p.metric(m))
			}
			s.inputs = append(s.inputs, ids)
		}
		byScore[def.Key] = len(p.scores)
		if def.Key == "news2" {
			p.news2 = len(p.scores)
		}
		p.scores = append(p.scores, s)
	}
	keys := map[string]int{}
	for _, r := range rules {
		c := &compiled{Rule: r, pos: len(p.rules), low: r.Side == "low"}
		if _, twice := keys[r.Key]; twice || r.Key == "" || r.Title == "" {
			fault("/rules/"+r.Key, "key or title is missing or stands twice")
		}
		keys[r.Key] = c.pos
		p.rules = append(p.rules, c)
		switch r.Kind {
		case KindLimit:
			p.limitRule(c, fault)
		case KindScore:
			i, ok := byScore[r.Score]
			if !ok {
				fault("/rules/"+r.Key+"/score", "no table "+r.Score)
				continue
			}
			c.score = i
			p.scores[i].rules = append(p.scores[i].rules, c.pos)
		case KindNoData:
			p.noData = c
		case KindLeadOff:
			p.leadOff = c
		case KindQuality:
			p.quality = c
		default:
			fault("/rules/"+r.Key+"/kind", "unknown kind "+r.Kind)
		}
	}
	for _, c := range p.rules {
		for _, k := range c.CoveredBy {
			i, ok := keys[k]
			if !ok {
				fault("/rules/"+c.Key+"/covered_by", "no rule "+k)
			}
			c.covered = append(c.covered, i)
		}
	}
	p.hear()
	p.feedScores()
	if len(e.Faults) > 0 {
		return nil, e
	}
	return p, nil
}

func (p *program) limitRule(c *compiled, fault func(path, msg string)) {
	if c.Side != "low" && c.Side != "high" {
		fault("/rules/"+c.Key+"/side", "is neither low nor high")
	}
	if len(c.Metrics) == 0 {
		fault("/rules/"+c.Key+"/metrics", "is missing")
	}
	for _, m := range c.Metrics {
		def, ok := coding.Lookup(m)
		if !ok {
			fault("/rules/"+c.Key+"/metrics", "no metric "+string(m))
			continue
		}
		s := source{metric: p.metric(m), delay: int64(c.Delay), fresh: int64(min(def.MaxAge*3, noFresh))}
		if d, ok := c.Delays[m]; ok {
			s.delay = int64(d)
		}
		c.sources = append(c.sources, s)
	}
}

func (p *program) metric(m vigil.Metric) int {
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
func (p *program) hear() {
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

func (p *program) covers(a, b int) bool { return slices.Contains(p.rules[b].covered, a) }

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
