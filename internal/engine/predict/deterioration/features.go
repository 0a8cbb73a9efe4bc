package deterioration

import "math"

// signal is one series that statistics are made of: a vital sign, or what two of them give together.
type signal struct {
	name string
	of   func(h *Hour) float64
}

// signals are the series in the order of the features.
var signals = [...]signal{
	{"heart-rate", func(h *Hour) float64 { return h[HeartRate] }},
	{"spo2", func(h *Hour) float64 { return h[SpO2] }},
	{"temperature", func(h *Hour) float64 { return h[Temperature] }},
	{"bp-systolic", func(h *Hour) float64 { return h[Systolic] }},
	{"bp-mean", meanPressure},
	{"bp-diastolic", func(h *Hour) float64 { return h[Diastolic] }},
	{"respiratory-rate", func(h *Hour) float64 { return h[RespRate] }},
	{"shock-index", func(h *Hour) float64 { return h[HeartRate] / h[Systolic] }},
	{"pulse-pressure", func(h *Hour) float64 { return h[Systolic] - h[Diastolic] }},
	{"pressure-form", pressureForm},
}

// meanPressure is the measured mean, else the one of systolic and diastolic: (systolic + 2 * diastolic) / 3.
func meanPressure(h *Hour) float64 {
	if !math.IsNaN(h[Mean]) {
		return h[Mean]
	}
	return (h[Systolic] + 2*h[Diastolic]) / 3
}

// pressureForm is where the mean lies between diastolic (0) and systolic (1): a third at rest, more when vessels are tight.
func pressureForm(h *Hour) float64 {
	v := (h[Mean] - h[Diastolic]) / (h[Systolic] - h[Diastolic])
	if v < -1 || v > 2 {
		return math.NaN()
	}
	return v
}

// windows are the hours that statistics look back over.
var windows = [...]int{6, 12, 24, Span}

// fill puts every feature.
func (s *sheet) fill(c Chart) {
	var last [len(signals)]float64
	for i := range signals {
		last[i] = s.series(&signals[i], c.Hours)
	}
	s.scores(last[:], c.Hours)
	s.put("patient", "age", 0, c.Age)
	s.put("patient", "male", 0, c.Male)
}

// series puts the statistics of one signal and returns its last value.
func (s *sheet) series(sig *signal, hours []Hour) (last float64) {
	var all [History]float64 // newest first
	n := len(hours)
	for i := range n {
		all[i] = sig.of(&hours[n-1-i])
	}
	x := all[:min(n, Span)]
	last, age := math.NaN(), math.NaN()
	for i, v := range x {
		if !math.IsNaN(v) {
			last, age = v, float64(i)
			break
		}
	}
	s.put(sig.name, "last", 0, last)
	s.put(sig.name, "since", 0, age)
	for _, w := range windows {
		s.window(sig.name, w, x[:min(w, len(x))], last)
	}
	s.put(sig.name, "smoothed", 0, smoothed(x, 0.7))
	s.put(sig.name, "from-smoothed", 0, last-smoothed(x, 0.97))
	s.put(sig.name, "jitter", 12, jitter(x[:min(12, len(x))]))
	s.put(sig.name, "jitter", 48, jitter(x[:min(48, len(x))]))
	ever := describe(all[:n])
	s.put(sig.name, "min", History, ever.min)
	s.put(sig.name, "max", History, ever.max)
	return last
}

// jitter is the mean change from one hour to the next, without its sign.
func jitter(x []float64) float64 {
	sum, n := 0.0, 0.0
	for i := 1; i < len(x); i++ {
		if d := math.Abs(x[i-1] - x[i]); !math.IsNaN(d) {
			sum, n = sum+d, n+1
		}
	}
	return sum / n // NaN without a pair
}

