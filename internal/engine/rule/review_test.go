package rule_test

import (
	"context"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

func TestReviewMayOnlyLower(t *testing.T) {
	low := func(a *vigil.Alarm) {
		a.Priority, a.Demoted = vigil.PriorityLow, &vigil.Demotion{By: "signal-quality", Reason: "flat line"}
	}
	for name, c := range map[string]struct {
		review   func(a *vigil.Alarm)
		priority vigil.Priority
		chain    string
		demoted  bool
	}{
		"Untouched":     {func(*vigil.Alarm) {}, vigil.PriorityHigh, "high", false},
		"Lowered":       {low, vigil.PriorityLow, "low", true},
		"NeverSilent":   {func(a *vigil.Alarm) { low(a); a.Priority = vigil.PriorityNone }, vigil.PriorityLow, "low", true},
		"WithoutReason": {func(a *vigil.Alarm) { a.Priority = vigil.PriorityLow }, vigil.PriorityHigh, "high", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, func(cfg *rule.Config) {
				cfg.Review = func(_ context.Context, a *vigil.Alarm) {
					if a.Evidence == nil {
						t.Error("the reviewer saw no evidence")
					}
					c.review(a)
				}
			})
			b.hold("heart-rate=30", 6)
			a := b.desk.last["heart-rate-extreme-low"]
			if a.Priority != c.priority || a.Chain != c.chain || (a.Demoted != nil) != c.demoted {
				t.Fatalf("priority %v, chain %s, demoted %+v", a.Priority, a.Chain, a.Demoted)
			}
			if c.demoted && a.Demoted.From != vigil.PriorityHigh {
				t.Errorf("from %v, want high", a.Demoted.From)
			}
		})
	}
}
