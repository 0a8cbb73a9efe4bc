package rule_test

import (
	"strings"
	"testing"

	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// program compiles rules of a file, the catalogue's when it has none.
func program(t testing.TB, file catalog.RuleFile) *rule.Program {
	t.Helper()
	rules, scores := file.Rules, must(catalog.Scores())(t)
	if len(rules) == 0 {
		rules = must(catalog.Rules())(t)
	}
	p, err := rule.Compile(rule.Set{Rules: rules, Scores: scores, Place: file.Place})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func runFile(t *testing.T, name string, file catalog.RuleFile) {
	t.Helper()
	results, err := rule.RunTests(program(t, file), file.Tests)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) == 0 {
		t.Errorf("%s has no tests", name)
	}
	for _, r := range results {
		if len(r.Faults) > 0 {
			t.Errorf("%s, %s: %s", name, r.Name, strings.Join(r.Faults, "; "))
		}
	}
}

func TestRulesOfTheCatalogue(t *testing.T) {
	for name, file := range must(catalog.RuleTests())(t) {
		runFile(t, name, file)
	}
}

const conditions = `
rules:
- key: fast-and-low
  kind: condition
  title: Fast heart and low oxygen
  priority: high
  when: 'last("heart-rate") > 120 && mean("spo2", "5m") < 92'
  delay: 30s
  clear: {hold: 10s}
- key: apart
  kind: condition
  title: Clears by itself
  priority: medium
  when: 'last("lactate") > 4'
  clear: {when: 'last("lactate") < 2'}
- key: falling
  kind: condition
  title: Pressure falls
  priority: medium
  when: 'slope("art-mean", "10m") < -2'
  scope: {age_groups: [adult]}
- key: night
  kind: condition
  title: Restless night
  priority: low
  when: 'count_over("pulse-rate", 100, "10m") >= 5'
  schedule: {hours: 22-06, days: [mon]}
  flags: {asleep: true}
- key: silent
  kind: condition
  title: No glucose for an hour
  priority: low
  when: 'missing("glucose", "1h")'
- key: total
  kind: condition
  title: NEWS2 with fever
  priority: medium
  when: 'score("news2") >= 5 && last("temperature") > 38'
- key: day-limit
  kind: limit
  title: Temperature by day
  priority: low
  metrics: [temperature-skin]
  side: high
  limits: {adult: 38}
  schedule: {hours: 07-19}
tests:
- name: both must hold for half a minute
  rules: [fast-and-low]
  series:
  - {metric: heart-rate, from: 0s, to: 10m, value: 130}
  - {metric: spo2, from: 0s, to: 4m, value: 97}
  - {metric: spo2, from: 4m, to: 10m, value: 80}
  expect:
  - {rule: fast-and-low, start: 5m58s, priority: high}
- name: undecided is not yes
  rules: [fast-and-low]
  series:
  - {metric: heart-rate, from: 0s, to: 10m, value: 130}
  - {metric: spo2, from: 0s, to: 20s, value: 80}
  expect: []
- name: undecided ends nothing
  rules: [fast-and-low]
  series:
  - {metric: heart-rate, from: 0s, to: 20m, value: 130}
  - {metric: spo2, from: 0s, to: 4m, value: 80}
  expect:
  - {rule: fast-and-low, start: 3m}
- name: late values do not fire
  rules: [fast-and-low]
  series:
  - {metric: heart-rate, from: 0s, to: 10m, value: 130, late: true}
  - {metric: spo2, from: 0s, to: 10m, value: 80, late: true}
  expect: []
- name: an end of its own
  rules: [apart]
  series:
  - {metric: lactate, from: 0s, value: 5}
  - {metric: lactate, from: 10m, value: 3}
  - {metric: lactate, from: 20m, value: 1.5}
  expect:
  - {rule: apart, start: 0s, end: 20m}
- name: a slope
  rules: [falling]
  series: [{metric: art-mean, from: 0s, to: 20m, every: 10s, value: 100, to_value: 40}]
  expect: [{rule: falling, start: 5m}]
- name: not for children
  rules: [falling]
  profile: {age_group: child}
  series: [{metric: art-mean, from: 0s, to: 20m, every: 10s, value: 100, to_value: 40}]
  expect: []
- name: at night while asleep
  rules: [night]
  start: 2026-01-05T21:50:00Z
  profile: {flags: [asleep]}
  series: [{metric: pulse-rate, from: 0s, to: 20m, every: 1m, value: 110}]
  flags: [{at: 15m, lift: asleep}]
  expect: [{rule: night, start: 10m, end: 15m}]
- name: not in the night after another day
  rules: [night]
  start: 2026-01-06T21:50:00Z
  profile: {flags: [asleep]}
  series: [{metric: pulse-rate, from: 0s, to: 20m, every: 1m, value: 110}]
  expect: []
- name: silence is told once it has lasted
  rules: [silent]
  series:
  - {metric: glucose, from: 0s, value: 100}
  - {metric: heart-rate, from: 0s, to: 2h, every: 1m, value: 70}
  - {metric: glucose, from: 90m, value: 100}
  expect: [{rule: silent, start: 1h, end: 90m}]
- name: known parts of a score are enough
  rules: [total]
  series:
  - {metric: respiratory-rate, from: 0s, to: 2m, value: 26}
  - {metric: heart-rate, from: 0s, to: 2m, value: 135}
  - {metric: temperature, from: 1m, value: 38.6}
  expect: [{rule: total, start: 1m}]
- name: the day ends and so does the alarm
  rules: [day-limit]
  start: 2026-01-05T18:58:00Z
  series: [{metric: temperature-skin, from: 0s, to: 10m, value: 39}]
  expect: [{rule: day-limit, start: 0s, end: 2m}]
`

func TestConditions(t *testing.T) {
	runFile(t, "conditions", must(catalog.ParseRules("conditions", []byte(conditions)))(t))
}

func TestTestsCanFail(t *testing.T) {
	file := must(catalog.ParseRules("x", []byte(`
tests:
- name: wrong in every way
  rules: [map-low, spo2-low]
  series:
  - {metric: art-mean, from: 0s, to: 1m, value: 60}
  - {metric: spo2, from: 0s, to: 1m, value: 88}
  expect:
  - {rule: map-low, start: 10s, end: 20s, priority: low}
  - {rule: spo2-low, start: 30s}
`)))(t)
	got := must(rule.RunTests(program(t, file), file.Tests))(t)
	want := []string{"map-low at 10s has priority high, expected low", "map-low at 10s is still open, expected to end at 20s", "expected spo2-low at 30s: it was raised at 10s", "spo2-low was raised at 10s and nobody expected it"}
	if strings.Join(got[0].Faults, "|") != strings.Join(want, "|") {
		t.Errorf("%q", got[0].Faults)
	}
}
