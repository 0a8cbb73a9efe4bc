package signal

import (
	"math"
	"slices"

	"github.com/vigil-health/vigil"
)

// Verdict is how far a stretch of signal can be trusted.
type Verdict struct {
	Score  float64 // 0 useless to 1 clean
	Reason string  // what spoils it most, "flat line"; "" when nothing does
}

// Reasons why a signal is not trusted.
const (
	NoSignal   = "no signal"
	FlatLine   = "flat line"
	Saturated  = "saturated"
	Wander     = "baseline wander"
	Noise      = "electrode noise"
	Motion     = "electrode motion"
	Unsteady   = "detectors disagree on the beats"
	NoPulse    = "no pulse wave"
	Unlike     = "pulses unlike each other"
	LowPulse   = "weak pulse wave"
	qualityFor = 5.0 // s of signal in one verdict
)

// part is one measure that speaks on quality: bad or worse gives 0, good or better 1.
type part struct {
	value, bad, good float64
	reason           string
}

func (p part) score() float64 {
	return max(0, min(1, (p.value-p.bad)/(p.good-p.bad)))
}

// weigh takes the worst part: one thing is enough to spoil a signal.
func weigh(parts ...part) Verdict {
	v := Verdict{Score: 1}
	for _, p := range parts {
		if s := p.score(); s < v.Score {
			v = Verdict{Score: s, Reason: p.reason}
		}
	}
	if v.Score > 0.9 {
		v.Reason = ""
	}
	return v
}

// shape is what both kinds of signal are asked first.
type shape struct {
	missing float64 // part of the samples
	flat    float64 // longest run of one value, in s
	rails   float64 // part of samples in runs at the highest or lowest value
	span    float64 // between the 1st and 99th centile
	lo, hi  float64
}

func shapeOf(data []int16, fs, scale float64, sorted []int16) shape {
	var s shape
	sorted = sorted[:0]
	run, longest := 0, 0
	for i, v := range data {
		if v == vigil.WaveformMissing {
			s.missing++
			run = 0
			continue
		}
		sorted = append(sorted, v)
		if i > 0 && v == data[i-1] {
			run++
		} else {
			run = 0
		}
		longest = max(longest, run)
	}
	s.missing /= float64(max(len(data), 1))
	s.flat = float64(longest) / fs
	if len(sorted) == 0 {
		return s
	}
	slices.Sort(sorted)
	at := func(p float64) float64 { return float64(sorted[int(p*float64(len(sorted)-1))]) }
	s.lo, s.hi = at(0), at(1)
	s.span = (at(0.99) - at(0.01)) * scale
	s.rails = rails(data, int16(s.lo), int16(s.hi))
	return s
}

// rails returns the part of samples that stay at the lowest or highest value for four samples and more.
func rails(data []int16, lo, hi int16) float64 {
	n, run := 0, 0
	for i, v := range data {
		if (v == lo || v == hi) && (run == 0 || v == data[i-1]) {
			run++
			continue
		}
		if run >= 4 {
			n += run
		}
		run = 0
	}
	if run >= 4 {
		n += run
	}
	return float64(n) / float64(max(len(data), 1))
}

