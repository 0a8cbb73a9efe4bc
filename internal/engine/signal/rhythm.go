package signal

import (
	"math"
	"slices"
)

// Rhythm makes rates and pauses from beats. Times are Unix nanoseconds of the signal's clock. It keeps the last beats
// only and is not safe for concurrent use.
type Rhythm struct {
	at   [beatsKept]int64
	rr   [beatsKept]int64 // to the beat before; 0 when there is none in this stretch
	n    int              // beats ever
	from int64            // the stretch of signal began
}

const (
	beatsKept = 32
	second    = int64(1e9)
	rateBeats = 8  // RR intervals whose median is the heart rate
	slowBeats = 5  // beats that extreme bradycardia is judged on (PhysioNet/CinC 2015)
	fastBeats = 17 // and extreme tachycardia
	staleRate = 3 * second
)

// Begin says that a stretch of signal begins: a pause is counted from here.
func (r *Rhythm) Begin(at int64) { r.from = at }

// Beat takes the next beat; after says that it is the first of its stretch.
func (r *Rhythm) Beat(at int64, after bool) (rr int64) {
	i := r.n % beatsKept
	if !after && r.n > 0 {
		rr = at - r.at[(r.n-1)%beatsKept]
	}
	r.at[i], r.rr[i] = at, rr
	r.n++
	return rr
}

// Beats is what Rhythm says of one moment. What cannot be said is NaN.
type Beats struct {
	Rate  float64 // a minute, the median of the last eight intervals
	Slow  float64 // the mean over the last five beats, an interval that still lasts included once it is longer
	Fast  float64 // the mean over the last 17
	Pause float64 // s: the longest interval that lasted within the last second
}

// At returns what holds at a time, by the beats up to it.
func (r *Rhythm) At(at int64) Beats {
	out := Beats{Rate: math.NaN(), Slow: math.NaN(), Fast: math.NaN()}
	newest := r.n - 1
	for newest >= max(0, r.n-beatsKept) && r.at[newest%beatsKept] > at {
		newest--
	}
	last := r.from
	if newest >= 0 && newest >= r.n-beatsKept {
		last = max(last, r.at[newest%beatsKept])
	}
	open := at - last
	out.Pause = float64(open) / 1e9
	var rr [fastBeats - 1]int64
	n := 0
	for i := newest; i >= 0 && i >= r.n-beatsKept && n < len(rr); i-- {
		k := i % beatsKept
		if r.rr[k] == 0 || r.at[k] < r.from {
			break
		}
		if r.at[k] > at-second {
			out.Pause = max(out.Pause, float64(r.rr[k])/1e9)
		}
		rr[n] = r.rr[k]
		n++
	}
	if n >= slowBeats-1 {
		out.Slow = slow(rr[:slowBeats-1], open)
	}
	if n == len(rr) && open < staleRate {
		out.Fast = perMinute(sum(rr[:]), len(rr))
	}
	if n >= 3 && open < staleRate {
		some := slices.Clone(rr[:min(n, rateBeats)])
		slices.Sort(some)
		out.Rate = perMinute(some[len(some)/2]+some[(len(some)-1)/2], 2)
	}
	return out
}

// slow lets the interval that still lasts stand for the oldest once it makes the rate lower.
func slow(rr []int64, open int64) float64 {
	total := sum(rr)
	return perMinute(max(total, total-rr[len(rr)-1]+open), len(rr))
}

func perMinute(total int64, intervals int) float64 {
	return 60e9 * float64(intervals) / float64(max(total, 1))
}

func sum(x []int64) (s int64) {
	for _, v := range x {
		s += v
	}
	return s
}

// Variability is the short-term variability of the heart rate over five minutes (Task Force of the ESC and NASPE,
// Circulation 1996;93:1043-1065), from intervals between normal beats.
type Variability struct {
	SDNN  float64 // ms
	RMSSD float64 // ms
	PNN50 float64 // %
	Used  float64 // part of the intervals that passed for normal
}

const ectopic = 0.2 // an interval this far from the median of the five around it is no normal one

// VariabilityOf measures RR intervals in seconds, oldest first. ok is false when fewer than 100 pass for normal, or less
// than 80 %.
func VariabilityOf(rr []float32) (v Variability, ok bool) {
	normal := make([]bool, len(rr))
	var total, squares float64
	n := 0
	for i := range rr {
		lo := max(0, min(i-2, len(rr)-5))
		around := slices.Clone(rr[lo:min(lo+5, len(rr))])
		slices.Sort(around)
		mid := around[len(around)/2]
		if math.Abs(float64(rr[i]-mid)) > ectopic*float64(mid) {
			continue
		}
		normal[i] = true
		n++
		total += float64(rr[i])
	}
	if n < 100 || float64(n) < 0.8*float64(len(rr)) {
		return v, false
	}
	mean := total / float64(n)
	var pairs, over, steps float64
	for i, x := range rr {
		if !normal[i] {
			continue
		}
		squares += (float64(x) - mean) * (float64(x) - mean)
		if i > 0 && normal[i-1] {
			d := float64(x - rr[i-1])
			steps += d * d
			pairs++
			if math.Abs(d) > 0.050 {
				over++
			}
		}
	}
	return Variability{
		SDNN: 1000 * math.Sqrt(squares/float64(n-1)), RMSSD: 1000 * math.Sqrt(steps/max(pairs, 1)), PNN50: 100 * over / max(pairs, 1),
		Used: float64(n) / float64(len(rr)),
	}, true
}
