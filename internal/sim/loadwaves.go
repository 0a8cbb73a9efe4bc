package sim

import (
	"math"
	"strconv"
)

// LoadWaveRate is samples a second of the curve that LoadWaves writes.
const LoadWaveRate = 250

// LoadWaves writes messages of smart patches that stream their ECG, a second each: a beat with noise of a few steps.
type LoadWaves struct {
	noise LoadVitals
	beat  [LoadWaveRate]int
}

// NewLoadWaves returns a source; equal seeds give equal curves.
func NewLoadWaves(seed uint64) *LoadWaves {
	w := &LoadWaves{noise: *NewLoadVitals(seed)}
	bump := func(x, at, width, height float64) float64 {
		return height * math.Exp(-(x-at)*(x-at)/(2*width*width))
	}
	for i := range w.beat { // P, Q, R, S and T of one beat a second, in steps of 5 µV
		x := float64(i) / LoadWaveRate
		w.beat[i] = int(bump(x, 0.2, 0.025, 30) - bump(x, 0.34, 0.008, 30) + bump(x, 0.36, 0.011, 240) - bump(x, 0.39, 0.009, 50) + bump(x, 0.6, 0.045, 60))
	}
	return w
}

// Append adds one message whose second begins at the Unix millisecond.
func (w *LoadWaves) Append(b []byte, ms int64) []byte {
	b = strconv.AppendInt(append(b, `{"ts":`...), ms, 10)
	b = append(b, `,"ecg":[`...)
	for i, v := range w.beat {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(v)+int64(w.noise.next()%7)-3, 10)
	}
	return append(b, "]}"...)
}

// AppendBatch adds one message of a device that was cut off: objects of the first n fields each, a millisecond apart.
func (v *LoadVitals) AppendBatch(b []byte, ms int64, n, objects int) []byte {
	b = append(b, '[')
	for i := range objects {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.Append(b, ms+int64(i), n)
	}
	return append(b, ']')
}
