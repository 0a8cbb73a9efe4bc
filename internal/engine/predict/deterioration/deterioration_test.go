package deterioration_test

import (
	"math"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/predict/deterioration"
)

// hours returns a chart in which heart rate and systolic pressure are taken every hour and the rest never.
func hours(hr, sys []float64) (c deterioration.Chart) {
	for i := range hr {
		h := deterioration.NoHour()
		h[deterioration.HeartRate], h[deterioration.Systolic] = hr[i], sys[i]
		c.Hours = append(c.Hours, h)
	}
	c.Age, c.Male = 60, math.NaN()
	return c
}

func features(t *testing.T, c deterioration.Chart) map[string]float64 {
	t.Helper()
	row, out := deterioration.Features(nil, c), map[string]float64{}
	for i, n := range deterioration.Names() {
		if _, twice := out[n.Key()]; twice {
			t.Fatalf("%s stands twice", n.Key())
		}
		out[n.Key()] = float64(row[i])
	}
	if len(out) != len(row) {
		t.Fatalf("%d names for %d features", len(out), len(row))
	}
	return out
}

func TestFeatures(t *testing.T) {
	nan := math.NaN()
	f := features(t, hours([]float64{80, 90, nan, 110, 120, nan}, []float64{120, 120, 120, 110, 100, 100}))
	for name, want := range map[string]float64{
		"heart-rate/last": 120, "heart-rate/since": 1, "heart-rate/min/6h": 80, "heart-rate/max/6h": 120, "heart-rate/mean/6h": 100,
		"heart-rate/slope/6h": 10, "heart-rate/delta/6h": 40, "heart-rate/from-mean/6h": 20, "heart-rate/measured/6h": 4.0 / 6, "heart-rate/hours/24h": 4,
		"heart-rate/sd/6h": math.Sqrt(1000.0 / 3), "heart-rate/jitter/12h": 10, "heart-rate/max/336h": 120,
		"shock-index/last": 1.2, "temperature/last": nan, "temperature/measured/24h": 0, "temperature/since": nan,
		"sirs/last": 1, "qsofa/last": 1, "news2/last": 2 + 2, "patient/age": 60, "patient/male": nan,
		"any/measured/6h": (4 + 6) / 42.0,
	} {
		if got, ok := f[name]; !ok || !(math.Abs(got-want) < 1e-4) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

func TestAnHourWithoutMeasurementsAddsNothingStrict(t *testing.T) {
	hr, sys := []float64{80, 85, 90}, []float64{120, 118, 119}
	a := features(t, hours(hr, sys))
	c := hours(hr, sys)
	c.Hours = append(make([]deterioration.Hour, 0, 10), append([]deterioration.Hour{deterioration.NoHour()}, c.Hours...)...)
	b := features(t, c)
	for _, n := range deterioration.Names() {
		k := n.Key()
		if n.Stat == "measured" { // a share of the hours that are known
			continue
		}
		if a[k] != b[k] && !(math.IsNaN(a[k]) && math.IsNaN(b[k])) {
			t.Errorf("%s changes from %v to %v", k, a[k], b[k])
		}
	}
}

func TestOnlyTheHistoryIsRead(t *testing.T) {
	long := make([]float64, deterioration.History+50)
	for i := range long {
		long[i] = 80
	}
	long[10] = 200
	if f := features(t, hours(long, long)); f["heart-rate/max/336h"] != 80 {
		t.Errorf("an hour beyond the history is read: %v", f["heart-rate/max/336h"])
	}
}

func TestTimedNamesWhatTellsTheClock(t *testing.T) {
	n := 0
	for _, f := range deterioration.Names() {
		if f.Timed() {
			n++
		}
	}
	if n != 20 { // ten signals, two windows
		t.Errorf("%d timed features", n)
	}
}

func TestFeaturesDoNotAllocate(t *testing.T) {
	c := hours([]float64{80, 85}, []float64{120, 118})
	row := make([]float32, 0, len(deterioration.Names()))
	if n := testing.AllocsPerRun(20, func() { row = deterioration.Features(row[:0], c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
