// Package exportapi hands out a patient's telemetry as a file: CSV, Parquet or FHIR Observations line by line.
//
// It streams: memory does not grow with the range. It authenticates nobody and checks no role (the door that mounts it
// does); access to the patient is checked by the telemetry store. It exports no records. Start at Exporter.
package exportapi

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Telemetry is what is read of the telemetry store; every method checks access.
type Telemetry interface {
	Last(ctx context.Context, subjects ...vigil.Subject) ([]telemetry.Value, error)
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
	Iterate(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(telemetry.Block) error) error
	Waveforms(ctx context.Context, name vigil.Subject) ([]telemetry.WaveInfo, error)
	IterateWaveform(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(vigil.Waveform) error) error
	Events(ctx context.Context, name vigil.Subject, kinds []vigil.EventKind, from, to time.Time) ([]telemetry.StoredEvent, error)
}

// Trail is where an export is noted before it begins; *audit.Trail is one.
type Trail interface {
	Append(ctx context.Context, e audit.Entry) error
}

// Exporter answers exports.
type Exporter struct {
	Telemetry    Telemetry
	Audit        Trail
	Known        func(patient string) bool
	Observations func(s vigil.Subject, lines []telemetry.Line) []fhir.Resource // as the FHIR door shows them
	Now          func() time.Time
}

// Kinds of telemetry that an export may hold.
const (
	Numerics  = "numerics"
	Waveforms = "waveforms"
	Events    = "events"
)

// order is what one export asks for.
type order struct {
	subject  vigil.Subject
	format   string
	kinds    []string
	metrics  []vigil.Metric // empty means all
	from, to time.Time      // [from, to)
}

func (o *order) wants(m vigil.Metric) bool {
	return len(o.metrics) == 0 || slices.Contains(o.metrics, m)
}

// format is a file in the making. It may keep what it is given until close.
type format interface {
	numerics(ctx context.Context, e *Exporter, o *order) error
	waveform(k vigil.SeriesKey, w *vigil.Waveform) error
	event(ev *telemetry.StoredEvent) error
	close() error
}

// Serve answers GET /api/patients/{id}/telemetry/export. Errors before the first byte are returned; a later one breaks
// the connection, so that a file that is not whole cannot pass for one.
func (e *Exporter) Serve(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	o, err := e.order(r)
	if err != nil {
		return err
	}
	if err := access.CheckSubject(ctx, o.subject); err != nil {
		return err
	}
	if !e.Known(o.subject.ID()) {
		return vigil.Errorf(vigil.NotFound, "export", "no patient %q", o.subject.ID())
	}
	if e.Audit != nil {
		entry := audit.Entry{Action: "telemetry.export", What: string(o.subject), Detail: o.format + " " + strings.Join(o.kinds, ","), Subjects: []string{o.subject.ID()}}
		if err := e.Audit.Append(ctx, entry); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("telemetry-%s-%s-%s.%s", o.subject.ID(), o.from.UTC().Format("20060102T150405Z"), o.to.UTC().Format("20060102T150405Z"), o.format)
	out := &lazy{w: w, headers: map[string]string{
		"Content-Type":        map[string]string{"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet", "ndjson": "application/fhir+ndjson"}[o.format],
		"Content-Disposition": mime.FormatMediaType("attachment", map[string]string{"filename": name}),
	}}
	if err := e.write(ctx, out, o); err != nil {
		if out.begun {
			panic(http.ErrAbortHandler)
		}
		return err
	}
	return nil
}

// lazy sets the headers with the first byte.
type lazy struct {
	w       http.ResponseWriter
	headers map[string]string
	begun   bool
}

func (l *lazy) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		for k, v := range l.headers {
			l.w.Header().Set(k, v)
		}
	}
	return l.w.Write(b)
}

const defaultRange = 24 * time.Hour

