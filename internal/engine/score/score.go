// Package score computes early-warning scores from their published tables: NEWS2, MEWS, PEWS, qSOFA, SIRS, shock index.
//
// The tables are data (catalog/scores); this package knows no patient, keeps no values and raises no alarm
// (engine/rule does). A missing input is never taken as normal: the total stays open and the part is named.
// Start at Table.
package score

import (
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
)

// Incomplete is the band of a result with missing parts.
const Incomplete = "incomplete"

// Result is a score at a time. Total is nil while a part is missing; Known then is the sum of the parts that are known,
// a lower bound of the total.
type Result struct {
	Key     string    `json:"key"`
	Total   *int      `json:"total"`
	Known   int       `json:"known"`
	Ratio   float64   `json:"ratio,omitempty"` // of a quotient such as the shock index; 0 when not one
	Band    string    `json:"band"`
	Parts   []Part    `json:"parts"`
	Missing []string  `json:"missing"` // labels
	Time    time.Time `json:"time"`

	// What the score is, where it was asked for by name.
	Title   string `json:"title,omitempty"`
	Version string `json:"version,omitempty"`
	Source  string `json:"source,omitempty"`
}

// Part is one parameter of a score.
type Part struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Score *int   `json:"score"` // nil when missing
}

// Input is one value that a table asks for.
type Input struct {
	Key     string
	Label   string
	Metrics []vigil.Metric // the newest of them counts
	MaxAge  time.Duration
	Above   map[vigil.Metric]float64
}

// Of returns the input's value made from a value of the metric: itself, or 1 and 0 for over and not over a bound.
func (in Input) Of(m vigil.Metric, v float64) float64 {
	bound, ok := in.Above[m]
	switch {
	case !ok:
		return v
	case v > bound:
		return 1
	}
	return 0
}

// Table is one score, ready to compute. It does not change and may be shared.
type Table struct {
	Key, Version, Title, Source string
	ages                        []string
	under                       int
	inputs                      []Input
	parts                       []part
	bands                       []catalog.ScoreBand
}

type part struct {
	key, label string
	input      int
	ratio      int // index of the divisor, or -1
	tables     []rows
}

type rows struct {
	when  []condition
	upper []bound
}

type condition struct {
	input int // index of a 0/1 input, or -1
	flag  string
	want  bool
}

type bound struct {
	le     float64 // value belongs here when <= le
	points int
}

// New compiles a table. It returns an Invalid error that names what does not fit.
func New(def catalog.ScoreTable) (*Table, error) {
	t := &Table{Key: def.Key, Version: def.Version, Title: def.Title, Source: def.Source, ages: def.AgeGroups, under: def.Under, bands: def.Bands}
	index := map[string]int{}
	for i, in := range def.Inputs {
		index[in.Key] = i
		t.inputs = append(t.inputs, Input{Key: in.Key, Label: in.Label, Metrics: in.Metrics, MaxAge: in.MaxAge, Above: in.Above})
	}
	for _, p := range def.Parts {
		c, err := compilePart(p, index)
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "score.new", "table %s, part %s: %w", def.Key, p.Key, err)
		}
		t.parts = append(t.parts, c)
	}
	return t, nil
}

func compilePart(p catalog.ScorePart, index map[string]int) (part, error) {
	in, ok := index[p.Input]
	if !ok {
		return part{}, vigil.Errorf(vigil.Invalid, "", "no input %q", p.Input)
	}
	c := part{key: p.Key, label: p.Label, input: in, ratio: -1}
	if p.Ratio != "" {
		if c.ratio, ok = index[p.Ratio]; !ok {
			return part{}, vigil.Errorf(vigil.Invalid, "", "no input %q", p.Ratio)
		}
		return c, nil
	}
	for _, tab := range p.Tables {
		r := rows{}
		for name, want := range tab.When {
			cond := condition{input: -1, flag: name, want: want}
			if i, ok := index[name]; ok {
				cond.input = i
			}
			r.when = append(r.when, cond)
		}
		last := math.Inf(-1)
		for i, row := range tab.Rows {
			b := bound{le: math.Inf(1), points: row.Points}
			switch {
			case row.LE != nil:
				b.le = *row.LE
			case row.LT != nil:
				b.le = math.Nextafter(*row.LT, math.Inf(-1))
			case i != len(tab.Rows)-1:
				return part{}, vigil.Errorf(vigil.Invalid, "", "row %d has no upper bound", i+1)
			}
			if b.le <= last {
				return part{}, vigil.Errorf(vigil.Invalid, "", "row %d is not above the one before", i+1)
			}
			last = b.le
			r.upper = append(r.upper, b)
		}
		if !math.IsInf(last, 1) {
			return part{}, vigil.Errorf(vigil.Invalid, "", "the last row must be open upwards")
		}
		c.tables = append(c.tables, r)
	}
	if len(c.tables) == 0 {
		return part{}, vigil.Errorf(vigil.Invalid, "", "neither tables nor ratio")
	}
	return c, nil
}

