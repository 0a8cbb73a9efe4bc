package sim

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Columns says what the columns of a table are. Empty fields are found by their usual names.
type Columns struct {
	Time    string            `yaml:"time"`    // column of the time
	Unit    string            `yaml:"unit"`    // of a number there: s, min, h, ms; "" tells it from the name
	ID      string            `yaml:"id"`      // column of the record's id; without it the table is one record
	Map     map[string]string `yaml:"columns"` // column → metric
	Missing []float64         `yaml:"missing"` // values that mean "not measured"
}

// ParseColumns reads a mapping from YAML.
func ParseColumns(name string, text []byte) (Columns, error) {
	var c Columns
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		return c, vigil.Errorf(vigil.Invalid, "replay.mapping", "%s: %s", name, yaml.FormatError(err, false, true))
	}
	return c, nil
}

const (
	csvValues = 20_000_000 // some 500 MB; larger tables are split
	csvSpan   = 366 * 24 * time.Hour
)

// table is the plan of a CSV file.
type table struct {
	name    string
	cols    Columns
	time    int
	id      int
	unit    time.Duration // of a number in the time column; 0 for RFC 3339
	metrics []vigil.Metric
	left    []string
	records map[string]*Recording
	order   []*Recording
	first   map[string]float64
	values  int
}

// ReadCSV reads numbers from a table: a header line, then one line a moment.
// Its Invalid error names file, line and how to mend it.
func ReadCSV(name string, in io.Reader, cols Columns) ([]*Recording, error) {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return nil, tableError(name, 1, "there is no header line: %s", err)
	}
	t := &table{name: name, cols: cols, id: -1, records: map[string]*Recording{}, first: map[string]float64{}}
	if err := t.plan(slices.Clone(head)); err != nil {
		return nil, err
	}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			return nil, tableError(name, line, "%s", err)
		}
		if err := t.line(line, cells); err != nil {
			return nil, err
		}
	}
	if len(t.order) == 0 {
		return nil, tableError(name, 2, "there are no lines below the header")
	}
	for _, rec := range t.order {
		rec.rows = sortRows(rec.rows)
		if n := len(rec.rows); n > 0 {
			rec.Lasts = rec.rows[n-1].at.Truncate(time.Second) + time.Second
		}
	}
	return t.order, nil
}

func tableError(name string, line int, format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "replay.csv", "%s:%d: %s", name, line, fmt.Sprintf(format, args...))
}

// plan finds time, id and metrics among the columns.
func (t *table) plan(head []string) error {
	find := func(asked string, usual ...string) int {
		for i, h := range head {
			if asked != "" && h == asked || asked == "" && slices.Contains(usual, plain(h)) {
				return i
			}
		}
		return -1
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff")
	if t.time = find(t.cols.Time, "ts", "t", "time", "seconds", "timestamp", "minute", "minutes", "hour", "timems"); t.time < 0 {
		return tableError(t.name, 1, "no column %q holds the time; name it with --time, columns are %s", t.cols.Time, strings.Join(head, ", "))
	}
	if t.id = find(t.cols.ID, "record", "pid", "stay", "patient"); t.id < 0 && t.cols.ID != "" {
		return tableError(t.name, 1, "no column %q; --id names the record's id among %s", t.cols.ID, strings.Join(head, ", "))
	}
	var ok bool
	if t.unit, ok = timeUnit(t.cols.Unit, head[t.time]); !ok {
		return tableError(t.name, 1, "%q is no unit of time; use s, min, h or ms", t.cols.Unit)
	}
	for c := range t.cols.Map {
		if !slices.Contains(head, c) {
			return tableError(t.name, 1, "no column %q; the mapping names columns of %s", c, strings.Join(head, ", "))
		}
	}
	voice, err := newVoice()
	if err != nil {
		return err
	}
	t.metrics = make([]vigil.Metric, len(head))
	mapped := 0
	for i, h := range head {
		if i == t.time || i == t.id {
			continue
		}
		metric, known := vigil.Metric(t.cols.Map[h]), true
		if metric == "" {
			metric, known = numericMetric(h)
		}
		if !known {
			t.left = append(t.left, h+": no metric is known under this name; map it with --map "+h+"=heart-rate or another of `GET /api/metrics`")
			continue
		}
		if m, ok := coding.Lookup(metric); !ok || m.Shape != coding.Numeric {
			return tableError(t.name, 1, "column %s is mapped to %q, which is no metric of the catalogue", h, metric)
		}
		if _, ok := voice.code(metric); !ok {
			return tableError(t.name, 1, "column %s is mapped to %s, which the profile %s does not have", h, metric, ReplayProfile)
		}
		t.metrics[i] = metric
		mapped++
	}
	if mapped == 0 {
		return tableError(t.name, 1, "no column holds a number that is known; map one with --map COLUMN=METRIC, columns are %s", strings.Join(head, ", "))
	}
	return nil
}

func timeUnit(asked, column string) (time.Duration, bool) {
	if asked == "" {
		switch plain(column) {
		case "minute", "minutes", "tmin":
			asked = "min"
		case "hour", "hours", "th":
			asked = "h"
		case "timems", "tms":
			asked = "ms"
		default:
			asked = "s"
		}
	}
	u, ok := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour}[asked]
	return u, ok
}

func (t *table) line(no int, cells []string) error {
	id := ""
	if t.id >= 0 {
		id = strings.Clone(cells[t.id])
	}
	at, err := t.moment(cells[t.time])
	if err != nil {
		return tableError(t.name, no, "%s", err)
	}
	rec := t.records[id]
	if rec == nil {
		rec = &Recording{ID: id, Left: t.left}
		if at > 1e6*3600 { // seconds since 1970 rather than since the start
			rec.Start = time.UnixMilli(int64(at * 1000)).UTC()
		}
		t.records[id], t.first[id] = rec, at
		t.order = append(t.order, rec)
	}
	offset := time.Duration((at - t.first[id]) * float64(time.Second)).Round(time.Millisecond)
	if offset < 0 || offset > csvSpan {
		return tableError(t.name, no, "%q lies before the first line of the record, or more than a year after it; sort the table by time", cells[t.time])
	}
	r := row{at: offset}
	for i, metric := range t.metrics {
		if metric == "" {
			continue
		}
		v, ok, err := t.value(cells[i])
		if err != nil {
			return tableError(t.name, no, "column %d: %s", i+1, err)
		}
		if ok {
			r.values = append(r.values, reading{metric, v})
		}
	}
	if t.values += len(r.values); t.values > csvValues {
		return tableError(t.name, no, "more than %d values; split the table", csvValues)
	}
	if len(r.values) > 0 {
		rec.rows = append(rec.rows, r)
	}
	return nil
}

// moment returns seconds.
func (t *table) moment(cell string) (float64, error) {
	if v, err := strconv.ParseFloat(cell, 64); err == nil && !math.IsNaN(v) && math.Abs(v) < 1e14 {
		return v * t.unit.Seconds(), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02 15:04"} {
		if at, err := time.Parse(layout, cell); err == nil {
			return float64(at.UnixMilli()) / 1000, nil
		}
	}
	return 0, fmt.Errorf("%q is no time; use a number or 2026-05-04T10:00:00Z", cell)
}

func (t *table) value(cell string) (float64, bool, error) {
	switch cell = strings.TrimSpace(cell); strings.ToLower(cell) {
	case "", "nan", "na", "null", "-":
		return 0, false, nil
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, false, fmt.Errorf("%q is no number; leave the cell empty where nothing was measured", cell)
	}
	return v, !slices.Contains(t.cols.Missing, v), nil
}
