package rule_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

func ruleFile(t testing.TB, text string) catalog.RuleFile {
	t.Helper()
	return must(catalog.ParseRules("test.yaml", []byte(text)))(t)
}

const both = `
- key: fast-and-low
  version: "1"
  kind: condition
  title: Fast heart and low oxygen
  priority: high
  when: 'last("heart-rate") > 120 && mean("spo2", "5m") < 92'
  delay: 5s
`

func with(rules ...rule.Rule) func(*rule.Config) {
	return func(c *rule.Config) { c.Rules = rules }
}

// shadows notes what rules on trial would have raised.
type shadows struct {
	mu  sync.Mutex
	log []string
}

func (s *shadows) BeginShadow(_ context.Context, x rule.Shadow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("begin %s %s %g", x.Rule, x.Metric, x.Value))
	return nil
}

func (s *shadows) EndShadow(_ context.Context, id string, _ time.Time, peak float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("end %s %g", strings.SplitN(id, ".", 2)[0], peak))
	return nil
}

func TestConditionOnTheStream(t *testing.T) {
	b := setUp(t, with(ruleFile(t, both).Rules...))
	b.hold("heart-rate=130 spo2=88", 180)
	expect(t, b, "raise fast-and-low")
	a := b.desk.last["fast-and-low"]
	if a.Metric != "heart-rate" || a.Value != 130 || !strings.Contains(a.Evidence.Sentence, "Heart rate is over 120 bpm") {
		t.Errorf("%+v %+v", a, a.Evidence)
	}
	b.hold("heart-rate=100", 2)
	expect(t, b, "raise fast-and-low, end fast-and-low")
}

// TestWindowsAreWholeAfterARestart raises at once what a window that telemetry still knows makes true.
func TestWindowsAreWholeAfterARestart(t *testing.T) {
	b := setUp(t, with(ruleFile(t, both).Rules...))
	b.hold("heart-rate=100 spo2=88", 200)
	again := setUp(t, func(c *rule.Config) {
		with(ruleFile(t, both).Rules...)(c)
		c.Telemetry = b.store
	})
	again.now, again.store = b.now, b.store
	again.hold("heart-rate=130 spo2=88", 7)
	expect(t, again, "raise fast-and-low")
}

func TestAdoptKeepsWhatDidNotChange(t *testing.T) {
	rules := append(must(catalog.Rules())(t), ruleFile(t, both).Rules...)
	b := setUp(t, with(rules...))
	b.hold("art-mean=60 heart-rate=130 spo2=88", 200)
	if n := strings.Count(b.desk.told(), "raise"); n != 4 {
		t.Fatal(b.desk.told())
	}
	b.desk.log = nil
	changed := must(catalog.Rules())(t)
	for i := range changed {
		if changed[i].Key == "heart-rate-high" {
			changed[i].Limits = map[string]float64{"adult": 125}
		}
	}
	p, err := rule.Compile(rule.Set{Rules: changed, Scores: must(catalog.Scores())(t), Reasons: map[string]string{"fast-and-low": "retired by Dr Lee: too many"}})
	if err != nil {
		t.Fatal(err)
	}
	b.Adopt(p)
	expect(t, b, "note heart-rate-high the rule was changed, end heart-rate-high, note fast-and-low retired by Dr Lee: too many, end fast-and-low")
	b.hold("art-mean=60 heart-rate=130 spo2=88", 20)
	expect(t, b, "note heart-rate-high the rule was changed, end heart-rate-high, note fast-and-low retired by Dr Lee: too many, end fast-and-low, raise heart-rate-high")
	b.hold("art-mean=80", 20)
	if !strings.Contains(b.desk.told(), "end map-low") {
		t.Errorf("%s: the open alarm of an unchanged rule did not end", b.desk.told())
	}
}

