package telemetrytest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
)

// wavesGrow sends a curve second by second, with gaps, in and out of order, twice, corrected, over checkpoints, restarts
// and power cuts, and compares every sample; and sees that seconds became blocks.
func wavesGrow(t *testing.T, d Disk) {
	h := open(t, d)
	rng := rand.New(rand.NewPCG(8, 9))
	const period = int64(4 * time.Millisecond)
	model := map[int64]int16{}
	send := func(h *house, second int, add int16) {
		t.Helper()
		w := vigil.Waveform{Metric: "ecg-ii", Start: start.Add(time.Duration(second) * time.Second).UnixNano(), Period: period, Scale: 0.005}
		for i := range 250 {
			v := int16(second*3+i%50) + add
			w.Data = append(w.Data, v)
			model[w.Start+int64(i)*period] = v
		}
		w.Start += rng.Int64N(20_000) - 10_000 // clocks are not exact
		h.add(t, &vigil.Report{Device: "m", Subject: sara, Received: h.now.Add(1e9), Waveforms: []vigil.Waveform{w}})
	}
	check := func(h *house) (blocks int) {
		t.Helper()
		waves, err := h.Waveform(system(), sara, "ecg-ii", start.Add(-time.Hour), start.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		got := map[int64]int16{}
		for _, w := range waves {
			for i, v := range w.Data {
				at := w.Start + int64(i)*period
				at = (at + period/2) / period * period // back on the grid
				if was, ok := got[at]; ok {
					t.Fatalf("the sample at %d comes twice: %d and %d", at, was, v)
				}
				got[at] = v
			}
		}
		if !maps.Equal(got, model) {
			t.Fatalf("%d samples, want %d: %s", len(got), len(model), firstDifference(got, model))
		}
		return len(waves)
	}
	for i := range 90 {
		if i != 40 {
			send(h, i, 0)
		}
		if i == 17 || i == 50 {
			if err := h.Checkpoint(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := check(h); n > 6 {
		t.Errorf("89 seconds stand in %d blocks", n)
	}
	cut := open(t, d.PowerCut(t, 60))
	check(cut)
	for _, i := range []int{40, 12, 13, 60, 89, 90, 91} { // fills the gap, comes again, goes on
		send(cut, i, 0)
	}
	check(cut)
	send(cut, 20, 7) // corrected
	send(cut, 88, 7)
	check(cut)
	if err := cut.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	check(cut)
	order := rng.Perm(60)
	for _, i := range order {
		send(cut, 200+i, 1)
	}
	check(cut)
	cut.stop(t)
	h.stop(t)
}

func firstDifference(got, want map[int64]int16) string {
	for _, at := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[at]; !ok || v != want[at] {
			return fmt.Sprintf("at second %.3f: %d (%v), want %d", float64(at-start.UnixNano())/1e9, v, ok, want[at])
		}
	}
	return "more than was sent"
}
