package alarm_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

func TestJudgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := raise(t, h, mapLow())
		lee, kim, sara := as(t, "dr-lee", access.Physician), as(t, "dr-kim", access.Physician), as(t, "sara", access.Patient)
		judge := func(truth vigil.Truth) alarm.Action { return alarm.Action{Kind: alarm.Judge, Truth: truth} }
		if _, err := h.desk.Do(lee, a.ID, judge(vigil.TruthReal)); vigil.KindOf(err) != vigil.Conflict {
			t.Errorf("judged before anybody had it: %v", err)
		}
		h.desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Acknowledge})
		if _, err := h.desk.Do(lee, a.ID, judge("maybe")); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("an answer that is none: %v", err)
		}
		if _, err := h.desk.Do(sara, a.ID, judge(vigil.TruthReal)); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("the patient judges: %v", err)
		}
		for range 2 { // tapped twice
			if _, err := h.desk.Do(lee, a.ID, judge(vigil.TruthArtefact)); err != nil {
				t.Fatal(err)
			}
		}
		h.desk.End(t.Context(), a.ID, time.Now())
		time.Sleep(time.Minute)
		got, err := h.desk.Do(kim, a.ID, judge(vigil.TruthNoAction))
		if err != nil || got.Judged == nil || *got.Judged != (vigil.Judgement{Truth: vigil.TruthNoAction, By: "dr-kim", At: time.Now()}) {
			t.Errorf("changed after the end: %+v, %v", got.Judged, err)
		}
		if want := "raised paged acknowledged marked_false ended resolved marked_no_action"; whats(got) != want {
			t.Errorf("history %q, want %q", whats(got), want)
		}
		if kept := h.book.sorted()[0]; kept.Judged == nil || kept.Judged.Truth != vigil.TruthNoAction {
			t.Errorf("kept %+v", kept.Judged)
		}
	})
}

func TestJudgementIsToldOnceItIsKept(t *testing.T) {
	var told []vigil.Truth
	desk := alarm.NewDesk(alarm.Config{Book: newMemory(), Judged: func(_ context.Context, a vigil.Alarm) { told = append(told, a.Judged.Truth) }})
	lee := as(t, "dr-lee", access.Physician)
	a, err := desk.Raise(lee, mapLow())
	if err != nil {
		t.Fatal(err)
	}
	desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Judge, Truth: vigil.TruthReal})
	if len(told) != 0 {
		t.Errorf("told %v of a judgement that was refused", told)
	}
	desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Acknowledge})
	desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Judge, Truth: vigil.TruthArtefact})
	if !slices.Equal(told, []vigil.Truth{vigil.TruthArtefact}) {
		t.Errorf("told %v", told)
	}
}
