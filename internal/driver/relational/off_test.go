package relational_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/rota"
)

func TestAlarmsOff(t *testing.T) { each(t, examineOffs) }

func examineOffs(t *testing.T, h *house) {
	ctx, from := t.Context(), time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	reopen := h.reopen(t)
	one := alarm.Off{ID: "o1", Subject: "Patient/sara", Priority: vigil.PriorityHigh, Reason: "suction", By: "kim", ByName: "Dr Kim", From: from, Until: from.Add(time.Hour)}
	two := alarm.Off{ID: "o2", Unit: "icu", Rule: "battery", Priority: vigil.PriorityLow, Reason: "exchange", From: from.Add(time.Minute), Until: from.Add(time.Hour)}
	for _, o := range []alarm.Off{one, two} {
		if err := reopen().Offs().Put(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	one.Ended, one.EndedBy = from.Add(time.Minute), "Jo Ruiz"
	if err := reopen().Offs().Put(ctx, one); err != nil {
		t.Fatal(err)
	}
	b := reopen().Offs()
	if got, err := b.Get(ctx, "o1"); err != nil || cmp.Diff(one, got) != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := b.List(ctx, true); err != nil || cmp.Diff([]alarm.Off{two}, got) != "" {
		t.Errorf("standing %+v, %v", got, err)
	}
	if got, err := b.List(ctx, false); err != nil || cmp.Diff([]alarm.Off{two, one}, got) != "" {
		t.Errorf("all %+v, %v", got, err)
	}
	if _, err := b.Get(ctx, "o3"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("Get of nothing: %v", err)
	}
}

func TestRotaItems(t *testing.T) { each(t, examineRota) }

func examineRota(t *testing.T, h *house) {
	ctx, at := t.Context(), time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	reopen := h.reopen(t)
	b := reopen().Rota()
	shift := rota.Shift{ID: "s1", Unit: "icu", Role: "nurse", Person: "Practitioner/ruiz", Days: []string{"mon"}, From: "07:00", To: "19:00"}
	sub := rota.Substitute{ID: "x1", Unit: "icu", Role: "nurse", Person: "Practitioner/kim", From: at, To: at.Add(time.Hour)}
	over := rota.Handover{ID: "h1", Unit: "icu", Role: "nurse", From: "Practitioner/ruiz", To: "Practitioner/kim", State: rota.Offered, At: at, Alarms: []string{"a"}}
	for _, err := range []error{b.PutShift(ctx, shift), b.PutSubstitute(ctx, sub), b.PutHandover(ctx, over)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	shift.To = "20:00"
	over.State = rota.Accepted
	for _, err := range []error{b.PutShift(ctx, shift), b.PutHandover(ctx, over)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b = reopen().Rota()
	if got, err := b.Shifts(ctx); err != nil || cmp.Diff([]rota.Shift{shift}, got) != "" {
		t.Errorf("shifts %+v, %v", got, err)
	}
	if got, err := b.Substitutes(ctx, at); err != nil || cmp.Diff([]rota.Substitute{sub}, got) != "" {
		t.Errorf("substitutes %+v, %v", got, err)
	}
	if got, err := b.Substitutes(ctx, at.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("ended substitutes %+v, %v", got, err)
	}
	if got, err := b.Handovers(ctx, at.Add(-time.Hour)); err != nil || cmp.Diff([]rota.Handover{over}, got) != "" {
		t.Errorf("hand-overs %+v, %v", got, err)
	}
	if ok, err := b.Drop(ctx, "h1"); err != nil || ok {
		t.Errorf("a hand-over was dropped: %v, %v", ok, err)
	}
	for _, want := range []bool{true, false} {
		if ok, err := b.Drop(ctx, "s1"); err != nil || ok != want {
			t.Errorf("dropped %v, %v", ok, err)
		}
	}
}
