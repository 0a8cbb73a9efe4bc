package main

import (
	"fmt"
	"math"

	"github.com/vigil-health/vigil/internal/engine/signal"
)

const (
	ridge   = 30  // pulls weights of standardised features to nought
	turns   = 12  // of Newton's method
	missing = 1.3 // fibrillation that is missed weighs so much more than what is mistaken for it
)

// model is a logistic regression on standardised features.
type model struct {
	bias         float64
	w, mean, dev []float64
}

func (m model) probability(f signal.AFFeatures) float64 {
	x := m.bias
	for i, v := range f {
		x += m.w[i] * (v - m.mean[i]) / m.dev[i]
	}
	return 1 / (1 + math.Exp(-x))
}

// train fits all patients but one. A patient's windows of a class count by the square root of their number, so that the
// longest records do not decide alone; the classes count alike but for missing.
func train(records []record, without int) model {
	var rows []row
	var sum [2]float64
	for k, r := range records {
		if k == without {
			continue
		}
		var n [2]float64
		for _, w := range r.rows {
			n[class(w)]++
		}
		for _, w := range r.rows {
			w.weight = 1 / math.Sqrt(n[class(w)])
			sum[class(w)] += w.weight
			rows = append(rows, w)
		}
	}
	for i := range rows {
		rows[i].weight *= float64(len(rows)) / 2 / sum[class(rows[i])]
		if rows[i].af {
			rows[i].weight *= missing
		}
	}
	m := standard(rows)
	for range turns {
		m.newton(rows)
	}
	return m
}

func class(r row) int {
	if r.af {
		return 1
	}
	return 0
}

func standard(rows []row) model {
	n := len(rows[0].f)
	m := model{w: make([]float64, n), mean: make([]float64, n), dev: make([]float64, n)}
	for _, r := range rows {
		for i, v := range r.f {
			m.mean[i] += v / float64(len(rows))
		}
	}
	for _, r := range rows {
		for i, v := range r.f {
			m.dev[i] += (v - m.mean[i]) * (v - m.mean[i]) / float64(len(rows))
		}
	}
	for i := range m.dev {
		m.dev[i] = max(math.Sqrt(m.dev[i]), 1e-9)
	}
	return m
}

// newton takes one step: the Hessian with the gradient as its last column, solved for the change.
func (m *model) newton(rows []row) {
	n := len(m.w) + 1
	h := make([][]float64, n)
	for i := range h {
		h[i] = make([]float64, n+1)
		if i > 0 {
			h[i][i], h[i][n] = ridge, -ridge*m.w[i-1]
		}
	}
	z := make([]float64, n)
	for _, r := range rows {
		z[0] = 1
		for i, v := range r.f {
			z[i+1] = (v - m.mean[i]) / m.dev[i]
		}
		p := m.probability(r.f)
		g, c := r.weight*(float64(class(r))-p), r.weight*p*(1-p)
		for a := range z {
			h[a][n] += g * z[a]
			for b := range z {
				h[a][b] += c * z[a] * z[b]
			}
		}
	}
	change := solve(h)
	m.bias += change[0]
	for i := range m.w {
		m.w[i] += change[i+1]
	}
}

// solve is Gauss' elimination with pivots; the last column is the right side.
func solve(a [][]float64) []float64 {
	n := len(a)
	for i := range n {
		p := i
		for k := i; k < n; k++ {
			if math.Abs(a[k][i]) > math.Abs(a[p][i]) {
				p = k
			}
		}
		a[i], a[p] = a[p], a[i]
		for k := i + 1; k < n; k++ {
			q := a[k][i] / a[i][i]
			for j := i; j <= n; j++ {
				a[k][j] -= q * a[i][j]
			}
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = a[i][n]
		for j := i + 1; j < n; j++ {
			x[i] -= a[i][j] * x[j]
		}
		x[i] /= a[i][i]
	}
	return x
}

// show writes the model with the standardisation folded in, ready for afmodel.go.
func show(m model) {
	bias := m.bias
	for i, w := range m.w {
		bias -= w * m.mean[i] / m.dev[i]
	}
	fmt.Printf("\tbias %.6f\n", bias)
	for i, w := range m.w {
		fmt.Printf("\t%-11s %.6f\n", signal.AFFeatureNames()[i], w/m.dev[i])
	}
}
