package telemetrytest

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// compareBuckets asks for buckets and compares them with the same buckets made of the model's samples.
func compareBuckets(t fataler, h *house, sub vigil.Subject, model map[int64]float64, points int) {
	t.Helper()
	from, to := start.Add(-100*time.Hour), start.Add(100*time.Hour)
	if points == 700 { // not on any grid
		from, to = start.Add(-12345678*time.Millisecond), start.Add(23456789*time.Millisecond)
	}
	var line telemetry.Line
	if lines := h.raw(t, telemetry.Query{Subject: sub, From: from, To: to, Points: points}); len(lines) > 0 {
		line = lines[0]
	}
	want := modelBuckets(model, from.UnixNano(), to.UnixNano(), int64(points))
	if len(line.Points) != len(want) || len(want) > points {
		t.Fatalf("%d buckets for %d points, want %d", len(line.Points), points, len(want))
	}
	for i, got := range line.Points {
		w := want[i]
		if got.Min != w.Min || got.Max != w.Max || got.Count != w.Count || math.Abs(got.Mean-w.Mean) > 1e-9*math.Abs(w.Mean) || got.Time != w.Time {
			t.Fatalf("%d points, bucket %d is %+v, want %+v", points, i, got, w)
		}
	}
}

// modelBuckets follows the rule that Store.Query documents, in the plainest way.
func modelBuckets(model map[int64]float64, from, to, points int64) []telemetry.Point {
	width := (to - from + points - 1) / points
	begin := from
	for _, grid := range []time.Duration{6 * time.Hour, 15 * time.Minute, time.Minute} {
		if g := int64(grid); width >= 2*g {
			begin -= from % g
			width = (to - begin + points - 1) / points
			if width%g != 0 {
				width += g - width%g
			}
			break
		}
	}
	var times []int64
	for at := range model {
		if at >= from && at < to {
			times = append(times, at)
		}
	}
	slices.Sort(times)
	var out []telemetry.Point
	for i := 0; i < len(times); {
		end := begin + ((times[i]-begin)/width+1)*width
		p := telemetry.Point{Min: math.Inf(1), Max: math.Inf(-1)}
		first, sum := times[i], 0.0
		for ; i < len(times) && times[i] < end; i++ {
			v := model[times[i]]
			p.Min, p.Max, p.Count, sum = min(p.Min, v), max(p.Max, v), p.Count+1, sum+v
		}
		p.Time, p.Mean = first+(times[i-1]-first)/2, sum/float64(p.Count)
		out = append(out, p)
	}
	return out
}

// summariesAreRight checks buckets before, between and after checkpoints, with late samples, corrections and repeats into
// what is summed up already, after a restart and after a power cut; and that the store does keep summaries.
func summariesAreRight(t *testing.T, d Disk) {
	h := open(t, d)
	model := map[int64]float64{}
	put := func(h *house, from, n, step int, value func(i int) float64) {
		var list []*vigil.Report
		for i := range n {
			at := start.Add(time.Duration(from+i*step) * time.Second)
			v := value(i)
			model[at.UnixNano()] = v
			h.now.Add(int64(time.Millisecond))
			list = append(list, &vigil.Report{Device: "d", Subject: sara, Received: h.now.Load(), Samples: []vigil.Sample{{Metric: "temperature", Time: at.UnixNano(), Value: v}}})
		}
		h.add(t, list...)
	}
	check := func(h *house) {
		t.Helper()
		for _, points := range []int{1, 3, 16, 100, 200, 700, 5000} {
			compareBuckets(t, h, sara, model, points)
		}
	}
	keep := func(h *house) {
		t.Helper()
		if err := h.Checkpoint(context.Background()); err != nil {
			t.Fatal(err)
		}
		check(h)
	}
	wave := func(i int) float64 { return 36 + math.Round(20*math.Sin(float64(i)/500))/10 }
	put(h, -7*3600, 90000, 1, wave) // 25 h, over midnight
	check(h)
	keep(h)
	if n := blocks(t, h); n < 20 {
		t.Errorf("%d blocks of summaries are kept for a day", n)
	}
	put(h, -3600, 3, 1200, func(int) float64 { return 41 }) // corrections
	check(h)
	put(h, -7000, 500, 7, func(i int) float64 { return 30 + float64(i%7) })
	check(h)
	put(h, -10*3600, 200, 30, wave) // before everything
	check(h)
	cut := open(t, d.PowerCut(t, 30))
	check(cut)
	put(cut, -7000, 500, 7, func(i int) float64 { return 30 + float64(i%7) }) // repeats
	keep(cut)
	put(cut, 5*3600, 10, 60, func(i int) float64 { return 39.5 })
	check(cut)
	cut.stop(t)
	put(h, 5*3600, 10, 60, func(i int) float64 { return 39.5 })
	keep(h)
	if err := h.Store.Close(); err != nil {
		t.Fatal(err)
	}
	h.open(t)
	put(h, -6*3600, 2, 1, func(int) float64 { return 42 }) // into what another life of the program summed up
	check(h)
	keep(h)
	h.stop(t)
}

// blocks counts the blocks of summaries in the series store.
func blocks(t *testing.T, h *house) (n int) {
	t.Helper()
	err := h.series.Scan(context.Background(), []byte("d"+string(sara)+"\x00s"), []byte("d"+string(sara)+"\x00t"), func(_, _ []byte) error {
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
