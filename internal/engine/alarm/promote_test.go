package alarm_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

func TestPromoteBeginsTheChainOfItsPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		sys := access.AsSystem(t.Context(), "review")
		a := mapLow()
		a.Priority, a.Chain = vigil.PriorityLow, "low"
		a.Demoted = &vigil.Demotion{From: vigil.PriorityHigh, By: "signal-quality", Reason: "ECG: flat line"}
		a = raise(t, h, a)
		synctest.Wait()
		before := h.page.got()
		if _, err := h.desk.Do(as(t, "mia", access.Nurse), a.ID, alarm.Action{Kind: alarm.Acknowledge}); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.Promote(sys, a.ID, "ECG is good"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got, err := h.desk.Get(sys, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Priority != vigil.PriorityHigh || got.Chain != "high" || got.Demoted != nil || got.State != vigil.AlarmPaged || got.AckedBy != "" {
			t.Errorf("promoted to %s by chain %s, state %s, acknowledged by %q, %+v", got.Priority, got.Chain, got.State, got.AckedBy, got.Demoted)
		}
		if h.page.got() == before {
			t.Error("nobody was paged anew")
		}
		history := len(got.History)
		if err := h.desk.Promote(sys, a.ID, "again"); err != nil {
			t.Fatal(err)
		}
		if got, _ = h.desk.Get(sys, a.ID); len(got.History) != history {
			t.Error("what is not demoted was promoted")
		}
	})
}

func TestComebackIsAsUrgentAsItsRuleOnceNothingSpeaksAgainst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		sys := access.AsSystem(t.Context(), "rule")
		a := mapLow()
		a.Priority, a.Chain = vigil.PriorityMedium, "medium"
		a.Demoted = &vigil.Demotion{From: vigil.PriorityHigh, By: "signal-quality", Reason: "ECG: flat line"}
		a = raise(t, h, a)
		if err := h.desk.End(sys, a.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		a = raise(t, h, mapLow())
		if a.Priority != vigil.PriorityHigh || a.Chain != "high" || a.Demoted != nil || a.Step != 1 {
			t.Errorf("came back %s by chain %s at step %d, %+v", a.Priority, a.Chain, a.Step, a.Demoted)
		}
	})
}
