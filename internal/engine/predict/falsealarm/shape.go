package falsealarm

import "math"

// heart puts what only an ECG lead tells: spectra and the shape of beats.
func (s *sheet) heart(name string, ch *channel) {
	s.spectrum(name, ch)
	s.shape(name, ch)
}

// spectral holds shares of power in a window: 1 to 3, 3 to 7, 7 to 15 and 15 to 30 Hz, the share around the strongest
// frequency between 1.5 and 9 Hz, and that frequency.
type spectral [6]float64

var spectralNames = [6]string{"power-1-3", "power-3-7", "power-7-15", "power-15-30", "one-frequency", "frequency"}

// spectrum puts least, median and most of the recent windows of three seconds, and how the most differs from the base.
func (s *sheet) spectrum(name string, ch *channel) {
	var list, base [6][]float64
	if ch != nil {
		const w = 3 * Rate
		for i := 0; i+w <= size; i += Rate {
			p := powers(ch.x[i : i+w])
			for k, v := range p {
				if i >= recent {
					list[k] = append(list[k], v)
				} else if i+w <= recent {
					base[k] = append(base[k], v)
				}
			}
		}
	}
	for k, what := range spectralNames {
		s.put(lowest(list[k]), name, what, "least")
		s.put(median(list[k]), name, what, "median")
		s.put(highest(list[k]), name, what, "most")
		s.put(highest(list[k])-median(base[k]), name, what, "change")
	}
}

// powers computes the shares by a direct transform at steps of a third of a hertz, with a Hann window.
func powers(x []float64) (out spectral) {
	n := float64(len(x))
	mean := 0.0
	for _, v := range x {
		mean += v / n
	}
	const bins = 90
	var power [bins + 1]float64
	total := 0.0
	for k := 3; k <= bins; k++ {
		w := 2 * math.Pi * float64(k) / 3 / Rate
		c := 2 * math.Cos(w)
		var s1, s2 float64
		for i, v := range x {
			hann := hannAt(i, len(x))
			s0 := (v-mean)*hann + c*s1 - s2
			s2, s1 = s1, s0
		}
		power[k] = s1*s1 + s2*s2 - c*s1*s2
		total += power[k]
	}
	top := 5
	for k := 3; k <= bins; k++ {
		switch {
		case k < 9:
			out[0] += power[k] / total
		case k < 21:
			out[1] += power[k] / total
		case k < 45:
			out[2] += power[k] / total
		default:
			out[3] += power[k] / total
		}
		if k >= 5 && k <= 27 && power[k] > power[top] {
			top = k
		}
	}
	for k := max(3, top-2); k <= top+2; k++ {
		out[4] += power[k] / total
	}
	out[5] = float64(top) / 3
	return out
}

// hannAt is the Hann window by a parabola-free table-less form; windows are all of one length.
func hannAt(i, n int) float64 { return hann3[i*len(hann3)/n] }

var hann3 = hannTable()

func hannTable() (out [3 * Rate]float64) {
	for i := range out {
		out[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(out)-1))
	}
	return out
}

// beat is the shape of one beat.
type beat struct {
	at     int
	like   float64 // correlation with the usual beat
	width  float64 // seconds over which it stands out by half
	height float64 // peak to peak, mV
}

// early is where the part of the strip begins in which a run of strange beats is looked for: some monitors alarm late.
const early = size - 26*Rate

// shape puts how beats differ from the usual beat and from one another, and how fast the strange ones run.
func (s *sheet) shape(name string, ch *channel) {
	var all []beat
	if ch != nil {
		all = ch.shape
	}
	var like, width, height []float64
	for _, b := range all {
		if b.at >= recent {
			like, width, height = append(like, b.like), append(width, b.width), append(height, b.height)
		}
	}
	s.put(median(like), name, "alike")
	s.put(quantile(like, 0.1), name, "alike-least")
	s.put(median(width), name, "width")
	s.put(quantile(width, 0.9), name, "width-most")
	s.put(quantile(height, 0.9)/median(height), name, "height-most")
	s.put(quantile(height, 0.1)/median(height), name, "height-least")
	for _, part := range strangeParts {
		v := strangeNo()
		if ch != nil {
			v = strangeIn(all, part.lo, part.hi)
		}
		for i, what := range strangeNames {
			s.put(v[i], name, what, part.name)
		}
	}
}