// window puts the statistics of the values x, newest first, NaN where nothing was measured.
func (s *sheet) window(name string, hours int, x []float64, last float64) {
	st := describe(x)
	s.put(name, "min", hours, st.min)
	s.put(name, "max", hours, st.max)
	s.put(name, "mean", hours, st.mean)
	s.put(name, "sd", hours, st.sd)
	s.put(name, "from-mean", hours, last-st.mean)
	s.put(name, "measured", hours, st.share)
	if hours >= 24 {
		s.put(name, "hours", hours, st.n)
	}
	if hours <= 24 {
		s.put(name, "slope", hours, st.slope)
		s.put(name, "delta", hours, st.delta)
	}
}

// summary holds statistics of a window, NaN where too few values were measured.
type summary struct{ min, max, mean, sd, slope, delta, share, n float64 }

// describe computes the statistics of values one hour apart, newest first. The slope is per hour, by least squares, of at
// least three values; delta is the newest less the oldest.
func describe(x []float64) summary {
	nan := math.NaN()
	out := summary{nan, nan, nan, nan, nan, nan, nan, 0}
	var n, sx, sy, sxx, sxy, syy, newest, oldest float64
	for i, v := range x {
		if math.IsNaN(v) {
			continue
		}
		if n == 0 {
			out.min, out.max, newest = v, v, v
		}
		t := -float64(i)
		n, sx, sxx = n+1, sx+t, sxx+t*t
		d := v - newest // keeps the sums small
		sy, syy, sxy = sy+d, syy+d*d, sxy+t*d
		out.min, out.max, oldest = min(out.min, v), max(out.max, v), v
	}
	out.n = n
	if len(x) > 0 {
		out.share = n / float64(len(x))
	}
	if n == 0 {
		return out
	}
	out.mean = newest + sy/n
	if n >= 2 {
		out.sd = math.Sqrt(max(0, (syy-sy*sy/n)/(n-1)))
		out.delta = newest - oldest
	}
	if n >= 3 {
		out.slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	}
	return out
}

// smoothed is the exponentially weighted mean of the measured values, newest first; keep is the weight of the hour before.
func smoothed(x []float64, keep float64) float64 {
	sum, weight, w := 0.0, 0.0, 1.0
	for _, v := range x {
		if !math.IsNaN(v) {
			sum, weight = sum+w*v, weight+w
		}
		w *= keep
	}
	return sum / weight // NaN without values
}

// scores puts parts of published scores as far as vital signs give them, now and at their worst within windows.
func (s *sheet) scores(last []float64, hours []Hour) {
	now := partial(last[0], last[1], last[2], last[3], last[6])
	s.put("sirs", "last", 0, now.sirs)
	s.put("qsofa", "last", 0, now.qsofa)
	s.put("news2", "last", 0, now.news)
	s.put("any", "measured", 0, shareMeasured(hours, 1))
	for _, w := range windows[:3] {
		worst := [3]float64{math.NaN(), math.NaN(), math.NaN()}
		sum, n := 0.0, 0.0
		for i := max(0, len(hours)-w); i < len(hours); i++ {
			h := &hours[i]
			p := partial(h[HeartRate], h[SpO2], h[Temperature], h[Systolic], h[RespRate])
			for k, v := range [3]float64{p.sirs, p.qsofa, p.news} {
				worst[k] = worse(worst[k], v)
			}
			if !math.IsNaN(p.news) {
				sum, n = sum+p.news, n+1
			}
		}
		s.put("sirs", "max", w, worst[0])
		s.put("qsofa", "max", w, worst[1])
		s.put("news2", "max", w, worst[2])
		s.put("news2", "mean", w, sum/n)
		s.put("any", "measured", w, shareMeasured(hours, w))
	}
}

// worse is the larger of two, ignoring NaN.
func worse(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

// shareMeasured is how much of what could be measured within the last hours was.
func shareMeasured(hours []Hour, w int) float64 {
	n, all := 0.0, 0.0
	for i := max(0, len(hours)-w); i < len(hours); i++ {
		for _, v := range hours[i] {
			all++
			if !math.IsNaN(v) {
				n++
			}
		}
	}
	return n / all
}
