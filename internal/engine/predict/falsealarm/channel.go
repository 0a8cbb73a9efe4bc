package falsealarm

import (
	"math"
	"slices"
)

// channel is one curve at Rate, cleaned, with its beats.
type channel struct {
	kind  Kind
	x     []float64 // size samples; gaps are bridged
	bad   []bool    // not measured, flat or at the end of the scale
	trust float64   // 0 to 1: how far beats of this curve can be believed
	beats []int     // samples
	shape []beat    // of an ECG lead
	high  []float64 // ECG: 5 to 20 Hz. Pulse: 0.5 to 8 Hz
}

// newChannel returns nil when a quarter of the strip at least was not measured.
func newChannel(c Curve) *channel {
	ch := &channel{kind: c.Kind, x: make([]float64, size), bad: make([]bool, size)}
	missing := ch.resample(c)
	if missing > size/4 {
		return nil
	}
	ch.markDead()
	if c.Kind == ECG {
		ch.high = band(ch.x, 5, 20)
		ch.findQRS()
		ch.shape = ch.shapes()
	} else {
		ch.high = band(ch.x, 0.5, 8)
		ch.findPulses()
	}
	ch.trust = ch.regular()
	return ch
}

// resample interpolates the newest half minute linearly and bridges gaps with the last value. It returns how many samples
// were missing.
func (ch *channel) resample(c Curve) (missing int) {
	last := math.NaN()
	for i := range ch.x {
		pos := float64(len(c.Data)-1) - float64(size-1-i)*c.Rate/Rate
		k := int(math.Floor(pos))
		v := math.NaN()
		if k >= 0 && k < len(c.Data) {
			v = c.Data[k]
			if f := pos - float64(k); f > 1e-9 && k+1 < len(c.Data) {
				v += f * (c.Data[k+1] - v)
			}
		}
		if math.IsNaN(v) {
			ch.bad[i] = true
			missing++
			v = last
		} else if math.IsNaN(last) {
			for j := range i {
				ch.x[j] = v
			}
		}
		ch.x[i], last = v, v
	}
	return missing
}

// markDead marks what stands still for a fifth of a second or touches the end of its scale.
func (ch *channel) markDead() {
	lo, hi := slices.Min(ch.x), slices.Max(ch.x)
	from := 0
	for i := 1; i <= size; i++ {
		if i < size && ch.x[i] == ch.x[from] {
			continue
		}
		n := i - from
		ends := ch.x[from] == lo || ch.x[from] == hi
		if n >= Rate/5 || ends && n >= Rate/25 {
			for j := from; j < i; j++ {
				ch.bad[j] = true
			}
		}
		from = i
	}
}

// findQRS finds beats as peaks of slope energy: forwards and backwards, against the level of the whole strip and of the
// seconds around.
func (ch *channel) findQRS() {
	e := make([]float64, size)
	for i := 2; i < size-2; i++ {
		e[i] = math.Abs(2*(ch.high[i+1]-ch.high[i-1]) + ch.high[i+2] - ch.high[i-2])
	}
	e = average(average(e, Rate/12), Rate/12)
	ch.beats = peaks(e, 0.22, 0.35, 0.004)
}

// findPulses finds the upstrokes of a pulse wave (slope sum function: Zong et al., Computers in Cardiology 2003).
func (ch *channel) findPulses() {
	e := make([]float64, size)
	up := make([]float64, size)
	for i := 1; i < size; i++ {
		up[i] = max(0, ch.high[i]-ch.high[i-1])
	}
	w, sum := Rate*15/100, 0.0
	for i := range up {
		sum += up[i]
		if i >= w {
			sum -= up[i-w]
		}
		e[i] = sum
	}
	floor := 0.0
	if ch.kind == Pressure {
		floor = 3 // mm[Hg]: less is no pulse
	}
	ch.beats = peaks(e, 0.27, 0.35, floor)
}

// peaks returns the maxima of e at least apart seconds from each other and over the share of the usual height: the lower
// of the strip's median and what the three seconds around show, but never under half of the strip's, nor under floor.
func peaks(e []float64, apart, share, floor float64) (out []int) {
	const hop = Rate
	var tops []float64
	for i := 0; i+2*hop <= len(e); i += hop {
		tops = append(tops, slices.Max(e[i:i+2*hop]))
	}
	usual := median(tops)
	gap := int(apart * Rate)
	for i := range e {
		if e[i] < floor || e[i] < share*usual*0.5 || e[i] < slices.Max(e[max(0, i-gap/2):min(len(e), i+gap/2+1)]) {
			continue
		}
		local := slices.Max(e[max(0, i-3*hop/2):min(len(e), i+3*hop/2)])
		if e[i] < share*min(max(local, usual*0.5), 1.5*usual) {
			continue
		}
		if n := len(out); n > 0 && i-out[n-1] < gap {
			if e[i] > e[out[n-1]] {
				out[n-1] = i
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// regular is high where beats look alike and little is dead: the mean correlation of each beat with the mean beat.
func (ch *channel) regular() float64 {
	dead := 0.0
	for _, b := range ch.bad {
		if b {
			dead += 1.0 / size
		}
	}
	like := ch.alike(ch.beats)
	sum := 0.0
	for _, v := range like {
		sum += v
	}
	if len(like) < 5 {
		return 0
	}
	return sum / float64(len(like)) * (1 - dead)
}

// alike returns for each beat its correlation with the mean of all, within 0.15 s (ECG) or 0.3 s around it.
func (ch *channel) alike(beats []int) []float64 {
	half := Rate * 15 / 100
	if ch.kind != ECG {
		half = Rate * 3 / 10
	}
	var windows [][]float64
	mean := make([]float64, 2*half+1)
	src := ch.high
	for _, b := range beats {
		if b-half < 0 || b+half >= size {
			continue
		}
		w := src[b-half : b+half+1]
		windows = append(windows, w)
		for i, v := range w {
			mean[i] += v
		}
	}
	out := make([]float64, len(windows))
	for i, w := range windows {
		out[i] = correlation(w, mean)
	}
	return out
}

func correlation(a, b []float64) float64 {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		sa, sb = sa+a[i], sb+b[i]
		saa, sbb, sab = saa+a[i]*a[i], sbb+b[i]*b[i], sab+a[i]*b[i]
	}
	n := float64(len(a))
	d := (saa - sa*sa/n) * (sbb - sb*sb/n)
	if d <= 0 {
		return 0
	}
	return (sab - sa*sb/n) / math.Sqrt(d)
}

// within returns the beats from sample lo up to hi.
func (ch *channel) within(lo, hi int) (out []int) {
	for _, b := range ch.beats {
		if b >= lo && b < hi {
			out = append(out, b)
		}
	}
	return out
}