// order reads the parameters and collects all their faults.
func (e *Exporter) order(r *http.Request) (*order, error) {
	q := r.URL.Query()
	o := &order{subject: vigil.PatientSubject(r.PathValue("id")), format: q.Get("format"), kinds: list(q.Get("kinds"))}
	var faults []vigil.Fault
	add := func(path, msg string) { faults = append(faults, vigil.Fault{Path: path, Msg: msg}) }
	if o.format == "" {
		o.format = "csv"
	}
	if !slices.Contains([]string{"csv", "parquet", "ndjson"}, o.format) {
		add("/format", "csv, parquet or ndjson")
	}
	if len(o.kinds) == 0 {
		o.kinds = []string{Numerics}
	}
	for _, k := range o.kinds {
		if !slices.Contains([]string{Numerics, Waveforms, Events}, k) {
			add("/kinds", "of numerics, waveforms and events, joined by commas")
			break
		}
	}
	for _, m := range list(q.Get("metrics")) {
		if _, ok := coding.Lookup(vigil.Metric(m)); !ok {
			add("/metrics", strconv.Quote(m)+" is no metric of the catalogue")
		}
		o.metrics = append(o.metrics, vigil.Metric(m))
	}
	var ok1, ok2 bool
	if o.to, ok1 = millis(q.Get("to_ms"), e.Now()); !ok1 {
		add("/to_ms", "a time in milliseconds")
	}
	if o.from, ok2 = millis(q.Get("from_ms"), o.to.Add(-defaultRange)); !ok2 {
		add("/from_ms", "a time in milliseconds")
	}
	if ok1 && ok2 && !o.from.Before(o.to) {
		add("/from_ms", "must lie before to_ms")
	}
	if len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, "export", "the export cannot be made as it was asked for")
		err.Faults = faults
		return nil, err
	}
	return o, nil
}

func list(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(s string) bool { return s == "" })
}

const lastMS = 7_258_118_400_000 - 1 // the end of the year 2199

func millis(s string, def time.Time) (time.Time, bool) {
	if s == "" {
		return def, true
	}
	v, err := strconv.ParseInt(s, 10, 64)
	return time.UnixMilli(v), err == nil && v >= 0 && v <= lastMS
}

// write streams the export: numerics, then waveforms, then events.
func (e *Exporter) write(ctx context.Context, w io.Writer, o *order) error {
	var f format
	switch o.format {
	case "csv":
		f = newCSV(w)
	case "parquet":
		f = newParquet(w)
	default:
		f = newNDJSON(w)
	}
	if slices.Contains(o.kinds, Numerics) {
		if err := f.numerics(ctx, e, o); err != nil {
			return err
		}
	}
	if slices.Contains(o.kinds, Waveforms) {
		if err := e.waveforms(ctx, f, o); err != nil {
			return err
		}
	}
	if slices.Contains(o.kinds, Events) {
		if err := e.events(ctx, f, o); err != nil {
			return err
		}
	}
	return f.close()
}

func (e *Exporter) waveforms(ctx context.Context, f format, o *order) error {
	infos, err := e.Telemetry.Waveforms(ctx, o.subject)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if !o.wants(info.Metric) {
			continue
		}
		key := vigil.SeriesKey{Subject: o.subject, Device: info.Device, Metric: info.Metric}
		err := e.Telemetry.IterateWaveform(ctx, key, o.from, o.to, func(w vigil.Waveform) error {
			if cut(&w, o.from.UnixNano(), o.to.UnixNano()); len(w.Data) == 0 {
				return nil
			}
			return f.waveform(key, &w)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cut leaves the samples in [from, to).
func cut(w *vigil.Waveform, from, to int64) {
	skip := int64(0)
	if w.Start < from {
		skip = min((from-w.Start+w.Period-1)/w.Period, int64(len(w.Data)))
	}
	keep := min(max((to-w.Start+w.Period-1)/w.Period, skip), int64(len(w.Data)))
	w.Data = w.Data[skip:keep]
	w.Start += skip * w.Period
}

// The window of one look at what the store returns as a whole. It grows while little is found.
const (
	firstWindow = 10 * time.Minute
	mostWindow  = 30 * 24 * time.Hour
	fewItems    = 1000
)

// windows calls fn for one stretch of the range after the other; fn returns how much it found.
func windows(from, to time.Time, fn func(from, to time.Time) (int, error)) error {
	width := firstWindow
	for at := from; at.Before(to); {
		end := at.Add(width)
		if end.After(to) {
			end = to
		}
		n, err := fn(at, end)
		if err != nil {
			return err
		}
		at = end
		switch {
		case n < fewItems:
			width = min(2*width, mostWindow)
		case n > 20*fewItems:
			width = max(width/2, time.Minute)
		}
	}
	return nil
}

func (e *Exporter) events(ctx context.Context, f format, o *order) error {
	return windows(o.from, o.to, func(from, to time.Time) (int, error) {
		found, err := e.Telemetry.Events(ctx, o.subject, nil, from, to)
		if err != nil {
			return 0, err
		}
		for i := range found {
			if err := f.event(&found[i]); err != nil {
				return 0, err
			}
		}
		return len(found), ctx.Err()
	})
}
