package rule

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/condition"
)

// longestDelay bounds delays and clear holds: what takes longer is a window of a condition.
const longestDelay = 24 * time.Hour

// Check says whether the rules of a file can be used, each with the others and with the tables. Its Invalid error names
// every fault with line and column.
func Check(file catalog.RuleFile, tables []catalog.ScoreTable, chains []catalog.Chain) error {
	set := Set{Rules: file.Rules, Scores: tables, Place: file.Place}
	for _, c := range chains {
		set.Chains = append(set.Chains, c.Key)
	}
	_, err := Compile(set)
	return err
}

// check collects the faults of the rules of one set while they are compiled.
type check struct {
	set    *Set
	p      *Program
	err    *vigil.Error
	keys   map[string]int // rules in force
	scores map[string]int
}

func (k *check) fault(path, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if k.set.Place != nil {
		if at, ok := k.set.Place(path); ok {
			msg = fmt.Sprintf("line %d, column %d: %s", at.Line, at.Column, msg)
		}
	}
	k.err.Faults = append(k.err.Faults, vigil.Fault{Path: path, Msg: msg})
}

// rule compiles one rule; a rule with faults stands in the program all the same, so that the rest is examined too.
func (k *check) rule(r Rule, shadow bool) {
	if r.Class == "" {
		r.Class = vigil.Physiological
	}
	c := &compiled{Rule: r, pos: len(k.p.rules), low: r.Side == "low", shadow: shadow}
	k.p.rules = append(k.p.rules, c)
	path := "/rules/" + r.Key
	if _, twice := k.keys[r.Key]; twice && !shadow {
		k.fault(path, "the key stands twice")
	}
	if !keyPattern().MatchString(r.Key) || len(r.Key) > 60 {
		k.fault(path+"/key", "%q is not a lower-case key such as spo2-low", r.Key)
	}
	if slices.Contains([]string{"check", "replays", "shadows", "test", "vocabulary"}, r.Key) {
		k.fault(path+"/key", "%q is a word of the house; choose another key", r.Key)
	}
	if !shadow {
		k.keys[r.Key] = c.pos
	}
	text, err := catalog.FormatRule(r)
	if err != nil {
		k.fault(path, "%s", err)
	}
	c.text = text
	k.common(c, path)
	if r.Sentence == "" {
		c.said = condition.Text(Sentence(r))
	}
	switch r.Kind {
	case KindLimit:
		k.limit(c, path)
	case KindScore:
		i, ok := k.scores[r.Score]
		if !ok {
			k.fault(path+"/score", "no score %q; there are %s", r.Score, strings.Join(slices.Sorted(maps.Keys(k.scores)), ", "))
			return
		}
		c.score = i
		k.p.scores[i].rules = append(k.p.scores[i].rules, c.pos)
	case KindCondition:
		k.condition(c, path)
	case KindNoData:
		k.p.noData = c
	case KindLeadOff:
		k.p.leadOff = c
	case KindQuality:
		k.p.quality = c
	default:
		k.fault(path+"/kind", "unknown kind %q; there are limit, score, condition, no-data, lead-off, quality", r.Kind)
	}
}

