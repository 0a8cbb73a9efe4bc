package relational

import (
	"fmt"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// columnNames are the columns that hold one value: text is its code, folded string, id, URI or phrase, exact a string as
// written, system a symbol; low and high a range.
type columnNames struct {
	text, exact, system string
	low, high           string
	real                bool // the range is of reals also where it is of times
	// in and also say that a row is of the parameter, "x.param = 7 AND " and "x.param = 7 + 0 AND ": each arm of an OR says it
	// again, so that each is a walk along an index, and in other words, or SQLite takes it out of both. They may be "".
	in, also string
}

func columnsOf(alias string, k fhir.ParamKind) columnNames {
	c := columnNames{low: "low", high: "high", system: "system", exact: "text"}
	switch k {
	case fhir.ParamToken, fhir.ParamQuantity:
		c.text = "code"
	case fhir.ParamString:
		c.text = "norm"
	case fhir.ParamReference:
		c.text, c.system = "id", "type"
	case fhir.ParamURI:
		c.text = "uri"
	case fhir.ParamText:
		c.text = "text"
	}
	return c.of(alias)
}

func (c columnNames) of(alias string) columnNames {
	for _, name := range []*string{&c.text, &c.exact, &c.system, &c.low, &c.high} {
		*name = alias + "." + *name
	}
	return c
}

// match returns the condition that a row has a value that matches.
func (w *where) match(m *record.Match, c columnNames) cond {
	switch m.Kind {
	case fhir.ParamToken:
		switch {
		case m.Op == record.OpSystemOnly:
			return cond{c.system + " = ?", []any{w.symbol(m.System)}}
		case m.HasSystem:
			return cond{c.text + " = ? AND " + c.system + " = ?", []any{clip(m.Code), w.symbol(m.System)}}
		}
		return cond{c.text + " = ?", []any{clip(m.Code)}}
	case fhir.ParamString:
		return w.text(m, c)
	case fhir.ParamReference:
		if m.Type == "" {
			return cond{c.text + " = ?", []any{clip(m.ID)}}
		}
		return cond{c.text + " = ? AND " + c.system + " = ?", []any{clip(m.ID), w.symbol(m.Type)}}
	case fhir.ParamURI:
		return w.uri(m, c)
	case fhir.ParamText:
		return cond{c.text + " IN (SELECT s.num FROM symbol s WHERE s.text >= ? AND s.text < ? AND instr(' ' || substr(s.text, 2), ?) > 0)",
			[]any{"\x01", "\x02", " " + record.Fold(m.Text)}}
	case fhir.ParamDate:
		if c.real {
			return cond{"(" + compare(m.Op, c.low, c.high, "?", "?") + ")", rangeArgs(m.Op, float64(m.Low), float64(m.High))}
		}
		return w.dates(m, c)
	case fhir.ParamComposite:
		return w.parts(m, c)
	case fhir.ParamSpecial:
		return near(m, c)
	}
	return w.number(m, c)
}

func (w *where) text(m *record.Match, c columnNames) cond {
	fold := record.Fold(m.Text)
	switch m.Op {
	case record.OpExact:
		return cond{c.text + " = ? AND " + c.exact + " = ?", []any{fold, clip(m.Text)}}
	case record.OpContains:
		return cond{"instr(" + c.text + ", ?) > 0", []any{fold}}
	case record.OpEnds:
		return cond{"substr(" + c.text + ", length(" + c.text + ") - length(?) + 1) = ?", []any{fold, fold}}
	}
	return cond{c.text + " >= ? AND " + c.text + " < ?", []any{fold, fold + "\U0010FFFF"}}
}

func (w *where) uri(m *record.Match, c columnNames) cond {
	switch m.Op {
	case record.OpBelow:
		return cond{c.text + " >= ? AND " + c.text + " < ?", []any{clip(m.Text), clip(m.Text) + "\U0010FFFF"}}
	case record.OpAbove:
		var args []any
		for _, u := range record.Above(m.Text) {
			args = append(args, clip(u))
		}
		return cond{c.text + " IN (" + strings.TrimSuffix(strings.Repeat("?,", len(args)), ",") + ")", args}
	}
	return cond{c.text + " = ?", []any{clip(m.Text)}}
}

// parts compares each part with its columns, which composite has filled in the same order.
func (w *where) parts(m *record.Match, c columnNames) cond {
	alias, _, _ := strings.Cut(c.low, ".")
	var list []cond
	texts, ranges := 0, 0
	for i := range m.With {
		part := &m.With[i]
		cols := columnNames{real: true}
		if part.Kind != fhir.ParamDate && part.Kind != fhir.ParamNumber {
			if texts++; texts == 1 {
				cols.text, cols.system = "a", "asys"
			} else {
				cols.text, cols.system = "b", "bsys"
			}
		}
		switch part.Kind {
		case fhir.ParamDate, fhir.ParamNumber, fhir.ParamQuantity:
			if ranges++; ranges == 1 {
				cols.low, cols.high = "low", "high"
			} else {
				cols.low, cols.high = "low2", "high2"
			}
		}
		list = append(list, w.match(part, cols.of(alias)))
	}
	all := and(list)
	all.sql = "(" + all.sql + ")"
	return all
}

// near compares squares of distances, within a band of latitude that the index finds.
func near(m *record.Match, c columnNames) cond {
	alias, _, _ := strings.Cut(c.low, ".")
	lat, lon, latKM, lonKM, km := m.Box()
	dy, dx := "("+alias+".low - ?) * ?", "("+alias+".low2 - ?) * ?"
	return cond{"(" + alias + ".low >= ? AND " + alias + ".low <= ? AND " + dy + " * " + dy + " + " + dx + " * " + dx + " <= ?)",
		[]any{lat - km/latKM, lat + km/latKM, lat, latKM, lat, latKM, lon, lonKM, lon, lonKM, km * km}}
}

// number compares a range of numbers. "high > ?" is written so that an index finds it: by the low end where low and high
// are one, and by the high end where they are not.
func (w *where) number(m *record.Match, c columnNames) cond {
	value := (m.Min + m.Max) / 2
	above := func(op string, v float64) cond {
		if c.real {
			return cond{c.high + op, []any{v}}
		}
		return cond{"(" + c.in + c.low + op + " OR " + c.also + c.low + " <> " + c.high + " AND " + c.high + op + ")", []any{v, v}}
	}
	var test cond
	switch m.Op {
	case record.OpGt, record.OpSa:
		test = above(" > ?", value)
	case record.OpLt, record.OpEb:
		test = cond{c.low + " < ?", []any{value}}
	case record.OpGe:
		test = above(" >= ?", value)
	case record.OpLe:
		test = cond{c.low + " <= ?", []any{value}}
	case record.OpNe:
		test = cond{"NOT (" + c.low + " >= ? AND " + c.high + " < ?)", []any{m.Min, m.Max}}
	case record.OpAp:
		d := max(value/10, -value/10)
		test = above(" >= ?", value-d)
		test = cond{c.low + " <= ? AND " + test.sql, append([]any{value + d}, test.args...)}
	default:
		test = cond{c.low + " >= ? AND " + c.low + " < ? AND " + c.high + " < ?", []any{m.Min, m.Max, m.Max}}
	}
	if m.HasSystem {
		test = cond{test.sql + " AND " + c.system + " = ?", append(test.args, w.symbol(m.System))}
	}
	if m.Code != "" {
		test = cond{test.sql + " AND " + c.text + " = ?", append(test.args, m.Code)}
	}
	return cond{"(" + test.sql + ")", test.args}
}

// wide is the length from which a range of time has an index of its own, in microseconds.
const wide = 86_400_000_000

// dates writes the condition of a date for a walk along an index, which probes of single resources need not: what ends
// after a time begins at most a day before it, or is wide.
func (w *where) dates(m *record.Match, c columnNames) cond {
	test := cond{"(" + compare(m.Op, c.low, c.high, "?", "?") + ")", rangeArgs(m.Op, m.Low, m.High)}
	var after int64
	switch m.Op {
	case record.OpGt:
		after = m.High
	case record.OpGe, record.OpEq, record.OpAp, record.OpSa:
		after = m.Low
	default:
		return test
	}
	return cond{"((" + c.in + c.low + " > ? OR " + c.also + c.high + " > " + c.low + fmt.Sprintf(" + %d", wide) + " AND " + c.high + " > ?) AND " + test.sql + ")",
		append([]any{after - wide - 1, after}, test.args...)}
}

// compare writes a prefix of FHIR search over a stored range and a searched one (FHIR R4 3.1.1.4.9).
func compare(op record.Op, low, high, from, to string) string {
	within := low + " >= " + from + " AND " + high + " <= " + to
	switch op {
	case record.OpNe:
		return "NOT (" + within + ")"
	case record.OpGt:
		return high + " > " + to
	case record.OpLt:
		return low + " < " + from
	case record.OpGe:
		return "(" + high + " > " + to + " OR " + within + ")"
	case record.OpLe:
		return "(" + low + " < " + from + " OR " + within + ")"
	case record.OpSa:
		return low + " >= " + to
	case record.OpEb:
		return high + " <= " + from
	case record.OpAp:
		return low + " < " + to + " AND " + high + " > " + from
	}
	return within
}

func rangeArgs[T any](op record.Op, from, to T) []any {
	switch op {
	case record.OpGt, record.OpSa:
		return []any{to}
	case record.OpLt, record.OpEb:
		return []any{from}
	case record.OpGe:
		return []any{to, from, to}
	case record.OpLe:
		return []any{from, from, to}
	case record.OpAp:
		return []any{to, from}
	}
	return []any{from, to}
}
