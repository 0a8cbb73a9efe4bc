package relational_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
)

func TestPersonalLimits(t *testing.T) { each(t, examinePersonalLimits) }

func examinePersonalLimits(t *testing.T, h *house) {
	reopen := h.reopen(t)
	low, high := 35.0, 120.0
	l := reopen().Limits()
	put := func(limits map[vigil.Metric]vigil.Limit) {
		t.Helper()
		if err := l.PutLimits(t.Context(), "Patient/sara", limits); err != nil {
			t.Fatal(err)
		}
	}
	put(map[vigil.Metric]vigil.Limit{"heart-rate": {Low: &low, High: &high}, "spo2": {Low: &low}})
	put(map[vigil.Metric]vigil.Limit{"spo2": {}})
	got, err := reopen().Limits().GetLimits(t.Context(), "Patient/sara")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[vigil.Metric]vigil.Limit{"heart-rate": {Low: &low, High: &high}}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := l.GetLimits(t.Context(), "Patient/omar"); err == nil && len(got) != 0 {
		t.Errorf("another patient has %v", got)
	}
}
