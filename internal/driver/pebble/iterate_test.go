package pebble_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// as returns a context that acts in the role, as the patient sara when it is a patient's.
func as(t *testing.T, role access.Role) context.Context {
	p := access.Principal{ID: "x", Roles: []access.Role{role}}
	if role == access.Patient {
		p.Subject = "Patient/sara"
	}
	return access.With(t.Context(), p)
}

func filled(t *testing.T) *telemetry.Store {
	t.Helper()
	s := onDisk(t, t.TempDir())
	for i := range 3000 {
		r := vital("Patient/sara", i)
		if i%2 == 1 {
			r = vital("Location/icu-1", i)
		}
		if i == 1000 {
			r.Waveforms = []vigil.Waveform{{Metric: "pleth", Start: day.UnixNano(), Period: 8e6, Scale: 0.5, Data: make([]int16, 500)}}
		}
		s.Append(r, func(error) {})
	}
	if err := s.AppendWait(t.Context(), vital("Patient/omar", 1)); err != nil {
		t.Fatal(err)
	}
	settle(s)
	return s
}

func TestIterate(t *testing.T) {
	s := filled(t)
	ctx := as(t, access.Nurse)
	key := vigil.SeriesKey{Subject: "Patient/sara", Device: "monitor-7", Metric: "spo2"}
	from, to := day.Add(100*time.Second), day.Add(2500*time.Second)
	lines, err := s.Query(ctx, telemetry.Query{Subject: key.Subject, Metrics: []vigil.Metric{key.Metric}, From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []float64
	for _, p := range lines[0].Points {
		want = append(want, float64(p.Time), p.Mean)
	}
	err = s.Iterate(ctx, key, from, to, func(b telemetry.Block) error {
		for i := range b.Times {
			got = append(got, float64(b.Times[i]), b.Values[i])
		}
		if len(b.Times) != len(b.Qualities) {
			t.Error("a sample without its quality")
		}
		return nil
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" || len(want) != 2*1200 {
		t.Error(err, len(want), diff)
	}
	calls, stop := 0, errors.New("enough")
	for _, end := range []error{stop, telemetry.ErrStop} {
		err := s.Iterate(ctx, key, from, to, func(telemetry.Block) error { calls++; return end })
		if end == telemetry.ErrStop && err != nil || end == stop && err != stop {
			t.Errorf("%v ended it with %v", end, err)
		}
	}
	if calls != 2 {
		t.Errorf("called %d times after it was told to end", calls-2)
	}
	other := key
	other.Device = "monitor-8"
	for _, k := range []vigil.SeriesKey{other, {Subject: "Patient/nobody", Metric: "spo2"}} {
		if err := s.Iterate(ctx, k, from, to, func(telemetry.Block) error { return stop }); err != nil {
			t.Errorf("%v has samples", k)
		}
	}
	if err := s.Iterate(as(t, access.Engineer), key, from, to, nil); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("an engineer reads a chart: %v", err)
	}
}

func TestIterateWaveform(t *testing.T) {
	s := filled(t)
	key := vigil.SeriesKey{Subject: "Patient/sara", Device: "monitor-7", Metric: "pleth"}
	n := 0
	count := func(w vigil.Waveform) error { n += len(w.Data); return nil }
	if err := s.IterateWaveform(as(t, access.Nurse), key, day.Add(time.Second), day.Add(2*time.Second), count); err != nil || n != 500 {
		t.Errorf("%d samples, %v", n, err)
	}
	if err := s.IterateWaveform(as(t, access.Nurse), key, day.Add(5*time.Second), day.Add(time.Hour), count); err != nil || n != 500 {
		t.Errorf("samples of another time: %d, %v", n-500, err)
	}
	if err := s.IterateWaveform(as(t, access.Engineer), key, day, day.Add(time.Hour), count); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("an engineer reads a chart: %v", err)
	}
}

func TestSubjects(t *testing.T) {
	s := filled(t)
	for role, want := range map[access.Role][]vigil.Subject{
		access.Nurse: {"Location/icu-1", "Patient/omar", "Patient/sara"}, access.Engineer: {"Location/icu-1"}, access.Patient: {"Patient/sara"}, "": nil,
	} {
		if diff := cmp.Diff(want, s.Subjects(as(t, role))); diff != "" {
			t.Errorf("%s: %s", role, diff)
		}
	}
	if got := s.Subjects(t.Context()); got != nil {
		t.Errorf("a stranger sees %v", got)
	}
}

func TestFollow(t *testing.T) {
	s := filled(t)
	ctx := access.AsSystem(t.Context(), "test")
	var times []int64
	collect := func(_ uint64, reports []*vigil.Report) error {
		for _, r := range reports {
			times = append(times, r.Samples[0].Time)
		}
		return nil
	}
	next, err := s.Follow(ctx, 0, collect)
	if err != nil || len(times) != 3001 || next != s.Health().LogPosition+1 {
		t.Fatalf("%d reports, next %d, %v", len(times), next, err)
	}
	if again, err := s.Follow(ctx, next, collect); err != nil || again != next || len(times) != 3001 {
		t.Errorf("followed beyond the end: %d, %v", again, err)
	}
	if err := s.AppendWait(t.Context(), vital("Patient/sara", 9000)); err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	if at, err := s.Follow(ctx, next, func(uint64, []*vigil.Report) error { return full }); err != full || at != next {
		t.Errorf("an error moved on to %d, %v", at, err)
	}
	if at, err := s.Follow(ctx, next, collect); err != nil || at != next+1 || len(times) != 3002 {
		t.Errorf("went on to %d with %d reports, %v", at, len(times), err)
	}
	if _, err := s.Follow(as(t, access.Admin), 0, collect); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("an account follows the log: %v", err)
	}
}