// strangeParts are where runs of strange beats are looked for.
var strangeParts = [2]struct {
	name   string
	lo, hi int
}{{"late", size - 14*Rate, size}, {"ever", early, size}}

// strange holds the longest run of strange beats and its rate, and the highest means over three or five beats in a row:
// of strangeness, width and height, and of strangeness where the five beats are faster than 95 a minute.
type strange [7]float64

var strangeNames = [7]string{"strange-run", "strange-rate", "strange-5", "wide-5", "high-5", "strange-3", "strange-fast-5"}

func strangeNo() (out strange) {
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

func strangeIn(all []beat, lo, hi int) (out strange) {
	var list []beat
	var height []float64
	for _, b := range all {
		if b.at >= lo && b.at < hi {
			list = append(list, b)
			height = append(height, b.height)
		}
	}
	n, rate := strangest(list, 0.75)
	odd := func(b beat) float64 { return 1 - b.like }
	out[0], out[1] = float64(n), rate
	out[2] = stretch(list, 5, odd)
	out[3] = stretch(list, 5, func(b beat) float64 { return b.width })
	out[4] = stretch(list, 5, func(b beat) float64 { return b.height }) / median(height)
	out[5] = stretch(list, 3, odd)
	out[6] = 0
	for i := 0; i+5 <= len(list); i++ {
		if 240*Rate/float64(list[i+4].at-list[i].at) > 95 {
			out[6] = max(out[6], stretch(list[i:i+5], 5, odd))
		}
	}
	return out
}

// shapes measures every beat against the usual one: the median of all, sample by sample.
func (ch *channel) shapes() (out []beat) {
	const half = Rate * 12 / 100
	x := band(ch.x, 1, 30)
	ref := ch.within(half, size-half)
	usual, column := make([]float64, 2*half+1), make([]float64, len(ref))
	for i := range usual {
		for k, b := range ref {
			column[k] = x[b-half+i]
		}
		usual[i] = median(column)
	}
	for _, b := range ch.within(half, size-half) {
		w := x[b-half : b+half+1]
		lo, hi := lowest(w), highest(w)
		level := (w[0] + w[len(w)-1]) / 2
		top := max(hi-level, level-lo)
		n := 0
		for _, v := range w {
			if math.Abs(v-level) > top/2 {
				n++
			}
		}
		out = append(out, beat{at: b, like: bestCorrelation(x, b, usual), width: float64(n) / Rate, height: hi - lo})
	}
	return out
}

// bestCorrelation lets the beat lie up to 40 ms beside its mark.
func bestCorrelation(x []float64, b int, mean []float64) float64 {
	best := -1.0
	half := len(mean) / 2
	for d := -10; d <= 10; d += 2 {
		if lo := b + d - half; lo >= 0 && lo+len(mean) <= len(x) {
			best = max(best, correlation(x[lo:lo+len(mean)], mean))
		}
	}
	return best
}

// strangest returns the longest run of beats less alike than limit, and its rate per minute.
func strangest(list []beat, limit float64) (n int, rate float64) {
	rate = math.NaN()
	start := -1
	for i := 0; i <= len(list); i++ {
		if i < len(list) && list[i].like < limit {
			if start < 0 {
				start = i
			}
			continue
		}
		if run := i - start; start >= 0 && run > n {
			n = run
			if run > 1 {
				rate = 60 * float64(run-1) * Rate / float64(list[i-1].at-list[start].at)
			}
		}
		start = -1
	}
	return n, rate
}

// stretch returns the highest mean of the measure over n beats in a row.
func stretch(list []beat, n int, of func(beat) float64) float64 {
	best := math.NaN()
	for i := 0; i+n <= len(list); i++ {
		sum := 0.0
		for _, b := range list[i : i+n] {
			sum += of(b) / float64(n)
		}
		if !(best >= sum) {
			best = sum
		}
	}
	return best
}
