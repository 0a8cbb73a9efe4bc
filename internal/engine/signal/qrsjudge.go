package signal

import (
	"math"
	"slices"
)

// What tells a QRS from noise and T waves. The scheme is that of Pan and Tompkins (IEEE Trans Biomed Eng
// 1985;32:230-236) and of Hamilton (Comput Cardiol 2002;29:101-104): two levels, search-back, flat waves soon after a
// QRS are its T wave. What is new is that steepness for its size, too, separates a T wave from an early wide beat.
const (
	settle    = 2.0  // s of signal from which the first thresholds are learned
	relearn   = 6.0  // s without a beat after which they are learned anew
	believe   = 0.2  // of the signal level before: what is less may be P waves of a heart that stands still
	doubtFor  = 30.0 // s for which it is not believed
	level     = 0.27 // of the way from noise to signal: the threshold
	floor     = 0.04 // mV of energy, about a QRS of 0.1 mV: nothing below is one
	firstPart = 0.8  // of the highest peak while learning is the first signal level

	backAfter = 1.66 // usual RR intervals after which a beat is overdue
	backLevel = 0.5  // of the threshold is enough for an overdue beat
	backSlope = 0.25 // of the usual slope is, too
	backFrom  = 0.36 // s after the last beat, where searching back begins

	oneSided = 0.1  // the lesser of the slopes up and down is at least this part of the greater
	tNear    = 0.30 // s: closer, even a wave nearly as steep as the last QRS may be its T wave
	tMiddle  = 0.36 // s: closer, a T wave is flatter than tPartNear of the QRS, else than tPartFar
	tEnd     = 0.46 // s: later there is none
	tLast    = 0.75 // of the last QRS's slope is too steep for its T wave after tNear

	tPartNear = 0.36
	tPartFar  = 0.32
)

// candidate is a peak of energy that may be a QRS.
type candidate struct {
	at       int64   // sample of the peak of the ECG
	peak     int64   // sample of the peak of energy
	height   float32 // energy, mV
	up, down float32 // steepest slopes, mV per slopeSpan
	far      float32 // distance of the peak from the mean around it, mV
}

func (c candidate) slope() float32 { return max(c.up, c.down) }

// sharp is the slope for the size of the wave.
func (c candidate) sharp() float32 { return c.slope() / max(c.far, 1e-6) }

// step reports whether the signal went one way only: a shift of the baseline, or half of a wide wave.
func (c candidate) step() bool { return min(c.up, c.down) < oneSided*c.slope() }

// judge tells QRS complexes from the rest.
type judge struct {
	fs       float64
	deadline int64 // sample at which a beat is overdue, or learning ends
	learning bool
	first    bool // the next beat begins a stretch: there is no last one

	qrs, noise        median8 // heights
	rr, slopes, sharp median8 // of beats; rr in samples
	last              candidate
	waiting           [64]candidate // not taken for a QRS since the last one
	held              int
}

func newJudge(fs float64) judge {
	j := judge{fs: fs, learning: true, first: true}
	j.deadline = j.samples(settle)
	return j
}

func (j *judge) samples(seconds float64) int64 { return int64(seconds * j.fs) }

func (j *judge) since(c candidate) float64 { return float64(c.at-j.last.at) / j.fs }

func (j *judge) threshold() float32 {
	s, n := j.qrs.mid, j.noise.mid
	return max(floor, n+level*(s-n))
}

// take judges a candidate, or keeps it while learning.
func (j *judge) take(c candidate, beats []Beat) []Beat {
	switch {
	case j.learning:
		j.hold(c)
	case c.height <= j.threshold(), c.step(), j.isT(c):
		j.noise.push(min(c.height, j.qrs.mid))
		j.hold(c)
	default:
		return j.accept(c, false, beats)
	}
	return beats
}