func TestRetiredWhileAway(t *testing.T) {
	b := setUp(t, func(c *rule.Config) {
		p, err := rule.Compile(rule.Set{Rules: c.Rules, Scores: c.Scores, Reasons: map[string]string{"old": "retired by Dr Lee"}})
		if err != nil {
			t.Fatal(err)
		}
		c.Program = p
	})
	b.Restore([]vigil.Alarm{
		{ID: "old.1", Kind: vigil.KindAlarm, Rule: "old", Subject: sara, Onset: b.now, Raised: b.now},
		{ID: "dose.1", Kind: vigil.KindAlarm, Rule: "dose-missed", Subject: sara, Onset: b.now, Raised: b.now},
	})
	expect(t, b, "note old retired by Dr Lee, end old")
}

func TestShadowDisturbsNobody(t *testing.T) {
	noted := &shadows{}
	b := setUp(t, func(c *rule.Config) {
		trial := ruleFile(t, both).Rules
		louder := rule.Rule{Key: "heart-rate-high", Version: "2", Kind: rule.KindLimit, Title: "HR high", Priority: vigil.PriorityMedium, Side: "high", Metrics: []vigil.Metric{"heart-rate"}, Limits: map[string]float64{"adult": 110}}
		p, err := rule.Compile(rule.Set{Rules: c.Rules, Scores: c.Scores, Shadow: append(trial, louder)})
		if err != nil {
			t.Fatal(err)
		}
		c.Program, c.Shadows = p, noted
	})
	b.hold("heart-rate=115 spo2=97", 5)
	views, err := b.LimitsOf(nurse(t), sara)
	for _, v := range views {
		if v.Metric == "heart-rate" && (v.High == nil || *v.High == 110) {
			t.Errorf("the limit on trial is shown: %+v", v)
		}
	}
	if err != nil || len(views) == 0 {
		t.Errorf("%v, %v", views, err)
	}
	b.hold("heart-rate=118 spo2=97", 5)
	b.hold("heart-rate=100", 2)
	expect(t, b, "")
	if got := strings.Join(noted.log, ", "); got != "begin heart-rate-high heart-rate 115, end heart-rate-high~shadow 118" {
		t.Errorf("noted %q", got)
	}
}

func TestEveryFaultOfAFileHasItsPlace(t *testing.T) {
	file := ruleFile(t, `
rules:
  - key: one
    kind: condition
    title: One
    priority: high
    when: |
      last("heart-rate") > 120 &&
        last("hart-rate") > 1
    schedule: {hours: 25-6}
  - key: Two
    kind: condition
    title: Two
    priority: low
    when: 'score("news9") >= 5'
    scope: {age_groups: [elder]}
    flags: {asleeep: true}
`)
	err := rule.Check(file, must(catalog.Scores())(t), nil)
	for _, want := range []string{
		`line 9, column 14: no metric "hart-rate"`, "line 10, column 16: hours \"25-6\"", "line 11, column 10: \"Two\" is not a lower-case key",
		`line 15, column 18: no score "news9"`, `line 16, column 25: no age group "elder"`, `line 17, column 22: no flag "asleeep"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}

func FuzzRuleFile(f *testing.F) {
	f.Add([]byte(both))
	f.Add([]byte(conditions))
	f.Add([]byte("key: a\nkind: limit\ntitle: A\nlimits: {adult: .nan}\ndelay: 9999999h\n"))
	f.Add([]byte("rules: []\ntests: [{name: x, series: [{metric: spo2, to: 9d, every: 1ns}]}]"))
	scores, err := catalog.Scores()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := catalog.ParseRules("fuzz", text)
		if err != nil {
			return
		}
		p, err := rule.Compile(rule.Set{Rules: file.Rules, Scores: scores, Place: file.Place})
		if err != nil {
			return
		}
		for _, r := range file.Rules {
			if _, err := catalog.FormatRule(r); err != nil {
				t.Errorf("%+v cannot be written: %v", r, err)
			}
		}
		if len(file.Tests) < 3 && len(text) < 2000 {
			rule.RunTests(p, file.Tests) //nolint:errcheck // must not panic
		}
	})
}
