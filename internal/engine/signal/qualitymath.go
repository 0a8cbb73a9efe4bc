package signal

import (
	"math"
	"slices"

	"github.com/vigil-health/vigil"
)

// bridged returns physical values with missing ones held.
func bridged(data []int16, scale float64) []float64 {
	out := make([]float64, len(data))
	last := 0.0
	for _, v := range data {
		if v != vigil.WaveformMissing {
			last = float64(v) * scale
			break
		}
	}
	for i, v := range data {
		if v != vigil.WaveformMissing {
			last = float64(v) * scale
		}
		out[i] = last
	}
	return out
}

// boxcar is the centred running mean over n samples; at the ends over those that are there.
func boxcar(x []float64, n int) []float64 {
	n = max(n, 1)
	out := make([]float64, len(x))
	sum, lo, hi := 0.0, 0, 0
	for i := range x {
		for ; hi < len(x) && hi <= i+n/2; hi++ {
			sum += x[hi]
		}
		for ; lo < i-(n-1)/2; lo++ {
			sum -= x[lo]
		}
		out[i] = sum / float64(hi-lo)
	}
	return out
}

func absolute(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Abs(v)
	}
	return out
}

func quantile(x []float64, p float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s[int(p*float64(len(s)-1))]
}

func spanOf(x []float64) float64 { return slices.Max(x) - slices.Min(x) }

// kurtosis is 3 for noise and a sine has 1.5; an ECG has over 5.
func kurtosis(x []float64) float64 {
	m := mean(x)
	var s2, s4 float64
	for _, v := range x {
		d := (v - m) * (v - m)
		s2 += d
		s4 += d * d
	}
	if s2 == 0 {
		return 0
	}
	return s4 * float64(len(x)) / (s2 * s2)
}

const pulsePoints = 24 // a pulse is compared at so many points

// template cuts the wave at its upstrokes and returns the mean correlation of the pulses with their mean, and how many
// there are (after Orphanidou et al., IEEE J Biomed Health Inform 2015;19:832).
func template(x []float64, fs float64) (match float64, pulses int) {
	feet := upstrokes(x, fs)
	if len(feet) < 3 {
		return 0, max(len(feet)-1, 0)
	}
	var all [][pulsePoints]float64
	var middle [pulsePoints]float64
	length := make([]float64, 0, len(feet))
	for i := 1; i < len(feet); i++ {
		length = append(length, float64(feet[i]-feet[i-1]))
	}
	typical := quantile(length, 0.5)
	for _, f := range feet[:len(feet)-1] {
		if f+int(typical) > len(x) {
			break
		}
		var p [pulsePoints]float64
		for k := range p {
			p[k] = x[f+int(float64(k)*(typical-1)/pulsePoints)]
			middle[k] += p[k]
		}
		all = append(all, p)
	}
	for _, p := range all {
		match += correlation(p[:], middle[:])
	}
	return match / float64(max(len(all), 1)), len(all)
}

// upstrokes returns where the wave crosses its middle upwards, at least 0.3 s apart.
func upstrokes(x []float64, fs float64) []int {
	high, low := 0.15*quantile(x, 0.95), 0.15*quantile(x, 0.05)
	var out []int
	ready := false
	for i, v := range x {
		switch {
		case v < low:
			ready = true
		case ready && v > high:
			ready = false
			if n := len(out); n == 0 || float64(i-out[n-1]) > 0.3*fs {
				out = append(out, i)
			}
		}
	}
	return out
}

func correlation(a, b []float64) float64 {
	ma, mb := mean(a), mean(b)
	var ab, aa, bb float64
	for i := range a {
		ab += (a[i] - ma) * (b[i] - mb)
		aa += (a[i] - ma) * (a[i] - ma)
		bb += (b[i] - mb) * (b[i] - mb)
	}
	return ab / max(math.Sqrt(aa*bb), 1e-12)
}
