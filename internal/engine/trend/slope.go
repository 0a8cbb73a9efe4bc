package trend

import (
	"math"
	"slices"
	"time"
)

const (
	slopeMost   = 64 // readings a Slope keeps
	slopeFewest = 6  // it says nothing on fewer
)

// Slope is the Theil-Sen slope of the newest readings: the median of the slopes between all pairs, which a third of wild
// readings cannot turn (Sen, J Am Stat Assoc 1968;63:1379-1389).
type Slope struct {
	Span time.Duration // readings older than this before the newest do not count
	at   [slopeMost]int64
	v    [slopeMost]float64
	n    int // in at and v, oldest first
	all  []float64
}

// NewSlope returns a slope over the readings of a time, 64 of them at most: what comes denser than that is thinned out.
func NewSlope(span time.Duration) *Slope { return &Slope{Span: span} }

// Push takes the next reading at Unix nanoseconds. One that is not newer than the last, or closer to it than a 64th of the
// span, is passed over, as is NaN.
func (s *Slope) Push(at int64, value float64) {
	if math.IsNaN(value) || s.n > 0 && at-s.at[s.n-1] < max(1, int64(s.Span)/slopeMost) {
		return
	}
	old := 0
	for old < s.n && (at-s.at[old] > int64(s.Span) || s.n-old == slopeMost) {
		old++
	}
	copy(s.at[:], s.at[old:s.n])
	copy(s.v[:], s.v[old:s.n])
	s.n -= old
	s.at[s.n], s.v[s.n] = at, value
	s.n++
}

// Estimate is a slope with its confidence interval, in units an hour.
type Estimate struct {
	Slope, Low, High float64
	Readings         int
}

// Direction is where the series goes beyond doubt: the whole interval lies on one side of zero.
func (e Estimate) Direction() Direction {
	switch {
	case e.Low > 0:
		return Up
	case e.High < 0:
		return Down
	}
	return Steady
}

// Confidence of the interval as the quantile of the normal distribution, two-sided.
const (
	Confidence95 = 1.959964
	Confidence99 = 2.575829
)

// Estimate returns the slope with the interval of a confidence, for example Confidence95. ok is false with fewer than six
// readings, or when they span less than a quarter of the time.
func (s *Slope) Estimate(confidence float64) (e Estimate, ok bool) {
	if s.n < slopeFewest || s.at[s.n-1]-s.at[0] < int64(s.Span)/4 {
		return e, false
	}
	s.all = s.all[:0]
	for i := range s.n {
		for k := i + 1; k < s.n; k++ {
			s.all = append(s.all, (s.v[k]-s.v[i])/time.Duration(s.at[k]-s.at[i]).Hours())
		}
	}
	slices.Sort(s.all)
	n, pairs := float64(s.n), len(s.all)
	half := confidence * math.Sqrt(n*(n-1)*(2*n+5)/18) / 2
	lo := max(0, int(math.Floor(float64(pairs)/2-half)))
	hi := min(pairs-1, int(math.Ceil(float64(pairs)/2+half)))
	return Estimate{Slope: (s.all[(pairs-1)/2] + s.all[pairs/2]) / 2, Low: s.all[lo], High: s.all[hi], Readings: s.n}, true
}
