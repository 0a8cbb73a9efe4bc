package schedule_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/schedule"
)

// list is a book of one test, used by one goroutine at a time.
type list struct{ all []schedule.Deadline }

func (l *list) Put(_ context.Context, d schedule.Deadline) error {
	l.all = append(slices.DeleteFunc(l.all, func(x schedule.Deadline) bool { return x.Key == d.Key }), d)
	slices.SortFunc(l.all, func(a, b schedule.Deadline) int { return a.At.Compare(b.At) })
	return nil
}

func (l *list) Delete(_ context.Context, key string, at time.Time) error {
	l.all = slices.DeleteFunc(l.all, func(x schedule.Deadline) bool { return x.Key == key && (at.IsZero() || x.At.Equal(at)) })
	return nil
}

func (l *list) Due(_ context.Context, t time.Time, limit int) ([]schedule.Deadline, error) {
	var out []schedule.Deadline
	for _, d := range l.all {
		if !d.At.After(t) && len(out) < limit {
			out = append(out, d)
		}
	}
	return out, nil
}

func (l *list) Next(context.Context) (time.Time, error) {
	if len(l.all) == 0 {
		return time.Time{}, nil
	}
	return l.all[0].At, nil
}

func TestRunIsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, from := schedule.New(&list{}, time.Now, nil), time.Now()
		var got []string
		note := func(what string) { got = append(got, what+"@"+time.Since(from).String()) }
		if err := s.Handle("medication", func(_ context.Context, d schedule.Deadline) error { note(d.Key); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := s.Handle("medication", nil); vigil.KindOf(err) != vigil.Conflict {
			t.Errorf("second handler: %v", err)
		}
		if err := s.Every("tidy", 40*time.Second, func(context.Context, time.Time) error { note("tidy"); return nil }); err != nil {
			t.Fatal(err)
		}
		for key, after := range map[string]time.Duration{"medication/late": 90 * time.Second, "medication/due": 30 * time.Second, "medication/gone": 50 * time.Second} {
			if err := s.At(t.Context(), key, from.Add(after), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Cancel(t.Context(), "medication/gone"); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Second)
		defer stop()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if want := []string{"medication/due@30s", "tidy@40s", "tidy@1m20s", "medication/late@1m30s"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