func keyPattern() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]+([-.][a-z0-9]+)*$`) }

// common checks what every kind of rule has.
func (k *check) common(c *compiled, path string) {
	if c.Title == "" || len(c.Title) > 120 {
		k.fault(path+"/title", "a rule needs a title of at most 120 bytes")
	}
	if c.Class != vigil.Physiological && c.Class != vigil.Technical {
		k.fault(path+"/class", "%q is neither physiological nor technical", c.Class)
	}
	if c.Priority == vigil.PriorityNone || c.Priority > vigil.PriorityHigh {
		k.fault(path+"/priority", "a rule needs a priority: low, medium or high")
	}
	if k.set.Chains != nil && !slices.Contains(k.set.Chains, c.Chain) {
		k.fault(path+"/chain", "no chain %q; there are %s", c.Chain, strings.Join(k.set.Chains, ", "))
	}
	delays := map[string]time.Duration{"/delay": c.Delay, "/clear/hold": c.Clear.Hold}
	for m, d := range c.Delays {
		delays["/delays/"+string(m)] = d
		if !slices.Contains(c.Metrics, m) {
			k.fault(path+"/delays/"+string(m), "the rule does not speak of %q", m)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(delays)) {
		if d := delays[at]; d < 0 || d > longestDelay {
			k.fault(path+at, "%s is not from 0s to 24h", d)
		}
	}
	if h := c.Clear.Hysteresis; h < 0 || math.IsNaN(h) || math.IsInf(h, 0) {
		k.fault(path+"/clear/hysteresis", "is not a number of at least 0")
	}
	for _, g := range c.Scope.AgeGroups {
		if !slices.Contains(ageGroups(), g) {
			k.fault(path+"/scope/age_groups", "no age group %q; there are %s", g, strings.Join(ageGroups(), ", "))
		}
	}
	flags := k.flags()
	for _, f := range slices.Sorted(maps.Keys(c.Flags)) {
		if _, ok := flags[f]; !ok {
			k.fault(path+"/flags/"+f, "no flag %q", f)
		}
	}
	s, err := newSchedule(c.Schedule)
	if err != nil {
		k.fault(path+"/schedule", "%s", vigil.Message(err))
	}
	c.schedule = s
	if c.When != "" && c.Kind != KindCondition {
		k.fault(path+"/when", "only a rule of kind condition has a condition")
	}
}

func ageGroups() []string { return []string{Neonate, Infant, Child, Adult} }

func (k *check) flags() map[string]string {
	if k.set.Flags != nil {
		return k.set.Flags
	}
	return condition.Flags()
}

func (k *check) limit(c *compiled, path string) {
	if c.Side != "low" && c.Side != "high" {
		k.fault(path+"/side", "is neither low nor high")
	}
	if len(c.Metrics) == 0 {
		k.fault(path+"/metrics", "is missing")
	}
	if len(c.Limits) == 0 {
		k.fault(path+"/limits", "a limit rule needs a limit for at least one age group")
	}
	for _, g := range slices.Sorted(maps.Keys(c.Limits)) {
		if v := c.Limits[g]; g != Any && !slices.Contains(ageGroups(), g) || math.IsNaN(v) || math.IsInf(v, 0) {
			k.fault(path+"/limits/"+g, "is not a number for an age group: %s or any", strings.Join(ageGroups(), ", "))
		}
	}
	for _, m := range c.Metrics {
		def, ok := coding.Lookup(m)
		if !ok {
			k.fault(path+"/metrics", "no metric %q", m)
			continue
		}
		s := source{metric: k.p.metric(m), delay: int64(c.Delay), fresh: int64(min(def.MaxAge*3, noFresh))}
		if d, ok := c.Delays[m]; ok {
			s.delay = int64(d)
		}
		c.sources = append(c.sources, s)
	}
}

func (k *check) condition(c *compiled, path string) {
	words := condition.Vocabulary{Scores: slices.Sorted(maps.Keys(k.scores)), Flags: k.flags()}
	compile := func(at, text string) *condition.Expr {
		expr, faults := condition.Compile(k.p.layout, words, text)
		for _, f := range faults {
			k.faultIn(at, f)
		}
		return expr
	}
	if c.When == "" {
		k.fault(path+"/when", "a condition is missing: when: 'last(\"heart-rate\") > 120'")
		return
	}
	c.when = compile(path+"/when", c.When)
	if c.Clear.When != "" {
		c.until = compile(path+"/clear/when", c.Clear.When)
	}
	if c.Clear.Hysteresis != 0 {
		k.fault(path+"/clear/hysteresis", "a condition has no single limit; write clear: {when: …}")
	}
}

// faultIn places a fault inside an expression: in the file where that is known, else in the expression.
func (k *check) faultIn(path string, f condition.Fault) {
	at, ok := catalog.Place{Line: 1, Column: 1}, false
	if k.set.Place != nil {
		at, ok = k.set.Place(path)
	}
	line, column := at.Line+f.Line-1, f.Column+at.Column-1
	if !ok {
		line, column = f.Line, f.Column
	}
	k.err.Faults = append(k.err.Faults, vigil.Fault{Path: path, Msg: fmt.Sprintf("line %d, column %d: %s", line, column, f.Msg)})
}

// covers resolves who speaks for whom. A rule on trial speaks for nobody.
func (k *check) covers() {
	for _, c := range k.p.rules {
		for _, key := range c.CoveredBy {
			i, ok := k.keys[key]
			switch {
			case ok:
				c.covered = append(c.covered, i)
			case k.set.Reasons[key] == "": // a rule that was switched off speaks for nobody either
				k.fault("/rules/"+c.Key+"/covered_by", "no rule %q", key)
			}
		}
	}
}
