package signal

import "math"

// The model is a logistic regression on AFFeatures, trained on the 14 records of the MIT-BIH atrial fibrillation database
// by training/af; docs/reference/ecg.md has its figures, patient by patient, each from a model of the others.
const afBias = -19.383301

func afWeights() AFFeatures {
	return AFFeatures{
		afSmooth: 0.351807, afCOSEn: 3.774535, afOver5: 0.712982, afOver10: -2.789307, afTurning: 2.396409, afShannon: -0.807048,
		afBigeminal: -1.626896, afLag1: 3.605236, afLag2: -1.082167, afOrigin: 0.413954, afLorenz: 10.135446,
	}
}

// AFProbability returns how probable atrial fibrillation is in a window of RR intervals in seconds, from 0 to 1. It is
// made for AFWindow of them; with fewer it is less sure, under 24 it is NaN.
func AFProbability(rr []float64) float64 {
	if len(rr) < afFewest {
		return math.NaN()
	}
	return newAFScratch(len(rr)).probability(rr)
}

const afFewest = 24

func (s *afScratch) probability(rr []float64) float64 {
	x, weights := afBias, afWeights()
	for i, v := range s.features(rr) {
		x += weights[i] * v
	}
	return 1 / (1 + math.Exp(-x))
}

// AF says when atrial fibrillation begins and ends, with hysteresis: it begins with two windows over afOn in a row and
// ends with two under afOff. A window is looked at every afStride beats.
type AF struct {
	rr      [AFWindow]float64
	n, next int
	since   int // beats since the last window
	against int // windows in a row that speak against the state
	on      bool
	p       float64
	judged  int64
	scratch *afScratch
	window  []float64
}

const (
	afStride = 16
	afOn     = 0.6
	afOff    = 0.4
	afTurns  = 2
)

// NewAF returns a detector that has heard nothing.
func NewAF() *AF {
	return &AF{p: math.NaN(), scratch: newAFScratch(AFWindow), window: make([]float64, 0, AFWindow)}
}

// Push takes the next RR interval in seconds and reports whether a window was judged with it.
func (a *AF) Push(rr float64) bool {
	a.rr[a.next] = min(3, max(0.2, rr))
	a.next = (a.next + 1) % AFWindow
	a.n = min(a.n+1, AFWindow)
	a.since++
	if a.n < AFWindow || a.since < afStride {
		return false
	}
	a.since = 0
	a.judged++
	a.window = append(append(a.window[:0], a.rr[a.next:]...), a.rr[:a.next]...)
	a.p = a.scratch.probability(a.window)
	if a.on && a.p < afOff || !a.on && a.p > afOn {
		a.against++
	} else {
		a.against = 0
	}
	if a.against == afTurns {
		a.on, a.against = !a.on, 0
	}
	return true
}

// Reset forgets the intervals, as after a long gap; whether fibrillation is on stands until new windows tell.
func (a *AF) Reset() { a.n, a.next, a.since, a.against = 0, 0, 0, 0 }

// Probability returns that of the last window, NaN before the first.
func (a *AF) Probability() float64 { return a.p }

// Windows returns how many windows have been judged.
func (a *AF) Windows() int64 { return a.judged }

// On reports whether fibrillation has begun and not ended.
func (a *AF) On() bool { return a.on }
