// Package predict evaluates gradient-boosted trees that were trained elsewhere, and says what each prediction is made of.
//
// It reads the JSON that XGBoost saves (Decode), evaluates it with the same arithmetic (Forest.Margin), turns the result
// into a calibrated probability (Curve) and shares it out among the features (Forest.Explain). It trains nothing, does no
// I/O and knows no patient; features are made in deterioration and falsealarm below. Start at Decode.
package predict

import "math"

// Forest is a sum of regression trees over numeric features. It does not change and may be shared.
type Forest struct {
	names []string
	base  float32 // margin before the first tree
	nodes []node  // of all trees, each tree's root first
	roots []int32
}

// node is an inner node, or a leaf when feature is negative.
type node struct {
	split       float32 // inner: less goes left. Leaf: its value
	mean        float32 // expected value below it, weighted by the training rows
	feature     int32
	left, right int32 // places in Forest.nodes
	missingLeft bool
}

// Names returns what the features are called, in order. Read only.
func (f *Forest) Names() []string { return f.names }

// Trees returns how many trees there are.
func (f *Forest) Trees() int { return len(f.roots) }

// Margin returns the sum of the trees for one row of features (NaN: missing), in the order and the precision in which
// XGBoost adds them: the result is the same to the last bit. It does not allocate. The row has as many numbers as Names.
func (f *Forest) Margin(row []float32) float32 {
	sum := f.base
	for _, root := range f.roots {
		n := &f.nodes[root]
		for n.feature >= 0 {
			n = &f.nodes[n.next(row)]
		}
		sum += n.split
	}
	return sum
}

func (n *node) next(row []float32) int32 {
	v := row[n.feature]
	if v < n.split || v != v && n.missingLeft { // NaN is less than nothing
		return n.left
	}
	return n.right
}

// Probability turns a margin into the probability that logistic training gives it: 1 / (1 + exp(-margin)).
func Probability(margin float32) float64 { return 1 / (1 + math.Exp(-float64(margin))) }

// Explain adds to out, one number a feature, how far each moved the margin of the row: at every split the expected value
// below changes, and the change belongs to the feature that was asked (Saabas 2014; XGBoost's approx_contribs). The bias
// it returns and all shares together are the margin. out has as many numbers as Names.
func (f *Forest) Explain(row []float32, out []float64) (bias float64) {
	bias = float64(f.base)
	for _, root := range f.roots {
		n := &f.nodes[root]
		bias += float64(n.mean)
		for n.feature >= 0 {
			at := n.feature
			before := n.mean
			n = &f.nodes[n.next(row)]
			out[at] += float64(n.mean) - float64(before)
		}
	}
	return bias
}
