package telemetrytest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

func consumersSeeOrder(t *testing.T, d Disk) {
	var mu sync.Mutex
	seen := map[vigil.Subject][]int64{}
	h := open(t, d, func(s *telemetry.Store) {
		s.Consume("test", func(reports []*vigil.Report) {
			for _, r := range reports {
				if last, err := s.Last(system(), r.Subject); err != nil || len(last) == 0 {
					t.Errorf("a consumer runs before the series: %v", err)
				}
				mu.Lock()
				seen[r.Subject] = append(seen[r.Subject], r.Received)
				mu.Unlock()
			}
		})
	})
	var all []*vigil.Report
	for i := range 2000 {
		all = append(all, report(vigil.Subject(fmt.Sprintf("Patient/%d", i%7)), start.Add(time.Duration(i)*time.Second), 1))
	}
	h.add(t, all...)
	h.stop(t)
	total := 0
	for sub, times := range seen {
		total += len(times)
		if !slices.IsSorted(times) {
			t.Errorf("%s: out of order", sub)
		}
	}
	if total != 2000 {
		t.Errorf("consumers saw %d of 2000", total)
	}
}

func subscriptionsDrop(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	sub := h.Subscribe(10, func(r *vigil.Report) bool { return r.Subject == sara })
	all := h.Subscribe(1000, nil)
	h.add(t, append(series(sara, 50), series("Patient/otto", 50)...)...)
	sub.Close()
	sub.Close()
	all.Close()
	var got []*vigil.Report
	for r := range sub.C {
		got = append(got, r)
	}
	if len(got) != 10 || sub.Dropped() != 40 || got[9].Received != start.Add(49*time.Second).UnixNano() {
		t.Errorf("%d reports, %d dropped", len(got), sub.Dropped())
	}
	n := 0
	for range all.C {
		n++
	}
	if n != 100 || all.Dropped() != 0 {
		t.Errorf("the quick one got %d, dropped %d", n, all.Dropped())
	}
}

func subscriptionsAsOne(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	if _, err := h.SubscribeAs(context.Background(), 10, nil); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("nobody: %v", err)
	}
	const room = vigil.Subject("Location/room-1")
	seen := map[string]*telemetry.Subscription{}
	for name, p := range map[string]access.Principal{
		"patient": {ID: "s", Roles: []access.Role{access.Patient}, Subject: sara}, "nurse": {ID: "n", Roles: []access.Role{access.Nurse}},
		"engineer": {ID: "e", Roles: []access.Role{access.Engineer}},
	} {
		sub, err := h.SubscribeAs(access.With(context.Background(), p), 100, func(r *vigil.Report) bool { return r.Device == "monitor-7" })
		if err != nil {
			t.Fatal(err)
		}
		seen[name] = sub
	}
	h.add(t, append(append(series(sara, 3), series("Patient/otto", 4)...), series(room, 5)...)...)
	for name, want := range map[string]map[vigil.Subject]int{"patient": {sara: 3}, "nurse": {sara: 3, "Patient/otto": 4, room: 5}, "engineer": {room: 5}} {
		seen[name].Close()
		got := map[vigil.Subject]int{}
		for r := range seen[name].C {
			got[r.Subject]++
		}
		if !maps.Equal(got, want) {
			t.Errorf("the %s heard %v, want %v", name, got, want)
		}
	}
}