// Inputs returns what the table asks for; values are given to Score in this order.
func (t *Table) Inputs() []Input { return t.inputs }

// ForAge reports whether the table was made for the age group and age in years, NaN when it is not known.
func (t *Table) ForAge(group string, years float64) bool {
	if t.under > 0 && !(years < float64(t.under)) { // also when the age is not known
		return false
	}
	if len(t.ages) == 0 {
		return true
	}
	for _, a := range t.ages {
		if a == group {
			return true
		}
	}
	return false
}

// Known returns the sum of the parts that are known and how many are missing, without allocating.
// Values stand in the order of Inputs, NaN where missing; flag may be nil.
func (t *Table) Known(values []float64, flag func(string) bool) (sum, missing int) {
	for i := range t.parts {
		points, ok := t.parts[i].points(values, flag)
		if !ok {
			missing++
			continue
		}
		sum += points
	}
	return sum, missing
}

// Score computes the score of values in the order of Inputs, NaN where missing. flag answers for switches that are no
// measurement, for example "scale2" of NEWS2; nil means all are off.
func (t *Table) Score(values []float64, flag func(string) bool, at time.Time) Result {
	res := Result{Key: t.Key, Time: at, Parts: make([]Part, 0, len(t.parts)), Missing: []string{}}
	single := 0
	for i := range t.parts {
		p := &t.parts[i]
		out := Part{Key: p.key, Label: p.label}
		points, ok := p.points(values, flag)
		switch {
		case !ok:
			res.Missing = append(res.Missing, p.label)
		case p.ratio >= 0:
			res.Ratio = values[p.input] / values[p.ratio]
		default:
			out.Score = &points
			res.Known += points
			single = max(single, points)
		}
		res.Parts = append(res.Parts, out)
	}
	res.Band = Incomplete
	if len(res.Missing) == 0 {
		total := res.Known
		res.Total = &total
		res.Band = t.band(total, single)
	}
	return res
}

// ScoreOf computes the score of values by input key; an absent key is missing.
func (t *Table) ScoreOf(values map[string]float64, flags map[string]bool, at time.Time) Result {
	in := make([]float64, len(t.inputs))
	for i, def := range t.inputs {
		v, ok := values[def.Key]
		if !ok {
			v = math.NaN()
		}
		in[i] = v
	}
	return t.Score(in, func(name string) bool { return flags[name] }, at)
}

func (t *Table) band(total, single int) string {
	for _, b := range t.bands {
		if b.Single > 0 && single >= b.Single || b.Single == 0 && total >= b.AtLeast {
			return b.Key
		}
	}
	return ""
}

// points returns the part's points, and false when its input, or an input its choice of table hangs on, is missing.
func (p *part) points(values []float64, flag func(string) bool) (int, bool) {
	v := values[p.input]
	if math.IsNaN(v) {
		return 0, false
	}
	if p.ratio >= 0 {
		d := values[p.ratio]
		return 0, !math.IsNaN(d) && d != 0
	}
	for i := range p.tables {
		holds, known := p.tables[i].holds(values, flag)
		if !known {
			return 0, false
		}
		if !holds {
			continue
		}
		for _, b := range p.tables[i].upper {
			if v <= b.le {
				return b.points, true
			}
		}
	}
	return 0, false
}

// holds looks at flags before inputs, so that an unknown input matters only where the flag asks for it.
func (r *rows) holds(values []float64, flag func(string) bool) (holds, known bool) {
	for _, c := range r.when {
		if c.input < 0 && (flag != nil && flag(c.flag)) != c.want {
			return false, true
		}
	}
	for _, c := range r.when {
		if c.input < 0 {
			continue
		}
		v := values[c.input]
		if math.IsNaN(v) {
			return false, false
		}
		if (v != 0) != c.want {
			return false, true
		}
	}
	return true, true
}
