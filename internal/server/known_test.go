package server

import (
	"testing"

	"github.com/vigil-health/vigil"
)

func TestKnownEventsOfReplays(t *testing.T) {
	acted := []vigil.AlarmStep{{What: "raised"}, {What: "action", Text: "fluids"}}
	for name, c := range map[string]struct {
		alarm vigil.Alarm
		want  string
	}{
		"NobodyActed":           {vigil.Alarm{Title: "MAP low", History: acted[:1]}, ""},
		"SomebodyActed":         {vigil.Alarm{Title: "MAP low", History: acted}, "MAP low: action fluids"},
		"FoundReal":             {vigil.Alarm{Title: "MAP low", Judged: &vigil.Judgement{Truth: vigil.TruthReal}}, "MAP low: marked real"},
		"FoundArtefactAfterAll": {vigil.Alarm{Title: "MAP low", History: acted, Judged: &vigil.Judgement{Truth: vigil.TruthArtefact}}, ""},
		"RealButNothingWasToDo": {vigil.Alarm{Title: "MAP low", Judged: &vigil.Judgement{Truth: vigil.TruthNoAction}}, ""},
		"CodeCall":              {vigil.Alarm{Kind: vigil.KindCall, Rule: "call-code"}, "code call"},
	} {
		if got := known(&c.alarm); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
