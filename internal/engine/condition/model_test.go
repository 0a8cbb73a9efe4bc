package condition_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/condition"
)

func TestModelAndSentenceBothWays(t *testing.T) {
	tests := map[string]string{
		`last("heart-rate") > 120 && mean("spo2", "5m") < 92 && score("news2") >= 5`: "Heart rate is over 120 bpm and the mean of Oxygen saturation over 5 min is under 92 % and the score news2 is at least 5",
		`last("spo2") < 90 && (flag("asleep") || !flag("on-oxygen"))`:                "Oxygen saturation is under 90 % and (the patient is flagged asleep or the patient is not flagged on-oxygen)",
		`slope("art-mean", "10m") < -2.5 || delta("bp-systolic", "1h") <= -30`:       "the slope of Arterial mean pressure over 10 min is under -2.5 mmHg a minute or the change of Systolic blood pressure over 1 h is at most -30 mmHg",
		`count_over("heart-rate", 100, "90s") >= 5`:                                  "the number of Heart rate values over 100 bpm in 90 s is at least 5",
		`duration_under("spo2", 88.5, "1h") > 60`:                                    "the time of Oxygen saturation under 88.5 % in 1 h is over 60 s",
		`missing("glucose", "24h") && !missing("heart-rate", "1m")`:                  "Blood glucose is missing for 24 h and Heart rate is not missing for 1 min",
		`age("temperature") >= 3600`:                                                 "the age of Body temperature is at least 3600 s",
		`last("lactate", "2h") != 0`:                                                 "Lactate of the last 2 h is not 0 mmol/L",
		`rate("consciousness", "1h") == 1`:                                           "the rate of change of Level of consciousness over 1 h is exactly 1 a minute",
		`hour >= 22 || hour < 6`:                                                     "the hour is at least 22 or the hour is under 6",
		`unit in ["icu", "hdu"] && weekday == "mon" && age_group != "child"`:         "the care unit is icu / hdu and the day is mon and the age group is not child",
		`postop_day <= 3 && age_years > 65 && programme("heart")`:                    "the post-op day is at most 3 and the age in years is over 65 and the patient is in programme heart",
		`score_known("news2") > 1`:                                                   "the known part of the score news2 is over 1",
	}
	for text, want := range tests {
		m, ok := condition.ModelOf(text)
		if !ok {
			t.Errorf("%s: no model", text)
			continue
		}
		if got := condition.Text(m.Phrase("")); got != want {
			t.Errorf("%s:\n%s, want\n%s", text, got, want)
		}
		if cel, err := m.CEL(); err != nil || cel != text {
			t.Errorf("%s: written as %s, %v", text, cel, err)
		}
		r := condition.NewReader(want)
		back, err := r.Model()
		if err != nil || r.Rest != "" {
			t.Errorf("%s: %v, left %q", want, err, r.Rest)
		}
		if diff := cmp.Diff(m, back); diff != "" {
			t.Errorf("%s: %s", want, diff)
		}
	}
	for _, text := range []string{`last("spo2") / 2 > 1`, `abs(last("spo2")) > 1`, `last("spo2") > last("heart-rate")`, `!(last("spo2") > 1)`, `true`, `1 +`} {
		if m, ok := condition.ModelOf(text); ok {
			t.Errorf("%s became %+v", text, m)
		}
	}
}

func TestMetricsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range coding.Metrics() {
		if name := condition.MetricName(m.Key); m.Shape == coding.Numeric && seen[name] {
			t.Errorf("%q names two metrics", name)
		} else {
			seen[name] = m.Shape == coding.Numeric
		}
	}
}

func FuzzSentence(f *testing.F) {
	f.Add("Heart rate is over 120 bpm and (the mean of Oxygen saturation over 5 min is under 92 % or the hour is at least 22)")
	f.Add("the patient is not flagged asleep")
	f.Fuzz(func(t *testing.T, text string) {
		r := condition.NewReader(text)
		m, err := r.Model()
		if err != nil || r.Rest != "" || strings.ContainsAny(text, "\"\\") {
			return
		}
		cel, err := m.CEL()
		if err != nil {
			t.Fatalf("%q gave %+v, which cannot be written: %v", text, m, err)
		}
		if _, ok := condition.ModelOf(cel); !ok && len(cel) < 2000 && strings.Count(cel, "(") < 20 {
			t.Fatalf("%q gave %s, which is no model", text, cel)
		}
	})
}