func refusesWhatCannotBe(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	for name, r := range map[string]*vigil.Report{
		"Nil":       nil,
		"NoSubject": {Device: "d", Samples: []vigil.Sample{{Metric: "spo2", Time: start.UnixNano()}}},
		"ZeroByte":  {Device: "a\x00b", Subject: sara},
		"NoMetric":  {Subject: sara, Samples: []vigil.Sample{{Time: start.UnixNano()}}},
		"FarFuture": {Subject: sara, Samples: []vigil.Sample{{Metric: "spo2", Time: math.MaxInt64}}},
		"NoPeriod":  {Subject: sara, Waveforms: []vigil.Waveform{{Metric: "ecg-ii", Start: start.UnixNano(), Data: []int16{1}}}},
		"NoKind":    {Subject: sara, Events: []vigil.Event{{Time: start.UnixNano()}}},
	} {
		if err := h.AppendWait(context.Background(), r); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.AppendWait(context.Background(), &vigil.Report{Device: "d"}); err != nil {
		t.Errorf("a heartbeat, or a repeat, of nobody: %v", err)
	}
	h.add(t, series(sara, 10)...)
	lines, err := h.Query(system(), telemetry.Query{Subject: sara, To: start.AddDate(900, 0, 0), Points: 4})
	if err != nil || len(lines) != 2 || lines[0].Points[0].Count != 10 {
		t.Errorf("all of time: %+v, %v", lines, err)
	}
	if _, err := h.Query(system(), telemetry.Query{Subject: sara, From: start, To: start}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("an empty range: %v", err)
	}
}

func erases(t *testing.T, d Disk) {
	h := open(t, d)
	h.add(t, full())
	h.add(t, append(series(sara, 1500), series("Patient/sarah", 1500)...)...)
	if err := h.Erase(system(), sara); err != nil {
		t.Fatal(err)
	}
	cut := open(t, d.PowerCut(t, 50))
	for _, x := range []*house{h, cut} {
		if lines := x.raw(t, telemetry.Query{Subject: sara}); len(lines) != 0 {
			t.Errorf("%d lines are left", len(lines))
		}
		if last, err := x.Last(system(), sara); err != nil || len(last) != 0 {
			t.Errorf("last values are left: %v, %v", last, err)
		}
		err := x.Recent(system(), start, func(r *vigil.Report) error {
			if r.Subject == sara {
				return fmt.Errorf("a report is left in the log")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if lines := x.raw(t, telemetry.Query{Subject: "Patient/sarah"}); len(lines) != 2 || len(lines[0].Points) != 1500 {
			t.Errorf("another patient lost something: %d lines", len(lines))
		}
		x.stop(t)
	}
}

func bucketsKeepPeaks(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	all := series(sara, 20000)
	all[12345].Samples[0].Value = 250
	all[777].Samples[0].Value = 11
	h.add(t, all...)
	for _, points := range []int{1, 7, 100, 5000} {
		q := telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}, From: start, To: start.Add(20000 * time.Second), Points: points}
		line := h.raw(t, q)[0]
		lo, hi, sum, count := math.Inf(1), math.Inf(-1), 0.0, 0
		for _, p := range line.Points {
			lo, hi, sum, count = min(lo, p.Min), max(hi, p.Max), sum+p.Mean*float64(p.Count), count+p.Count
		}
		want := 0.0
		for _, r := range all {
			want += r.Samples[0].Value
		}
		if len(line.Points) > points || len(line.Points) < points*2/3 || lo != 11 || hi != 250 || count != 20000 || math.Abs(sum-want) > 1e-3 || len(line.Gaps) != 0 {
			t.Errorf("%d points: got %d, min %v, max %v, count %d, sum %v of %v, gaps %v", points, len(line.Points), lo, hi, count, sum, want, line.Gaps)
		}
	}
}

func tellsGaps(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	all := series(sara, 3000)
	h.add(t, append(slices.Clone(all[100:1000]), all[1100:2900]...)...)
	second := series(sara, 3000)
	for _, r := range second {
		r.Device = "patch-1"
	}
	for _, points := range []int{0, 3, 50} {
		q := telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate", "lactate"}, From: start, To: start.Add(3000 * time.Second), Points: points}
		lines := h.raw(t, q)
		sec := func(s int) int64 { return start.Add(time.Duration(s) * time.Second).UnixNano() }
		want := []telemetry.Span{{From: sec(0), To: sec(100)}, {From: sec(999), To: sec(1100)}, {From: sec(2899), To: sec(3000)}}
		if !slices.Equal(lines[0].Gaps, want) {
			t.Errorf("%d points: gaps %v, want %v", points, lines[0].Gaps, want)
		}
		if len(lines) != 2 || lines[1].Metric != "lactate" || len(lines[1].Points) != 0 {
			t.Errorf("a metric asked for and never seen: %+v", lines[1:])
		}
	}
	h.add(t, second[950:1150]...) // another device fills one
	for _, points := range []int{0, 3, 50} {
		q := telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}, From: start, To: start.Add(3000 * time.Second), Points: points}
		if lines := h.raw(t, q); len(lines[0].Gaps) != 2 {
			t.Errorf("%d points, two devices: gaps %v", points, lines[0].Gaps)
		}
	}
}

func replayTwice(t *testing.T, d Disk) {
	h := open(t, d)
	all := series(sara, 1200)
	wrong := report(sara, start.Add(5*time.Second), 199)
	wrong.Received += 1
	h.add(t, all...)
	h.add(t, wrong)
	want := h.raw(t, telemetry.Query{Subject: sara})
	if p := want[0].Points[5]; p.Mean != 199 || p.Quality != vigil.QualityCorrected {
		t.Errorf("a corrected value reads %+v", p)
	}
	// The series reach the disk without the checkpoint that says so: everything is applied again.
	cutLog, cutSeries := d.PowerCut(t, 0).Open(t)
	for range 2 {
		again := &house{log: cutLog, series: cutSeries}
		again.now.Store(h.now.Load())
		again.open(t)
		got := again.raw(t, telemetry.Query{Subject: sara})
		if !slices.Equal(got[0].Points, want[0].Points) {
			t.Error("replaying changed the series")
		}
		if err := again.Store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := cutSeries.DeleteRange(context.Background(), []byte("m"), []byte("n")); err != nil { // forget the checkpoint
			t.Fatal(err)
		}
	}
	shut(t, cutLog, cutSeries)
	h.stop(t)
}