// isT reports whether the candidate is the T wave of the last QRS: soon after it, flatter than it and than QRS
// complexes usually are, and the more so the blunter it is.
func (j *judge) isT(c candidate) bool {
	if j.first {
		return false
	}
	dt, slope := j.since(c), c.slope()
	if dt > tEnd || dt > tNear && slope > tLast*j.last.slope() {
		return false
	}
	part := float32(tPartFar)
	if dt <= tMiddle {
		part = tPartNear
	}
	blunt := min(1, c.sharp()/j.sharp.mid)
	return slope*blunt < part*max(j.last.slope(), j.slopes.mid)
}

func (j *judge) accept(c candidate, late bool, beats []Beat) []Beat {
	if !j.first {
		j.rr.push(float32(c.at - j.last.at))
	}
	j.qrs.push(min(c.height, 3*j.qrs.mid))
	j.slopes.push(c.slope())
	j.sharp.push(c.sharp())
	beats = append(beats, Beat{At: c.at, Height: c.height, Late: late, After: j.first})
	j.last, j.first, j.held = c, false, 0
	rr := float64(j.rr.mid)
	if j.rr.n == 0 {
		rr = j.fs
	}
	j.deadline = c.peak + int64(backAfter*rr)
	return beats
}

func (j *judge) hold(c candidate) {
	if j.held == len(j.waiting) {
		copy(j.waiting[:], j.waiting[1:])
		j.held--
	}
	j.waiting[j.held] = c
	j.held++
}

// overdue is called when the deadline has passed: it searches back for a beat that was overlooked.
func (j *judge) overdue(now int64, beats []Beat) []Beat {
	if j.learning {
		return j.learn(now, beats)
	}
	best := -1
	for i, c := range j.waiting[:j.held] {
		if c.step() || c.slope() < backSlope*j.slopes.mid || !j.first && (j.since(c) < backFrom || j.isT(c)) {
			continue
		}
		if best < 0 || c.height > j.waiting[best].height {
			best = i
		}
	}
	if best >= 0 && j.waiting[best].height >= max(floor, backLevel*j.threshold()) {
		c, n := j.waiting[best], j.held-best-1
		copy(j.waiting[:], j.waiting[best+1:j.held])
		beats = j.accept(c, true, beats)
		j.held = n
		return beats
	}
	j.deadline = now + j.samples(0.2)
	if now-max(j.last.peak, 0) > j.samples(relearn) {
		j.learning, j.first, j.held = true, true, 0
		j.deadline = now + j.samples(settle)
	}
	return beats
}

// learn sets the first thresholds and judges what was held meanwhile.
func (j *judge) learn(now int64, beats []Beat) []Beat {
	top := float32(0)
	for _, c := range j.waiting[:j.held] {
		if !c.step() {
			top = max(top, c.height)
		}
	}
	list, n := j.waiting, j.held
	j.held = 0
	j.deadline = now + j.samples(settle)
	if top < floor || top < believe*j.qrs.mid && now-j.last.peak < j.samples(doubtFor) {
		return beats
	}
	j.learning = false
	j.qrs.fill(firstPart * top)
	j.noise.fill(0)
	j.last.peak = now
	for _, c := range list[:n] {
		beats = j.take(c, beats)
	}
	return beats
}

// interrupt ends a stretch of signal. What was learned is kept for the next one.
func (j *judge) interrupt(now int64, beats []Beat) []Beat {
	if j.learning {
		beats = j.learn(now, beats)
	}
	j.first, j.held = true, 0
	j.last.peak, j.deadline = now, now+j.samples(settle)
	return beats
}

// median8 keeps the median of the last eight values in mid.
type median8 struct {
	v    [8]float32
	n, i int
	mid  float32
}

func (m *median8) fill(x float32) {
	for i := range m.v {
		m.v[i] = x
	}
	m.n, m.mid = len(m.v), x
}

func (m *median8) push(x float32) {
	if math.IsNaN(float64(x)) {
		return
	}
	m.v[m.i] = x
	m.i = (m.i + 1) % len(m.v)
	m.n = min(m.n+1, len(m.v))
	s := m.v
	slices.Sort(s[:m.n])
	m.mid = (s[m.n/2] + s[(m.n-1)/2]) / 2
}