// ECGQuality judges a stretch of an ECG of about five seconds: data in scale mV at fs samples a second, with the QRS
// complexes that the detector found in it, as indexes into data.
func ECGQuality(data []int16, fs, scale float64, beats []int64) Verdict {
	s := shapeOf(data, fs, scale, make([]int16, 0, len(data)))
	switch {
	case s.missing > 0.5 || len(data) < int(fs):
		return Verdict{0, NoSignal}
	case s.span < 0.01 || s.flat > 2: // a heart that stands still leaves more than that
		return Verdict{0, FlatLine}
	}
	x := bridged(data, scale)
	slow := boxcar(x, int(0.6*fs))
	lp := boxcar(boxcar(x, int(math.Round(fs*avgA))), int(math.Round(fs*avgB)))
	band, hf := make([]float64, len(x)), make([]float64, len(x))
	for i := range x {
		band[i], hf[i] = lp[i]-slow[i], x[i]-lp[i]
	}
	size := quantile(absolute(band), 0.98)
	wander := spanOf(slow)
	noise := rms(hf)
	parts := []part{
		{s.missing, 0.5, 0.05, NoSignal},
		{s.flat, 2, 0.5, FlatLine},
		{s.rails, 0.25, 0.02, Saturated},
		{wander / max(size, 0.3), 6, 2.5, Wander},
		{s.span, 12, 6, Motion},
		{noise / max(size, 0.25), 0.5, 0.15, Noise},
	}
	// A heart that pauses leaves a quiet line: neither its shape nor the lack of beats speaks against the signal.
	if len(beats) >= 3 && !pauses(beats, len(data), fs) {
		parts = append(parts, part{kurtosis(band), 1.9, 3.2, Noise}, part{agreement(beats, plainBeats(band, fs), fs), 0.2, 0.6, Unsteady})
	}
	return weigh(parts...)
}

// pauses reports whether two seconds go by without a beat.
func pauses(beats []int64, n int, fs float64) bool {
	last := int64(0)
	for _, b := range beats {
		if float64(b-last) > 2*fs {
			return true
		}
		last = b
	}
	return float64(int64(n)-last) > 2*fs
}

// PPGQuality judges about five seconds of a pulse wave, in units of its own.
func PPGQuality(data []int16, fs, scale float64) Verdict {
	s := shapeOf(data, fs, scale, make([]int16, 0, len(data)))
	switch {
	case s.missing > 0.5 || len(data) < int(fs):
		return Verdict{0, NoSignal}
	case s.hi-s.lo < 4 || s.flat > 2:
		return Verdict{0, FlatLine}
	}
	x := bridged(data, scale)
	lp := boxcar(x, max(1, int(0.08*fs)))
	slow := boxcar(x, int(1.2*fs))
	for i := range lp {
		lp[i] -= slow[i]
	}
	match, pulses := template(lp, fs)
	if pulses < 2 {
		return Verdict{0, NoPulse}
	}
	return weigh(
		part{s.missing, 0.5, 0.05, NoSignal},
		part{s.flat, 2, 0.6, FlatLine},
		part{s.rails, 0.3, 0.05, Saturated},
		part{match, 0.5, 0.85, Unlike},
		part{(s.hi - s.lo), 6, 20, LowPulse},
		part{spanOf(slow) / max(spanOf(lp), 1e-9), 4, 1.5, Motion},
	)
}

// plainBeats is the second detector: peaks over half of the highest of two seconds.
func plainBeats(band []float64, fs float64) []int64 {
	var out []int64
	near := int(fs)
	for i := range band {
		v := math.Abs(band[i])
		if i > 0 && math.Abs(band[i-1]) > v || i+1 < len(band) && math.Abs(band[i+1]) >= v {
			continue
		}
		top := 0.0
		for k := max(0, i-near); k < min(len(band), i+near); k++ {
			top = max(top, math.Abs(band[k]))
		}
		if v < 0.5*top {
			continue
		}
		if n := len(out); n > 0 && float64(i)-float64(out[n-1]) < 0.25*fs {
			if math.Abs(band[out[n-1]]) < v {
				out[n-1] = int64(i)
			}
			continue
		}
		out = append(out, int64(i))
	}
	return out
}

// agreement is the part of beats that both detectors found within 150 ms (Li, Mark and Clifford, Physiol Meas 2008;29:15);
// two that find nothing agree.
func agreement(a, b []int64, fs float64) float64 {
	if len(a)+len(b) == 0 {
		return 1
	}
	both, k := 0, 0
	for _, x := range a {
		for k < len(b) && float64(b[k]) < float64(x)-0.15*fs {
			k++
		}
		if k < len(b) && math.Abs(float64(b[k]-x)) <= 0.15*fs {
			both++
			k++
		}
	}
	return float64(both) / float64(len(a)+len(b)-both)
}

// Floor is the score under which an alarm on the signal is not trusted.
const Floor = 0.3
