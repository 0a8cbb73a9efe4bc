package signal

import (
	"math"
	"slices"
)

// AFFeatures is what the probability of atrial fibrillation is made from: measures of how irregular a window of RR
// intervals is, and of regular irregularity that is something else. All are free of unit.
type AFFeatures [afFeatures]float64

const afFeatures = 11

// AFWindow is the number of RR intervals that a probability is made from.
const AFWindow = 128

// The features by their place.
const (
	afSmooth    = iota // log of the RMSSD by the mean RR, after a median of three: what single early beats leave
	afCOSEn            // coefficient of sample entropy (Lake and Moorman, Am J Physiol 2011;300:H319), m = 1
	afOver5            // part of |ΔRR| over 5 % of the median RR
	afOver10           // over 10 %
	afTurning          // part of turning points (2/3 in noise)
	afShannon          // entropy of a histogram of RR by the median, in bins of 5 %
	afBigeminal        // log of the median |RR - RR two before| by the median |ΔRR|: low in bigeminy
	afLag1             // autocorrelation of RR after one beat: high in respiratory arrhythmia, low in bigeminy
	afLag2             // after two
	afOrigin           // part of successive ΔRR that both stay within 3 %
	afLorenz           // part of occupied cells of ΔRR against the ΔRR before, 5 % wide
)

// AFFeatureNames returns the names of the features by their place.
func AFFeatureNames() [afFeatures]string {
	return [afFeatures]string{
		"smooth", "cosen", "over5", "over10", "turning", "shannon", "bigeminal", "lag1", "lag2", "origin", "lorenz",
	}
}

// afScratch is the memory that Features works in.
type afScratch struct {
	rr, a, b, c []float64
	cells       map[[2]int8]bool
}

func newAFScratch(n int) *afScratch {
	return &afScratch{rr: make([]float64, 0, n), a: make([]float64, 0, n), b: make([]float64, 0, n), c: make([]float64, 0, n), cells: make(map[[2]int8]bool, n)}
}

// FeaturesOf measures a window of RR intervals in seconds, oldest first, at least 16 of them.
func FeaturesOf(rr []float64) AFFeatures { return newAFScratch(len(rr)).features(rr) }

func (s *afScratch) features(rr []float64) (f AFFeatures) {
	n := len(rr)
	s.a = append(s.a[:0], rr...)
	slices.Sort(s.a)
	med := s.a[n/2]
	d := s.b[:0]
	for i := 1; i < n; i++ {
		d = append(d, (rr[i]-rr[i-1])/med)
	}
	s.b = d
	typical := f.differences(d, s)
	f.smoothed(rr, s)
	f[afCOSEn] = cosen(rr, mean(rr))
	f[afShannon] = histogramEntropy(rr, med)
	f[afLag1], f[afLag2] = autocorrelation(rr, 1), autocorrelation(rr, 2)
	turns := 0
	for i := 1; i+1 < n; i++ {
		if (rr[i]-rr[i-1])*(rr[i+1]-rr[i]) < 0 {
			turns++
		}
	}
	f[afTurning] = float64(turns) / float64(n-2)
	two := s.c[:0]
	for i := 2; i < n; i++ {
		two = append(two, math.Abs(rr[i]-rr[i-2])/med)
	}
	slices.Sort(two)
	f[afBigeminal] = logOf(two[len(two)/2]) - logOf(typical)
	s.c = two
	return f
}

// differences fills in what follows from the relative differences d, and returns the median of their size.
func (f *AFFeatures) differences(d []float64, s *afScratch) (typical float64) {
	clear(s.cells)
	near := 0
	for i, x := range d {
		x = math.Abs(x)
		f[afOver5] += step(x, 0.05)
		f[afOver10] += step(x, 0.10)
		if i == 0 {
			continue
		}
		if x < 0.03 && math.Abs(d[i-1]) < 0.03 {
			near++
		}
		s.cells[[2]int8{cell(d[i]), cell(d[i-1])}] = true
	}
	n := float64(len(d))
	f[afOver5], f[afOver10] = f[afOver5]/n, f[afOver10]/n
	f[afOrigin], f[afLorenz] = float64(near)/(n-1), float64(len(s.cells))/(n-1)
	s.a = s.a[:0]
	for _, x := range d {
		s.a = append(s.a, math.Abs(x))
	}
	slices.Sort(s.a)
	return s.a[len(s.a)/2]
}

// smoothed measures the intervals after a running median of three.
func (f *AFFeatures) smoothed(rr []float64, s *afScratch) {
	sm := s.c[:0]
	for i := 1; i+1 < len(rr); i++ {
		sm = append(sm, median3(rr[i-1], rr[i], rr[i+1]))
	}
	sum := 0.0
	for i := 1; i < len(sm); i++ {
		sum += (sm[i] - sm[i-1]) * (sm[i] - sm[i-1])
	}
	f[afSmooth] = logOf(math.Sqrt(sum/float64(len(sm)-1)) / mean(sm))
	s.c = sm
}

func cell(x float64) int8 { return int8(max(-20, min(20, math.Round(x/0.05)))) }

func step(x, over float64) float64 {
	if x > over {
		return 1
	}
	return 0
}

func median3(a, b, c float64) float64 { return max(min(a, b), min(max(a, b), c)) }

// logOf is the logarithm of a ratio, which a clock of milliseconds makes 0 now and then.
func logOf(x float64) float64 { return math.Log(max(x, 1e-3)) }

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func rms(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(x)))
}

// cosen is the coefficient of sample entropy with m = 1 and a tolerance of 30 ms.
func cosen(rr []float64, mean float64) float64 {
	const tol = 0.03
	var a, b float64
	for i := 0; i+1 < len(rr); i++ {
		for k := i + 1; k+1 < len(rr); k++ {
			if math.Abs(rr[i]-rr[k]) < tol {
				b++
				if math.Abs(rr[i+1]-rr[k+1]) < tol {
					a++
				}
			}
		}
	}
	return math.Log((b+1)/(a+1)) - math.Log(2*tol) - math.Log(mean)
}

func histogramEntropy(rr []float64, med float64) float64 {
	var bins [41]float64
	for _, v := range rr {
		bins[int(max(0, min(40, math.Round(v/med/0.05))))]++
	}
	h := 0.0
	for _, c := range bins {
		if c > 0 {
			p := c / float64(len(rr))
			h -= p * math.Log(p)
		}
	}
	return h
}

func autocorrelation(x []float64, lag int) float64 {
	m := mean(x)
	var num, den float64
	for i, v := range x {
		den += (v - m) * (v - m)
		if i >= lag {
			num += (v - m) * (x[i-lag] - m)
		}
	}
	return num / max(den, 1e-9)
}
