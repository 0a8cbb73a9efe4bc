package signal

import (
	"math"

	"github.com/vigil-health/vigil"
)

// Beat is one QRS complex.
type Beat struct {
	At     int64   // index of the sample at the R (or S) peak, counted from the first sample fed
	Height float32 // of the slope energy, in mV; comparable between beats of one detector only
	Late   bool    // found by searching back, once a beat was overdue
	After  bool    // the first beat after a gap or the start: its RR interval means nothing
}

// The shape of the detector, in seconds. The two averages put zeros on 50 and 60 Hz and their multiples; with the slope
// over slopeSpan they pass 5 to 20 Hz, where a QRS is strongest against P, T and muscle.
const (
	avgA      = 1.0 / 50
	avgB      = 1.0 / 60
	slopeSpan = 0.024
	energy    = 0.100 // the slope's magnitude is averaged over this
	beside    = 0.010 // looked at on both sides of the energy's window for peak and slopes
	blank     = 0.225 // two QRS complexes are never closer: up to 266 a minute
	gapMax    = 0.040 // missing samples bridged with the last value; longer ones are a gap
)

// QRS finds the QRS complexes of one ECG lead as it streams, at 100 to 1000 samples a second. It works in integers, so
// that the same samples give the same beats however they are cut into blocks, and allocates nothing once made.
// A beat is told within 0.4 s of its peak, or, where it was found by searching back, after 1.7 usual RR intervals; the
// first beats are told after two seconds of signal. It is not safe for concurrent use.
type QRS struct {
	unit float64 // mV of one unit of energy

	n       int64 // samples taken
	lastIn  int32
	missing int32
	fed     bool

	a, b, span, win ring32
	sumA, sumB      int32
	sumE            int64
	lp              ring32 // two seconds of the averaged ECG
	maxGap          int32
	margin          int // beside, in samples

	peak  tracker
	think judge
}

// NewQRS returns a detector for fs samples a second whose integers mean scale mV each.
// It returns Invalid when fs is not within 100 to 1000 or the scale is not above 0.
func NewQRS(fs, scale float64) (*QRS, error) {
	if !(fs >= 100 && fs <= 1000) {
		return nil, vigil.Errorf(vigil.Invalid, "signal.qrs", "an ECG of %g samples a second is not understood; 100 to 1000 are", fs)
	}
	if !(scale > 0) || math.IsInf(scale, 0) {
		return nil, vigil.Errorf(vigil.Invalid, "signal.qrs", "the scale of %g mV is not above 0", scale)
	}
	at := func(seconds float64) int { return max(1, int(math.Round(seconds*fs))) }
	q := &QRS{
		a: newRing(at(avgA)), b: newRing(at(avgB)), span: newRing(at(slopeSpan)), win: newRing(at(energy)), lp: newRing(at(2)),
		maxGap: int32(at(gapMax)),
	}
	q.unit = scale / float64(len(q.a.v)*len(q.b.v)*len(q.win.v))
	q.peak = tracker{blank: int64(at(blank))}
	q.margin = at(beside)
	q.think = newJudge(fs)
	return q, nil
}

// Feed takes the next samples and appends the beats they complete to beats, in order of time.
// vigil.WaveformMissing stands for a sample that was not measured.
func (q *QRS) Feed(data []int16, beats []Beat) []Beat {
	for _, v := range data {
		if v == vigil.WaveformMissing {
			beats = q.absent(beats)
			continue
		}
		q.missing = 0
		beats = q.step(int32(v), beats)
	}
	return beats
}

// Gap says that so many samples never came: what was pending is decided, and thresholds are kept.
func (q *QRS) Gap(samples int64, beats []Beat) []Beat {
	beats = q.interrupt(beats)
	q.n += samples
	return beats
}

// absent bridges a short hole with the last value.
func (q *QRS) absent(beats []Beat) []Beat {
	q.missing++
	if q.missing <= q.maxGap {
		return q.step(q.lastIn, beats)
	}
	if q.missing == q.maxGap+1 {
		beats = q.interrupt(beats)
	}
	q.n++
	return beats
}
