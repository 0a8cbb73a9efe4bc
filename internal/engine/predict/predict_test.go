package predict_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/predict"
)

func forest(t testing.TB) *predict.Forest {
	t.Helper()
	data, err := os.ReadFile("testdata/forest.json")
	if err != nil {
		t.Fatal(err)
	}
	f, err := predict.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// vector is one row with what XGBoost says of it (training/vectors.py).
type vector struct {
	Row         []*float32 `json:"row"`
	Margin      float32    `json:"margin"`
	Probability float64    `json:"probability"`
	Shares      []float64  `json:"shares"` // the bias last
}

func (v vector) row() []float32 {
	out := make([]float32, len(v.Row))
	for i, p := range v.Row {
		out[i] = float32(math.NaN())
		if p != nil {
			out[i] = *p
		}
	}
	return out
}

func vectors(t testing.TB) (out []vector) {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	for dec.More() {
		var v vector
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if len(out) != 200 {
		t.Fatalf("%d vectors, want 200", len(out))
	}
	return out
}

func TestSameAsXGBoost(t *testing.T) {
	f := forest(t)
	for i, v := range vectors(t) {
		row := v.row()
		if got := f.Margin(row); got != v.Margin {
			t.Errorf("row %d: margin %v, want %v", i, got, v.Margin)
		}
		if got := predict.Probability(f.Margin(row)); math.Abs(got-v.Probability) > 1e-6 {
			t.Errorf("row %d: probability %v, want %v", i, got, v.Probability)
		}
		shares := make([]float64, len(f.Names()))
		bias := f.Explain(row, shares)
		sum := bias
		for k, s := range shares {
			sum += s
			if math.Abs(s-v.Shares[k]) > 1e-4 {
				t.Errorf("row %d: share of %s %v, want %v", i, f.Names()[k], s, v.Shares[k])
			}
		}
		if math.Abs(bias-v.Shares[len(shares)]) > 1e-4 || math.Abs(sum-float64(v.Margin)) > 1e-4 {
			t.Errorf("row %d: bias %v, want %v; shares give %v, want %v", i, bias, v.Shares[len(shares)], sum, v.Margin)
		}
	}
}

func TestMarginDoesNotAllocate(t *testing.T) {
	f, row := forest(t), vectors(t)[0].row()
	curve := predict.Curve{{0, 0}, {1, 1}}
	if n := testing.AllocsPerRun(100, func() { curve.At(predict.Probability(f.Margin(row))) }); n != 0 {
		t.Errorf("%v allocations a prediction", n)
	}
}

func TestTop(t *testing.T) {
	f, row := forest(t), vectors(t)[3].row()
	up := f.Top(row, 2, 1)
	if len(up) == 0 || len(up) > 2 {
		t.Fatalf("top %v", up)
	}
	for i, s := range up {
		if s.By <= 0 || i > 0 && s.By > up[i-1].By {
			t.Errorf("top %v is not in order", up)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	sound, err := os.ReadFile("testdata/forest.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"Nothing":   {"{", "x"},
		"Booster":   {`"gbtree"`, `"dart"`},
		"Objective": {`"binary:logistic"`, `"reg:squarederror"`},
		"Circle":    {`"left_children":[1,`, `"left_children":[0,`},
		"Outside":   {`"left_children":[1,`, `"left_children":[9999,`},
		"Feature":   {`"num_feature":"5"`, `"num_feature":"4"`},
		"Base":      {`"base_score":"3E-1"`, `"base_score":"2"`},
	} {
		t.Run(name, func(t *testing.T) {
			data := bytes.ReplaceAll(sound, []byte(change[0]), []byte(change[1]))
			if bytes.Equal(data, sound) {
				t.Fatal("the change changes nothing")
			}
			if _, err := predict.Decode(data); vigil.KindOf(err) != vigil.Invalid {
				t.Errorf("got %v, want an invalid", err)
			}
		})
	}
}

func TestCurve(t *testing.T) {
	c := predict.Curve{{0.1, 0}, {0.3, 0.2}, {0.7, 0.2}, {0.9, 0.8}}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[float64]float64{0: 0, 0.1: 0, 0.2: 0.1, 0.5: 0.2, 0.8: 0.5, 1: 0.8} {
		if got := c.At(in); math.Abs(got-want) > 1e-12 {
			t.Errorf("At(%v) = %v, want %v", in, got, want)
		}
	}
	for _, bad := range []predict.Curve{nil, {{0, 0.5}, {0, 0.6}}, {{0, 0.5}, {1, 0.4}}, {{-1, 0}}, {{0, math.NaN()}}} {
		if vigil.KindOf(bad.Check()) != vigil.Invalid {
			t.Errorf("%v passes", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	sound, err := os.ReadFile("testdata/forest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Add([]byte(`{"learner":{"feature_names":["a"],"gradient_booster":{"name":"gbtree","model":{"trees":[{"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[0,0,0],"split_conditions":[0.5,1,-1],"default_left":[1,0,0],"sum_hessian":[2,1,1]}]}},"learner_model_param":{"base_score":"5E-1","num_feature":"1"},"objective":{"name":"binary:logistic"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := predict.Decode(data)
		if err != nil {
			if vigil.KindOf(err) != vigil.Invalid {
				t.Fatalf("kind %v", vigil.KindOf(err))
			}
			return
		}
		row := make([]float32, len(m.Names()))
		m.Margin(row)
		m.Explain(row, make([]float64, len(row)))
	})
}

func BenchmarkMargin(b *testing.B) {
	f, row := forest(b), vectors(b)[0].row()
	b.ReportAllocs()
	for b.Loop() {
		f.Margin(row)
	}
}
