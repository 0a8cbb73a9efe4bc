package falsealarm_test

import (
	"math"
	"slices"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/predict/falsealarm"
)

// ecg draws a beat at each of the times, in seconds from the start, wide ones twice as wide and upside down.
func ecg(rate float64, beats, wide []float64) []float64 {
	out := make([]float64, int(rate*falsealarm.Seconds))
	draw := func(at, width, height float64) {
		for i := range out {
			t := float64(i)/rate - at
			out[i] += height * math.Exp(-math.Pow(t/width, 2))
		}
	}
	for _, b := range beats {
		draw(b, 0.012, 1)
		draw(b+0.25, 0.05, 0.2)
	}
	for _, b := range wide {
		draw(b, 0.045, -1.4)
	}
	return out
}

// pleth draws a pulse 0.2 s after each of the times.
func pleth(rate float64, beats []float64) []float64 {
	out := make([]float64, int(rate*falsealarm.Seconds))
	for _, b := range beats {
		for i := range out {
			if t := float64(i)/rate - b - 0.2; t > 0 && t < 1.5 {
				out[i] += t * t * math.Exp(-12*t) * 50
			}
		}
	}
	return out
}

func every(from, to, step float64) (out []float64) {
	for t := from; t < to; t += step {
		out = append(out, t)
	}
	return out
}

// features returns the numbers by their names.
func features(t testing.TB, s falsealarm.Strip) map[string]float64 {
	t.Helper()
	names, row := falsealarm.Names(), falsealarm.Features(s)
	if len(names) != len(row) {
		t.Fatalf("%d names for %d features", len(names), len(row))
	}
	out := map[string]float64{}
	for i, n := range names {
		if _, twice := out[n]; twice {
			t.Fatalf("%s stands twice", n)
		}
		out[n] = float64(row[i])
	}
	return out
}

func near(t *testing.T, f map[string]float64, name string, want, by float64) {
	t.Helper()
	if got, ok := f[name]; !ok || !(math.Abs(got-want) <= by) {
		t.Errorf("%s = %v, want %v ± %v", name, got, want, by)
	}
}

func TestSteadyRhythm(t *testing.T) {
	beats := every(0.5, 30, 0.75)
	for _, rate := range []float64{125, 250, 500} {
		f := features(t, falsealarm.Strip{Curves: []falsealarm.Curve{
			{Kind: falsealarm.ECG, Rate: rate, Data: ecg(rate, beats, nil)}, {Kind: falsealarm.Pleth, Rate: 125, Data: pleth(125, beats)},
		}})
		near(t, f, "ecg/rate", 80, 1)
		near(t, f, "pleth/rate", 80, 1)
		near(t, f, "ecg/longest-pause", 0.75, 0.05)
		near(t, f, "ecg/fastest-17", 80, 1)
		near(t, f, "ecg/pleth/agree", 1, 0)
		near(t, f, "ecg/trust", 1, 0.05)
		near(t, f, "pleth/trust", 1, 0.1)
		near(t, f, "leads/usual-gap/late/strict", 0.75, 0.1)
		near(t, f, "ecg/strange-run/late", 0, 0)
	}
}

func TestPauseThatThePulseDoesNotShare(t *testing.T) {
	beats := every(0.5, 30, 0.75)
	seen := slices.DeleteFunc(slices.Clone(beats), func(b float64) bool { return b > 20 && b < 26 })
	f := features(t, falsealarm.Strip{Alarm: falsealarm.Asystole, Curves: []falsealarm.Curve{
		{Kind: falsealarm.ECG, Rate: 250, Data: ecg(250, seen, nil)}, {Kind: falsealarm.Pleth, Rate: 125, Data: pleth(125, beats)},
	}})
	near(t, f, "ecg/longest-pause", 6, 0.1)
	near(t, f, "pleth/longest-pause", 0.75, 0.1)
	near(t, f, "fused/longest-pause/least", 0.75, 0.1)
	near(t, f, "alarm/asystole", 1, 0)
	near(t, f, "alarm/ventricular-fib", 0, 0)
}

func TestVentricularRunInOneLeadOnly(t *testing.T) {
	beats := every(0.5, 30, 0.75)
	run := every(22.1, 25.4, 0.4)
	before := slices.DeleteFunc(slices.Clone(beats), func(b float64) bool { return b > 21.9 && b < 25.6 })
	both := features(t, falsealarm.Strip{Alarm: falsealarm.VentricularTachy, Curves: []falsealarm.Curve{
		{Kind: falsealarm.ECG, Rate: 250, Data: ecg(250, before, run)}, {Kind: falsealarm.ECG, Rate: 250, Data: ecg(250, before, run)},
	}})
	one := features(t, falsealarm.Strip{Alarm: falsealarm.VentricularTachy, Curves: []falsealarm.Curve{
		{Kind: falsealarm.ECG, Rate: 250, Data: ecg(250, before, run)}, {Kind: falsealarm.ECG, Rate: 250, Data: ecg(250, beats, nil)},
	}})
	if both["leads/strange-run/late"] < 5 || both["leads/strange-fast-5/late"] < 0.5 {
		t.Errorf("the run is not seen: %v beats, %v", both["leads/strange-run/late"], both["leads/strange-fast-5/late"])
	}
	near(t, both, "leads/strange-rate/late", 150, 15)
	if both["leads/usual-gap/late/strict"] < 3 || one["leads/usual-gap/late/strict"] > 1 {
		t.Errorf("gap of usual beats: %v in both leads, %v in one", both["leads/usual-gap/late/strict"], one["leads/usual-gap/late/strict"])
	}
	if both["leads/both-strange-5/late"] < 0.5 || one["leads/both-strange-5/late"] > 0.3 {
		t.Errorf("both strange: %v, %v", both["leads/both-strange-5/late"], one["leads/both-strange-5/late"])
	}
}

func TestNothingIsNoFault(t *testing.T) {
	for name, s := range map[string]falsealarm.Strip{
		"NoCurves": {},
		"Empty":    {Curves: []falsealarm.Curve{{Kind: falsealarm.ECG, Rate: 250}}},
		"Missing":  {Curves: []falsealarm.Curve{{Kind: falsealarm.ECG, Rate: 250, Data: slices.Repeat([]float64{math.NaN()}, 7500)}}},
		"Flat":     {Curves: []falsealarm.Curve{{Kind: falsealarm.ECG, Rate: 250, Data: make([]float64, 7500)}, {Kind: falsealarm.Pressure, Rate: 125, Data: make([]float64, 3750)}}},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range features(t, s) {
				if math.IsInf(v, 0) {
					t.Errorf("%s is %v", k, v)
				}
			}
		})
	}
}

func BenchmarkFeatures(b *testing.B) {
	beats := every(0.5, 30, 0.75)
	x := ecg(250, beats, nil)
	s := falsealarm.Strip{Curves: []falsealarm.Curve{{Kind: falsealarm.ECG, Rate: 250, Data: x}, {Kind: falsealarm.ECG, Rate: 250, Data: x}, {Kind: falsealarm.Pleth, Rate: 125, Data: pleth(125, beats)}}}
	for b.Loop() {
		falsealarm.Features(s)
	}
}
