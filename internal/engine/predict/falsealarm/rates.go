package falsealarm

import (
	"math"
	"slices"
)

// recent is where the part of the strip begins that the alarm speaks of: 16 s before it. What lies before is the base.
const recent = size - 16*Rate

// channel puts what every channel has: quality, amplitude and rates.
func (s *sheet) channel(name string, ch *channel) {
	q, r := measures{}, rates{}
	q.reset()
	r.reset()
	if ch != nil {
		q.read(ch)
		r.read(ch.beats)
	}
	s.put(q.dead, name, "dead")
	s.put(q.trust, name, "trust")
	s.put(q.noise, name, "noise")
	s.put(q.wander, name, "wander")
	s.put(q.kurt, name, "kurtosis")
	s.put(q.skew, name, "skewness")
	s.put(q.growth, name, "amplitude-change")
	s.put(q.least, name, "amplitude-least")
	s.put(q.most, name, "amplitude-most")
	s.put(q.level, name, "level")
	s.put(q.faintest, name, "level-least")
	s.put(r.count, name, "beats")
	s.put(r.pause, name, "longest-pause")
	s.put(r.ever, name, "longest-pause-ever")
	s.put(r.median, name, "rate")
	s.put(r.spread, name, "rr-spread")
	s.put(r.slow5, name, "slowest-5")
	s.put(r.fast5, name, "fastest-5")
	s.put(r.fast17, name, "fastest-17")
	s.put(r.median/r.base, name, "rate-change")
}

// measures are the quality of a channel in its recent part.
type measures struct{ dead, trust, noise, wander, kurt, skew, growth, least, most, level, faintest float64 }

func (q *measures) reset() {
	nan := math.NaN()
	*q = measures{nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan}
}

func (q *measures) read(ch *channel) {
	part := ch.x[recent:]
	dead := 0
	for _, b := range ch.bad[recent:] {
		if b {
			dead++
		}
	}
	_, all, skew, kurt := moments(part)
	_, fast, _, _ := moments(band(ch.x, 20, 60)[recent:])
	_, slow, _, _ := moments(band(ch.x, 0.05, 0.8)[recent:])
	_, mid, _, _ := moments(ch.high[recent:])
	_, before, _, _ := moments(ch.high[:recent])
	q.dead, q.trust = float64(dead)/float64(len(part)), ch.trust
	q.noise, q.wander, q.kurt, q.skew = fast/mid, slow/all, kurt, skew
	q.growth = math.Log(mid / before)
	var sds []float64
	for i := recent; i+2*Rate <= size; i += Rate / 2 {
		_, sd, _, _ := moments(ch.high[i : i+2*Rate])
		sds = append(sds, sd)
	}
	q.least, q.most = lowest(sds)/before, highest(sds)/before
	q.level, q.faintest = math.Log(mid+1e-4), math.Log(lowest(sds)+1e-4)
}

// rates are what beats say, per minute and in seconds.
type rates struct{ count, pause, ever, median, spread, slow5, fast5, fast17, base float64 }

func (r *rates) reset() {
	nan := math.NaN()
	*r = rates{nan, nan, nan, nan, nan, nan, nan, nan, nan}
}

func (r *rates) read(beats []int) {
	late := from(beats, recent)
	r.count = float64(len(late))
	r.pause = pause(beats, recent, size)
	r.ever = pause(beats, size-26*Rate, size)
	rr := intervals(late)
	r.median = 60 / median(rr)
	if len(rr) > 1 {
		mean, sd, _, _ := moments(rr)
		r.spread = sd / mean
	}
	r.slow5, r.fast5 = runs(rr, 4)
	_, r.fast17 = runs(intervals(from(beats, size-20*Rate)), 16)
	if early := intervals(beats[:len(beats)-len(late)]); len(early) > 0 {
		r.base = 60 / median(early)
	}
}

func from(beats []int, lo int) []int {
	i, _ := slices.BinarySearch(beats, lo)
	return beats[i:]
}

// intervals returns the seconds between neighbours.
func intervals(beats []int) (out []float64) {
	for i := 1; i < len(beats); i++ {
		out = append(out, float64(beats[i]-beats[i-1])/Rate)
	}
	return out
}

// pause is the longest time in seconds without a beat that reaches into [lo, hi), counted from the beat before it.
func pause(beats []int, lo, hi int) float64 {
	last, longest := lo, 0
	for _, b := range beats {
		if b >= lo {
			longest = max(longest, b-last)
			last = b
		} else {
			last = max(b, lo-4*Rate)
		}
	}
	return float64(max(longest, hi-last)) / Rate
}

// runs returns the lowest and the highest rate over n intervals in a row, NaN when there are fewer.
func runs(rr []float64, n int) (slow, fast float64) {
	slow, fast = math.NaN(), math.NaN()
	for i := 0; i+n <= len(rr); i++ {
		sum := 0.0
		for _, v := range rr[i : i+n] {
			sum += v
		}
		rate := 60 * float64(n) / sum
		if !(slow <= rate) {
			slow = rate
		}
		if !(fast >= rate) {
			fast = rate
		}
	}
	return slow, fast
}
