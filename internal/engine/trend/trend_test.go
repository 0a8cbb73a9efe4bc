package trend_test

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/engine/trend"
)

var runs = flag.Int("runs", 400, "series of each Monte-Carlo run; 20000 for docs/reference/trends.md")

// length returns the mean number of readings until push signals, when the series is shifted by so many deviations.
func length(shift float64, fresh func() func(z float64) bool) float64 {
	r := rand.New(rand.NewPCG(11, uint64(shift*100)))
	total := 0.0
	for range *runs {
		push := fresh()
		n := 1
		for !push(shift + r.NormFloat64()) {
			n++
		}
		total += float64(n)
	}
	return total / float64(*runs)
}

func TestRunLengths(t *testing.T) {
	cusum := func(limit float64) func() func(float64) bool {
		return func() func(float64) bool {
			c := &trend.CUSUM{Slack: 0.5, Limit: limit}
			return func(z float64) bool { return c.Push(z) != trend.Steady }
		}
	}
	ewma := func(weight, width float64) func() func(float64) bool {
		return func() func(float64) bool {
			e := &trend.EWMA{Weight: weight, Width: width}
			return func(z float64) bool { return e.Push(z) != trend.Steady }
		}
	}
	for _, c := range []struct {
		name  string
		fresh func() func(float64) bool
		want  map[float64]float64 // published: shift to mean run length
	}{
		{"CUSUM 0.5, 4", cusum(4), map[float64]float64{0: 168, 0.5: 26.6, 1: 8.38, 2: 3.34}}, // Montgomery, 9-3
		{"CUSUM 0.5, 5", cusum(5), map[float64]float64{0: 465, 0.5: 38.0, 1: 10.4, 2: 4.01}},
		{"EWMA 0.2, 2.962", ewma(0.2, 2.962), map[float64]float64{0: 500, 0.5: 41.8, 1: 10.5, 2: 3.7}}, // Lucas and Saccucci
		{"EWMA 0.1, 2.814", ewma(0.1, 2.814), map[float64]float64{0: 500, 0.5: 31.3, 1: 10.3, 2: 4.4}},
	} {
		for _, shift := range []float64{0, 0.5, 1, 2} {
			want, got := c.want[shift], length(shift, c.fresh)
			t.Logf("%-16s shift %.1f: mean run length %6.2f (published %g)", c.name, shift, got, want)
			tolerance := 0.06 + 5/math.Sqrt(float64(*runs))
			if math.Abs(got-want) > tolerance*want {
				t.Errorf("%s, shift %g: %.2f readings, published %g", c.name, shift, got, want)
			}
		}
	}
}

func TestSlopeCoversTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	const truth = 12.0
	covered, falsely, n := 0, 0, max(*runs, 200)
	for range n {
		s, flat := trend.NewSlope(time.Hour), trend.NewSlope(time.Hour)
		for i := range 30 {
			at := int64(i) * int64(2*time.Minute)
			s.Push(at, 80+truth*float64(i)/30+3*r.NormFloat64())
			flat.Push(at, 80+3*r.NormFloat64())
		}
		e, ok := s.Estimate(trend.Confidence95)
		if !ok {
			t.Fatal("no estimate of 30 readings")
		}
		if e.Low <= truth && truth <= e.High {
			covered++
		}
		if e, _ := flat.Estimate(trend.Confidence95); e.Direction() != trend.Steady {
			falsely++
		}
	}
	share, wrong := 100*float64(covered)/float64(n), 100*float64(falsely)/float64(n)
	t.Logf("the 95 %% interval covers the true slope in %.1f %%, a flat series seems to move in %.1f %%", share, wrong)
	if share < 91 || share > 99 || wrong > 9 {
		t.Error("the interval is not one of 95 %")
	}
}

func TestSlopeShrugsOffWildReadings(t *testing.T) {
	s := trend.NewSlope(time.Hour)
	for i := range 40 {
		v := 90 - float64(i)/2 // 20 mmHg an hour down, at 1.5 minutes each
		if i%4 == 0 {
			v = 250
		}
		s.Push(int64(i)*int64(90*time.Second), v)
	}
	e, ok := s.Estimate(trend.Confidence95)
	if !ok || math.Abs(e.Slope+20) > 3 || e.Direction() != trend.Down {
		t.Errorf("%+v, %v; want about -20 an hour", e, ok)
	}
}

func TestBaselineByHourOfTheDay(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	b := trend.NewBaseline(2)
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for range 7 * 24 * 4 {
		v := 92 + 4*r.NormFloat64()
		if at.Hour() < 4 {
			v -= 15
		}
		b.Push(at, v)
		at = at.Add(15 * time.Minute)
	}
	night, _ := b.Usual(at.Add(2 * time.Hour))
	noon, ok := b.Usual(at.Add(13 * time.Hour))
	if !ok || !noon.ByHour || math.Abs(noon.Median-92) > 2 || math.Abs(night.Median-77) > 2 || math.Abs(noon.Spread-4) > 1.5 {
		t.Errorf("noon %+v, night %+v", noon, night)
	}
	if z := noon.Z(72); z > -3 {
		t.Errorf("72 at noon is %g spreads from usual", z)
	}
	if _, ok := trend.NewBaseline(2).Usual(at); ok {
		t.Error("usual without a reading")
	}
}

func TestFalls(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	r := rand.New(rand.NewPCG(41, 42))
	steady := func() *trend.Falls {
		f := trend.NewFalls(trend.AdultMean())
		for i := range 24 * 6 { // a day of one every ten minutes
			if got := f.Push(at.Add(time.Duration(i-24*6)*10*time.Minute), 95+3*r.NormFloat64()); len(got.Ways) > 0 {
				t.Errorf("a steady pressure falls: %s", got.Text)
			}
		}
		return f
	}
	t.Run("Relative", func(t *testing.T) {
		got := steady().Push(at, 72)
		if !slices.Equal(got.Ways, []trend.Fall{trend.Relative}) || math.Abs(got.Percent-76) > 3 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("Absolute", func(t *testing.T) {
		if got := trend.NewFalls(trend.AdultMean()).Push(at, 60); !slices.Equal(got.Ways, []trend.Fall{trend.Absolute}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("Trend", func(t *testing.T) {
		f := steady()
		var got trend.Reading
		for i := range 40 { // 24 mmHg an hour
			got = f.Push(at.Add(time.Duration(i)*time.Minute), 95-0.4*float64(i)+r.NormFloat64())
		}
		if !slices.Contains(got.Ways, trend.Falling) || math.Abs(got.Slope.Slope+22) > 8 {
			t.Errorf("%+v", got)
		}
	})
}
