package predict

import (
	"slices"
	"sort"

	"github.com/vigil-health/vigil"
)

// Curve turns the probability that a forest gives into the one that was observed: points [given, observed], rising in
// both, straight lines between them, level beyond the ends. The training program makes it by isotonic regression on
// predictions of rows that the trees had not seen.
type Curve [][2]float64

// Check returns Invalid unless the curve has a point at least, lies within 0 to 1 and never falls.
func (c Curve) Check() error {
	if len(c) == 0 {
		return vigil.Errorf(vigil.Invalid, "predict.curve", "the calibration has no points")
	}
	for i, p := range c {
		if !(p[0] >= 0 && p[0] <= 1 && p[1] >= 0 && p[1] <= 1) {
			return vigil.Errorf(vigil.Invalid, "predict.curve", "point %d of the calibration is outside 0 to 1", i)
		}
		if i > 0 && (p[0] <= c[i-1][0] || p[1] < c[i-1][1]) {
			return vigil.Errorf(vigil.Invalid, "predict.curve", "point %d of the calibration does not rise", i)
		}
	}
	return nil
}

// At returns the observed probability for a given one. It does not allocate.
func (c Curve) At(p float64) float64 {
	i := sort.Search(len(c), func(i int) bool { return c[i][0] >= p })
	switch {
	case i == 0:
		return c[0][1]
	case i == len(c):
		return c[len(c)-1][1]
	}
	a, b := c[i-1], c[i]
	return a[1] + (b[1]-a[1])*(p-a[0])/(b[0]-a[0])
}

// Share is how far one feature moved a margin.
type Share struct {
	Feature int // place in Forest.Names
	Value   float32
	By      float64 // in log odds: above 0 towards 1
}

// Top returns the n features that moved the margin furthest upwards (sign 1), downwards (-1) or either way (0), the
// furthest first.
func (f *Forest) Top(row []float32, n, sign int) []Share {
	out := make([]float64, len(f.names))
	f.Explain(row, out)
	list := make([]Share, 0, len(out))
	for i, by := range out {
		if by != 0 && (sign == 0 || (by > 0) == (sign > 0)) {
			list = append(list, Share{i, row[i], by})
		}
	}
	slices.SortStableFunc(list, func(a, b Share) int {
		switch x, y := a.By*a.By, b.By*b.By; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return list[:min(n, len(list))]
}
