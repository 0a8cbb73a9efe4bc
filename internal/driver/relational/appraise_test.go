package relational_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/appraise"
)

func TestAppraisals(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		book := h.open(t).Appraisals()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		standing := appraise.Standing{Key: "m", Version: "1", State: appraise.Shadow, Since: at, By: "lee", Proposal: &appraise.Proposal{By: "lee", Name: "Dr Lee", At: at, Reason: "fewer alarms"}}
		must(book.PutStanding(t.Context(), appraise.Standing{Key: "m", Version: "1", State: appraise.Off}))
		must(book.PutStanding(t.Context(), standing))
		first := appraise.Verdict{ID: "a", Model: "m", Version: "1", Subject: "Patient/sara", At: at, State: appraise.Shadow, Raw: 0.2, Probability: 0.1, Why: []string{"ECG flat"}}
		again := first
		again.Raw = 0.9
		other := appraise.Verdict{ID: "b", Model: "m", Version: "2", Subject: "Patient/sara", At: at}
		must(book.AddVerdict(t.Context(), first))
		must(book.AddVerdict(t.Context(), again)) // stays as it is
		must(book.AddVerdict(t.Context(), other))
		must(book.SetTruth(t.Context(), "m", "a", false))
		if err := book.SetTruth(t.Context(), "m", "c", true); vigil.KindOf(err) != vigil.NotFound {
			t.Errorf("truth of nothing: %v", err)
		}
		outcome := appraise.Outcome{Subject: "Patient/sara", At: at, By: "lee"}
		must(book.AddOutcome(t.Context(), outcome))
		must(book.AddOutcome(t.Context(), outcome))

		book = h.open(t).Appraisals() // a restart
		standings, err := book.Standings(t.Context())
		must(err)
		if diff := cmp.Diff([]appraise.Standing{standing}, standings); diff != "" {
			t.Error(diff)
		}
		no := false
		first.Truth = &no
		verdicts, err := book.Verdicts(t.Context(), "m", "1", at, 10)
		must(err)
		if diff := cmp.Diff([]appraise.Verdict{first}, verdicts); diff != "" {
			t.Error(diff)
		}
		if late, err := book.Verdicts(t.Context(), "m", "1", at.Add(time.Second), 10); err != nil || len(late) != 0 {
			t.Errorf("verdicts later on: %v, %v", late, err)
		}
		outcomes, err := book.Outcomes(t.Context(), at)
		must(err)
		if diff := cmp.Diff([]appraise.Outcome{outcome}, outcomes); diff != "" {
			t.Error(diff)
		}
	})
}
