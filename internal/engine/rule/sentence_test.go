package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/condition"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

func TestSentences(t *testing.T) {
	rules := must(catalog.Rules())(t)
	rules = append(rules, ruleFile(t, conditions).Rules...)
	rules = append(rules, rule.Rule{
		Key: "all", Kind: rule.KindCondition, Title: "All of it", Priority: vigil.PriorityLow, When: `last("spo2") / 2 > 40`, Delay: 1500 * time.Millisecond,
		Clear: catalog.Clear{When: `last("spo2") < 70 && hour > 3`, Hold: time.Minute}, Schedule: catalog.Schedule{Hours: "07:30-19", Days: []string{"mon", "tue"}},
		Scope: catalog.Scope{AgeGroups: []string{"adult", "child"}, Units: []string{"icu"}, Programmes: []string{"heart"}, Patients: []string{"sara"}}, Flags: map[string]bool{"asleep": true, "copd": false},
	})
	want := map[string]string{
		"map-low":         "High alarm when Arterial mean pressure, else Mean blood pressure is under 65 (adult) / 50 (child) / 40 (infant) / 30 (neonate) mmHg for 10 s (0 s for Mean blood pressure); ends when it is back by 2 for 10 s",
		"news2-high":      "Medium alarm when the score news2 is at least 7 for 1 min; ends when it is over for 1 min",
		"no-data":         "Medium alarm when a device is silent for 1 min",
		"fast-and-low":    "High alarm when Heart rate is over 120 bpm and the mean of Oxygen saturation over 5 min is under 92 % for 30 s; ends when it is over for 10 s",
		"night":           "Low alarm when the number of Pulse rate values over 100 bpm in 10 min is at least 5; only from 22-06; only on mon; only for patients flagged asleep",
		"battery-low":     "Low alarm when Battery level is under 20 (any) %; ends when it is back by 5",
		"all":             "Low alarm when «last(\"spo2\") / 2 > 40» for 1.5 s; ends when Oxygen saturation is under 70 % and the hour is over 3 for 1 min; only from 07:30-19; only on mon / tue; only for age group adult / child; only in unit icu; only in programme heart; only for patient sara; only for patients flagged asleep; only for patients not flagged copd",
		"temperature-low": "Medium alarm when Body temperature is under 35 (adult) / 35 (child) / 35.5 (infant) / 36 (neonate) °C; ends when it is back by 0.2 for 30 s",
	}
	for _, r := range rules {
		text := condition.Text(rule.Sentence(r))
		if w := want[r.Key]; w != "" && text != w {
			t.Errorf("%s:\n%s, want\n%s", r.Key, text, w)
		}
		back, err := rule.ParseSentence(text, rule.Rule{Kind: r.Kind})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := rule.FormOf(r).Rule(); err != nil || !sameRule(r, got) {
			t.Errorf("%s through the editor's form: %v\n%s", r.Key, err, cmp.Diff(r, got))
		}
		said := r // what a sentence says of it
		said.Key, said.Version, said.Title, said.Sentence, said.Extreme, said.Class, said.Chain, said.Latching, said.CoveredBy, said.Source = "", "", "", "", false, "", "", false, nil, ""
		if r.Kind == rule.KindScore {
			said.Limits = nil
		}
		if diff := cmp.Diff(said, back); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"Highest alarm when":                                "at letter 1",
		"High alarm when Heart is over 3":                   "at letter 17",
		"High alarm when Heart rate is over 120 bpm today":  "before \" today\"",
		"High alarm when the mean of Heart rate is over 5 ": "over and a duration",
	} {
		_, err := rule.ParseSentence(text, rule.Rule{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// sameRule compares but for the version, which the house gives.
func sameRule(a, b rule.Rule) bool {
	a.Version, b.Version = "", ""
	return cmp.Equal(a, b)
}
