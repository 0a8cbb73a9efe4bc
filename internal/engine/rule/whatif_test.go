package rule_test

import (
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

func TestWhatIf(t *testing.T) {
	begin := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	at := func(every time.Duration, n int, value func(i int) float64) *telemetry.Block {
		b := &telemetry.Block{Times: make([]int64, n), Values: make([]float64, n), Qualities: make([]vigil.Quality, n)}
		for i := range n {
			b.Times[i], b.Values[i] = begin.Add(time.Duration(i)*every).UnixNano(), value(i)
		}
		return b
	}
	// Each hour of a second a sample: twelve seconds at 89 in its first minutes; in the third and sixth also a minute at 87.
	dip := func(i int) float64 {
		switch hour, s := i/3600, i%3600; {
		case s >= 300 && s < 312:
			return 89
		case (hour == 3 || hour == 6) && s >= 1800 && s < 1860:
			return 87
		}
		return 96
	}
	s := &shelf{replays: map[string]rule.Replay{}, series: map[vigil.SeriesKey]*telemetry.Block{
		{Subject: "Patient/sara", Device: "patch", Metric: "spo2"}: at(time.Second, 10*3600, dip),
	}}
	to := begin.Add(10 * time.Hour)
	book := rule.NewRulebook(rule.RulebookConfig{Book: s, Catalogue: must(catalog.Rules())(t), Scores: must(catalog.Scores())(t), Now: func() time.Time { return to }})
	runner := rule.NewReplays(rule.ReplaysConfig{Book: s, Rules: book, Raw: s, Now: func() time.Time { return to }})
	lee := as(t, "lee", access.Physician)
	out, err := runner.WhatIf(lee, rule.WhatIf{Rule: "spo2-low", Subject: "Patient/sara", From: begin, To: to, Variants: []rule.Variant{{}, {Delay: 15 * time.Second}, {Widen: 1}, {Widen: 20}, {Delay: 2 * time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
	if out.Limit != 90 || !out.Low || out.Metric != "spo2" || out.Samples != 36000 {
		t.Errorf("limit %g of %s, %d samples", out.Limit, out.Metric, out.Samples)
	}
	got := []int{len(out.Today)}
	for _, v := range out.Variants {
		got = append(got, len(v))
	}
	for i, want := range []int{12, 12, 2, 2, 0, 0} {
		if got[i] != want {
			t.Fatalf("alarms %v, want 12, then 12 2 2 0 0", got)
		}
	}
	for _, e := range out.Variants[1] {
		if e.Peak != 87 {
			t.Errorf("kept the wrong one: %+v", e)
		}
	}
	for name, c := range map[string]struct {
		rule string
		who  access.Role
		want vigil.Kind
	}{"UnknownRule": {"none", access.Physician, vigil.NotFound}, "ScoreRule": {"news2-high", access.Physician, vigil.NotFound}, "Engineer": {"spo2-low", access.Engineer, vigil.Denied}} {
		if _, err := runner.WhatIf(as(t, name, c.who), rule.WhatIf{Rule: c.rule, Subject: "Patient/sara", From: begin, To: to}); vigil.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