// agreesWithModel compares the store with a map under reorderings, duplicates, corrections, checkpoints and restarts.
func agreesWithModel(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		sub := vigil.Subject(fmt.Sprintf("Patient/m%d", round))
		model := map[int64]float64{}
		var reports []*vigil.Report
		for range rapid.IntRange(1, 6).Draw(rt, "runs") {
			from := rapid.Int64Range(-200000, 200000).Draw(rt, "from")
			step := rapid.SampledFrom([]int64{1, 1, 7, 600}).Draw(rt, "step")
			back := rapid.Bool().Draw(rt, "backwards")
			n := rapid.IntRange(1, 1500).Draw(rt, "n")
			value := rapid.IntRange(1, 3).Draw(rt, "value")
			for i := range n {
				at := from + int64(i)*step
				if back {
					at = from - int64(i)*step
				}
				v := float64(value + i%5)
				reports = append(reports, &vigil.Report{Device: "d", Subject: sub, Received: h.now.Add(1), Samples: []vigil.Sample{{Metric: "heart-rate", Time: start.UnixNano() + at*1e9, Value: v}}})
				model[start.UnixNano()+at*1e9] = v
			}
			switch rapid.IntRange(0, 4).Draw(rt, "then") {
			case 0:
				h.add(rt, reports...)
				reports = nil
				if err := h.Checkpoint(context.Background()); err != nil {
					rt.Fatal(err)
				}
			case 1:
				h.add(rt, reports...)
				reports = nil
				if err := h.Store.Close(); err != nil {
					rt.Fatal(err)
				}
				h.open(rt)
			}
		}
		h.add(rt, reports...)
		compareWithModel(rt, h, sub, model)
	})
}

func compareWithModel(t *rapid.T, h *house, sub vigil.Subject, model map[int64]float64) {
	lines := h.raw(t, telemetry.Query{Subject: sub})
	if len(lines) != 1 || len(lines[0].Points) != len(model) {
		t.Fatalf("%d points, want %d", len(lines[0].Points), len(model))
	}
	newest := int64(math.MinInt64)
	before := int64(math.MinInt64)
	for _, p := range lines[0].Points {
		if v, ok := model[p.Time]; !ok || v != p.Mean || p.Time <= before {
			t.Fatalf("at %d: %v, want %v (%v)", p.Time, p.Mean, v, ok)
		}
		before, newest = p.Time, max(newest, p.Time)
	}
	last, err := h.Last(system(), sub)
	if err != nil || len(last) != 1 || last[0].Time.UnixNano() != newest || last[0].Value != model[newest] {
		t.Fatalf("last = %+v, %v", last, err)
	}
	for _, points := range []int{1, 3, 200, 700, 7000} {
		compareBuckets(t, h, sub, model, points)
	}
}

// anotherLog puts an empty log under series that were written from one before, as a restore or a move of the log does: after
// a crash its offsets, which have passed those of the old log, are replayed all the same.
func anotherLog(t *testing.T, d Disk) {
	fresh := d.PowerCut(t, 0)
	h := open(t, d)
	all := series(sara, 40)
	for _, r := range all[:10] {
		h.add(t, r)
	}
	h.stop(t)
	oldLog, kept := d.Open(t)
	shut(t, oldLog, nil)
	newLog, unused := fresh.Open(t)
	shut(t, nil, unused)
	h = &house{log: newLog, series: kept}
	h.now.Store(start.Add(24 * time.Hour).UnixNano())
	h.open(t)
	for _, r := range all[10:] {
		h.add(t, r)
	}
	cutLog, none := fresh.PowerCut(t, 0).Open(t)
	shut(t, nil, none)
	noLog, cutSeries := d.PowerCut(t, 0).Open(t)
	shut(t, noLog, nil)
	h.stop(t)
	h = &house{log: cutLog, series: cutSeries}
	h.now.Store(start.Add(24 * time.Hour).UnixNano())
	h.open(t)
	defer h.stop(t)
	if lines := h.raw(t, telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}}); len(lines) != 1 || len(lines[0].Points) != 40 {
		t.Errorf("%d lines; want one of 40 samples", len(lines))
		for _, l := range lines {
			t.Errorf("%d samples", len(l.Points))
		}
	}
}
