package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

// quietStage hears everything and raises nothing: there is only what was there before.
type quietStage struct {
	now    time.Time
	before []vigil.Alarm
}

func (s *quietStage) Now() time.Time { return s.now }

func (s *quietStage) Wait(_ context.Context, d time.Duration) error {
	s.now = s.now.Add(d)
	return nil
}

func (s *quietStage) Send(context.Context, string, []byte) error { return nil }

func (s *quietStage) Alarms(_ context.Context, _ string, since time.Time) (out []vigil.Alarm, err error) {
	for _, a := range s.before {
		if !a.Raised.Before(since) {
			out = append(out, a)
		}
	}
	return out, nil
}

func (s *quietStage) Act(context.Context, string, string, sim.Act) error { return nil }

func (s *quietStage) Talk(context.Context, string, sim.Talk) error { return nil }

func (s *quietStage) Value(context.Context, string, string, time.Time) (float64, bool, error) {
	return 0, false, nil
}

func (s *quietStage) Has(context.Context, string) bool { return true }

func TestStoryKnowsItsOwnAlarms(t *testing.T) {
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	story, err := sim.ParseStory("x.story", []byte("0s sara systolic 121\nexpect alarm map-low raised within 5s\n"))
	if err != nil {
		t.Fatal(err)
	}
	role, err := h.RoleOf("sara")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	stage := &quietStage{now: start, before: []vigil.Alarm{{ID: "earlier", Rule: "map-low", Title: "MAP low", Raised: start.Add(-300 * time.Millisecond)}}}
	teller := sim.Teller{Story: story, Hospital: h, Stage: stage, Cast: map[string]sim.Role{"sara": role}}
	failed, err := teller.Run(t.Context())
	if err != nil || failed != 1 {
		t.Errorf("failed %d, %v: an alarm raised just before the story is not its alarm", failed, err)
	}
}
