package relational_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/schedule"
)

func TestDeadlinesSurviveARestart(t *testing.T) { each(t, examineDeadlinesSurviveARestart) }

func examineDeadlinesSurviveARestart(t *testing.T, h *house) {
	reopen, ctx := h.reopen(t), t.Context()
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s := schedule.New(reopen().Deadlines(), clock, nil)
	for key, after := range map[string]time.Duration{"medication/a": time.Hour, "medication/b": 2 * time.Hour, "medication/c": time.Minute, "other/d": time.Minute} {
		if err := s.At(ctx, key, now.Add(after), []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.At(ctx, "medication/c", now.Add(3*time.Hour), []byte("moved")); err != nil {
		t.Fatal(err)
	}
	if err := s.At(ctx, "no room", now, nil); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("a key without room: %v", err)
	}
	s = schedule.New(reopen().Deadlines(), clock, nil)
	var done []string
	fail := true
	err := s.Handle("medication", func(ctx context.Context, d schedule.Deadline) error {
		if d.Key == "medication/a" && fail {
			return errors.New("not yet")
		}
		done = append(done, string(d.Payload))
		if d.Key == "medication/b" && len(done) < 3 { // a handler sets its own key anew
			return s.At(ctx, d.Key, now.Add(4*time.Hour), []byte("b again"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 9 * 360 {
		now = now.Add(10 * time.Second)
		fail = now.Hour() < 10
		s.Tick(ctx)
	}
	if want := []string{"medication/b", "medication/a", "moved", "b again"}; !slices.Equal(done, want) {
		if want = []string{"medication/a", "medication/b", "moved", "b again"}; !slices.Equal(done, want) {
			t.Errorf("done %v", done)
		}
	}
	var other []string
	if err := s.Handle("other", func(_ context.Context, d schedule.Deadline) error { other = append(other, d.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	if s.Tick(ctx); !slices.Equal(other, []string{"other/d"}) {
		t.Errorf("a deadline did not wait for its handler: %v", other)
	}
}
