package exportapi

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// row is one line of a table, CSV or Parquet: a number, a sample of a waveform, or an event.
type row struct {
	time    int64 // Unix nanoseconds
	kind    string
	key     vigil.SeriesKey // the kind of an event stands as its metric
	value   float64
	valid   bool // value was measured
	quality vigil.Quality
	data    string // JSON of an event
	codes   *coding.Metric
}

// table turns telemetry into rows, series by series, each in order of time.
type table struct {
	put   func(r *row) error
	end   func() error
	codes map[vigil.Metric]*coding.Metric
}

func (t *table) lookup(m vigil.Metric) *coding.Metric {
	if c := t.codes[m]; c != nil {
		return c
	}
	c, _ := coding.Lookup(m)
	t.codes[m] = &c
	return &c
}

func (t *table) numerics(ctx context.Context, e *Exporter, o *order) error {
	values, err := e.Telemetry.Last(ctx, o.subject)
	if err != nil {
		return err
	}
	for _, v := range values {
		if !o.wants(v.Metric) || v.Time.Before(o.from) {
			continue
		}
		r := row{kind: "numeric", key: v.SeriesKey, valid: true, codes: t.lookup(v.Metric)}
		err := e.Telemetry.Iterate(ctx, v.SeriesKey, o.from, o.to, func(b telemetry.Block) error {
			for i := range b.Times {
				r.time, r.value, r.quality = b.Times[i], b.Values[i], b.Qualities[i]
				if err := t.put(&r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *table) waveform(k vigil.SeriesKey, w *vigil.Waveform) error {
	r := row{kind: "waveform", key: k, codes: t.lookup(k.Metric)}
	for i, x := range w.Data {
		r.time, r.valid = w.Start+int64(i)*w.Period, x != vigil.WaveformMissing
		if r.value = 0; r.valid {
			r.value = w.Offset + w.Scale*float64(x)
		}
		if err := t.put(&r); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) event(ev *telemetry.StoredEvent) error {
	r := row{kind: "event", time: ev.Time, key: vigil.SeriesKey{Subject: ev.Subject, Device: ev.Device, Metric: vigil.Metric(ev.Kind)}, codes: &coding.Metric{}}
	if len(ev.Data) > 0 {
		text, err := json.Marshal(ev.Data)
		if err != nil {
			return err
		}
		r.data = string(text)
	}
	return t.put(&r)
}

func (t *table) close() error { return t.end() }

// qualityText names the flags, joined by "|"; "" is a good, timely value.
func qualityText(q vigil.Quality) string {
	if q == 0 {
		return ""
	}
	var out []string
	for _, f := range []struct {
		flag vigil.Quality
		name string
	}{{vigil.QualityLate, "late"}, {vigil.QualityQuestionable, "questionable"}, {vigil.QualityClockSkew, "clock-skew"}, {vigil.QualityCorrected, "corrected"}, {vigil.QualitySimulated, "simulated"}} {
		if q&f.flag != 0 {
			out = append(out, f.name)
		}
	}
	return strings.Join(out, "|")
}
