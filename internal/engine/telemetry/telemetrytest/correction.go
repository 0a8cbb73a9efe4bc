package telemetrytest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// correctionsKeepBoth replaces values, in the newest chunk and in an old one, and asks for the old ones: at once, after a
// checkpoint, and after a replay that applies every report once more.
func correctionsKeepBoth(t *testing.T, d Disk) {
	h := open(t, d)
	correct := func(h *house, second int, value float64, after time.Duration) {
		t.Helper()
		at := start.Add(time.Duration(second) * time.Second)
		h.add(t, &vigil.Report{Device: "monitor-7", Subject: sara, Received: at.Add(after).UnixNano(), Protocol: "rest",
			Samples: []vigil.Sample{{Metric: "heart-rate", Time: at.UnixNano(), Value: value, Quality: vigil.QualityLate}}})
	}
	check := func(h *house) {
		t.Helper()
		got, err := h.Corrections(system(), sara, "heart-rate", start, start.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			second   int
			old, new float64
			after    time.Duration
			known    bool
		}
		var rows []row
		for _, c := range got {
			if c.Device != "monitor-7" || c.Protocol != "rest" || c.Subject != sara || c.NewQuality != vigil.QualityLate {
				t.Errorf("where from: %+v", c)
			}
			rows = append(rows, row{int(c.Time.Sub(start).Seconds()), c.Old, c.New, c.Received.Sub(c.Time), !c.OldReceived.IsZero()})
		}
		want := []row{{5, 65, 120, time.Hour, false}, {5, 120, 121, 2 * time.Hour, true}, {1199, 99, 140, time.Hour, true}}
		if !slices.Equal(rows, want) {
			t.Errorf("corrections %v, want %v", rows, want)
		}
		line := h.raw(t, telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}})[0]
		if len(line.Points) != 1200 || line.Points[5].Mean != 121 || line.Points[1199].Mean != 140 {
			t.Errorf("%d points, shown are %+v and %+v", len(line.Points), line.Points[5], line.Points[1199])
		}
		if q := line.Points[5].Quality; q != vigil.QualityLate|vigil.QualityCorrected {
			t.Errorf("quality %b", q)
		}
	}
	h.add(t, series(sara, 1200)...)
	correct(h, 1199, 140, time.Hour)
	correct(h, 1199, 140, 3*time.Hour) // an exact duplicate vanishes
	correct(h, 5, 120, time.Hour)
	correct(h, 5, 121, 2*time.Hour)
	correct(h, 5, 7, time.Hour) // was received before what stands: an old message come again
	check(h)
	if err := h.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	check(h)
	cut := d.PowerCut(t, 40)
	log, store := cut.Open(t)
	if err := store.DeleteRange(t.Context(), []byte("m"), []byte("n")); err != nil { // forget the checkpoint: everything is applied again
		t.Fatal(err)
	}
	again := &house{log: log, series: store}
	again.now.Store(h.now.Load())
	again.open(t)
	check(again)
	if _, err := again.Corrections(access.With(context.Background(), access.Principal{}), sara, "", start, start.Add(time.Hour)); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a stranger: %v", err)
	}
	again.stop(t)
	if err := h.Erase(system(), sara); err != nil {
		t.Fatal(err)
	}
	h.add(t, series(sara, 1)...)
	if got, err := h.Corrections(system(), sara, "", start, start.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("after the erasure: %v, %v", got, err)
	}
	h.stop(t)
}
