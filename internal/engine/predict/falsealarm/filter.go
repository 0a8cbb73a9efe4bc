package falsealarm

import (
	"math"
	"slices"
)

// biquad is a second-order section (Bristow-Johnson, Audio EQ Cookbook), normalised to a0 = 1.
type biquad struct{ b0, b1, b2, a1, a2 float64 }

func lowPass(hz float64) biquad {
	w := 2 * math.Pi * hz / Rate
	c, alpha := math.Cos(w), math.Sin(w)/math.Sqrt2
	a0 := 1 + alpha
	return biquad{(1 - c) / 2 / a0, (1 - c) / a0, (1 - c) / 2 / a0, -2 * c / a0, (1 - alpha) / a0}
}

func highPass(hz float64) biquad {
	w := 2 * math.Pi * hz / Rate
	c, alpha := math.Cos(w), math.Sin(w)/math.Sqrt2
	a0 := 1 + alpha
	return biquad{(1 + c) / 2 / a0, -(1 + c) / a0, (1 + c) / 2 / a0, -2 * c / a0, (1 - alpha) / a0}
}

// pass filters x in place, from rest at the level of its first sample.
func (q biquad) pass(x []float64) {
	if len(x) == 0 {
		return
	}
	gain := (q.b0 + q.b1 + q.b2) / (1 + q.a1 + q.a2) // of a constant
	x1, x2 := x[0], x[0]
	y1 := gain * x[0]
	y2 := y1
	for i, v := range x {
		y := q.b0*v + q.b1*x1 + q.b2*x2 - q.a1*y1 - q.a2*y2
		x2, x1, y2, y1 = x1, v, y1, y
		x[i] = y
	}
}

// band returns x between two frequencies without delay: each section forwards, then backwards.
func band(x []float64, low, high float64) []float64 {
	y := slices.Clone(x)
	for range 2 {
		highPass(low).pass(y)
		lowPass(high).pass(y)
		slices.Reverse(y)
	}
	return y
}

// average returns the centred moving mean of n samples, shorter at the ends.
func average(x []float64, n int) []float64 {
	sums := make([]float64, len(x)+1)
	for i, v := range x {
		sums[i+1] = sums[i] + v
	}
	out := make([]float64, len(x))
	for i := range x {
		lo, hi := max(0, i-n/2), min(len(x), i+n/2+1)
		out[i] = (sums[hi] - sums[lo]) / float64(hi-lo)
	}
	return out
}

// moments returns mean, standard deviation, skewness and kurtosis.
func moments(x []float64) (mean, sd, skew, kurt float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	var m2, m3, m4 float64
	for _, v := range x {
		d := v - mean
		m2 += d * d / n
		m3 += d * d * d / n
		m4 += d * d * d * d / n
	}
	sd = math.Sqrt(m2)
	return mean, sd, m3 / (m2 * sd), m4 / (m2 * m2)
}

// quantile returns the value under which the share q of x lies, NaN of nothing. x is left as it is.
func quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	y := slices.Clone(x)
	slices.Sort(y)
	return y[min(len(y)-1, int(q*float64(len(y))))]
}

func median(x []float64) float64 { return quantile(x, 0.5) }

// lowest and highest return NaN of nothing.
func lowest(x []float64) float64  { return quantile(x, 0) }
func highest(x []float64) float64 { return quantile(x, 1) }
