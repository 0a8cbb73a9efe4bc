package fhirapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// stream reads one subject's Observations of telemetry in the order of time, a window after the other. Windows are as
// wide as there is little in them: kept summaries tell how much, so that empty months and dense seconds cost the same.
type stream struct {
	v        *vitals
	subject  vigil.Subject
	metrics  []vigil.Metric
	waves    []vigil.Metric
	mixed    bool  // some samples are shown by stored Observations: summaries count too many
	from, to int64 // not read yet
	width    int64
	buf      []item
}

// found is a page of telemetry.
type found struct {
	items []item
	more  bool
	upTo  mark // with more: where the reading ended
}

// streams opens the subjects that have something of what is asked for.
func (v *vitals) streams(ctx context.Context) ([]*stream, error) {
	values, err := v.d.cfg.Telemetry.Last(ctx, v.subjects...)
	if err != nil {
		return nil, err
	}
	var out []*stream
	for _, name := range v.subjects {
		s := &stream{v: v, subject: name, from: max(v.from, 0), width: max(int64(firstWindow)/int64(len(v.subjects)), int64(time.Second))} // no device measured before 1970
		newest := int64(-1)
		for len(values) > 0 && values[0].Subject == name {
			s.mixed = s.mixed || hidden(values[0].Device)
			if val := &values[0]; v.concerns(val.SeriesKey) {
				newest = max(newest, val.Time.UnixNano())
				s.metrics = append(s.metrics, val.Metric)
			}
			values = values[1:]
		}
		if len(v.waves) > 0 {
			end, err := s.openWaves(ctx)
			if err != nil {
				return nil, err
			}
			newest = max(newest, end)
		}
		if s.to = min(v.to, newest+1); s.from >= s.to || newest < 0 {
			continue
		}
		s.pair()
		if v.order.temporal() && v.order.ascending() {
			s.width = s.to - s.from
		}
		out = append(out, s)
	}
	return out, nil
}

// concerns reports whether Observations of the series may satisfy the search.
func (v *vitals) concerns(k vigil.SeriesKey) bool {
	if len(v.metrics)+len(v.waves) > 0 && !slices.Contains(v.metrics, k.Metric) || !v.fitsDevice(k.Device) {
		return false
	}
	patient := k.Subject.IsPatient()
	if v.fits(kind{k.Metric, false, patient}) {
		return true
	}
	sys := k.Metric
	if s, ok := systolicOf(k.Metric); ok {
		sys = s
	}
	_, panel := diastolicOf(sys)
	return panel && v.fits(kind{sys, true, patient})
}

// pair adds to each part of a blood pressure the other: together they are one Observation.
func (s *stream) pair() {
	for _, m := range s.metrics {
		if dia, ok := diastolicOf(m); ok {
			s.metrics = append(s.metrics, dia)
		} else if sys, ok := systolicOf(m); ok {
			s.metrics = append(s.metrics, sys)
		}
	}
	slices.Sort(s.metrics)
	s.metrics = slices.Compact(s.metrics)
}

func (s *stream) done() bool { return len(s.buf) == 0 && s.from >= s.to }

// bound is the time of the next Observation, or the earliest in order that it may have.
func (s *stream) bound() int64 {
	switch {
	case len(s.buf) > 0:
		return s.buf[0].time()
	case s.v.ascending():
		return s.from
	}
	return s.to - 1
}

func (v *vitals) ascending() bool { return v.order.temporal() && v.order.ascending() }

func (it *item) time() int64 {
	k, _ := parseVitalID(it.ID)
	return k.time
}

// fill reads on until there is something, the subject has no more, or the page has read enough.
func (s *stream) fill(ctx context.Context, need int) error {
	for n := 0; len(s.buf) == 0 && s.from < s.to && s.v.left > 0 && n < maxWindows; n++ {
		from, to := s.window()
		count, err := s.count(ctx, from, to)
		if err != nil {
			return err
		}
		if count > max(4*need, 1000) && s.width > int64(time.Second) {
			s.width /= 2
			continue
		}
		if count > 0 {
			if s.buf, err = s.read(ctx, from, to); err != nil {
				return err
			}
			s.v.left -= count
		}
		if s.v.ascending() {
			s.from = to
		} else {
			s.to = from
		}
		s.width = min(s.width*2, s.widest(count))
	}
	return ctx.Err()
}

// widest bounds the next window: waveforms cannot be counted before they are read.
func (s *stream) widest(count int) int64 {
	if len(s.waves) > 0 && count > 0 {
		return int64(time.Minute)
	}
	return int64(100 * 365 * 24 * time.Hour)
}

func (s *stream) window() (from, to int64) {
	if s.v.ascending() {
		return s.from, min(s.to, s.from+max(s.width, 1))
	}
	return max(s.from, s.to-max(s.width, 1)), s.to
}

func (s *stream) query(ctx context.Context, metrics []vigil.Metric, from, to int64, points int) ([]telemetry.Line, error) {
	if len(metrics) == 0 {
		return nil, nil
	}
	return s.v.d.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: s.subject, Metrics: metrics, From: time.Unix(0, from), To: time.Unix(0, to), Points: points})
}

// count says how many samples there are to read, none when no value can be one that is asked for.
func (s *stream) count(ctx context.Context, from, to int64) (n int, err error) {
	lines, err := s.query(ctx, s.metrics, from, to, 1)
	for i := range lines {
		if s.v.beyond(&lines[i]) {
			continue
		}
		for _, p := range lines[i].Points {
			n += p.Count
		}
	}
	if err != nil || len(s.waves) == 0 {
		return n, err
	}
	waves, err := s.countWaves(ctx, from, to)
	return n + waves, err
}

func (s *stream) read(ctx context.Context, from, to int64) ([]item, error) {
	lines, err := s.query(ctx, s.metrics, from, to, 0)
	if err != nil {
		return nil, err
	}
	var out []item
	for _, r := range readings(s.subject, lines) {
		if !s.v.takes(&r) {
			continue
		}
		if o, ok := r.observation(); ok && s.v.asks(o) {
			out = append(out, item{mark: s.v.order.at(o, r.point.Time), res: o})
		}
	}
	if len(s.waves) > 0 {
		waves, err := s.readWaves(ctx, from, to)
		if err != nil {
			return nil, err
		}
		out = append(out, waves...)
	}
	if s.v.order.temporal() {
		slices.SortFunc(out, func(a, b item) int { return s.v.order.compare(a.mark, b.mark) })
	}
	return out, nil
}

func (v *vitals) takes(r *reading) bool {
	return v.fits(kind{r.metric.Key, r.diastolic != nil, r.subject.IsPatient()}) && v.fitsDevice(r.point.Device)
}

// page returns what follows the mark, as many as the search asks for.
func (v *vitals) page(ctx context.Context, after mark) (found, error) {
	if !v.order.temporal() {
		return v.best(ctx, after)
	}
	if len(after.Keys) > 0 {
		if v.ascending() {
			v.from = max(v.from, after.Keys[0].N)
		} else {
			v.to = min(v.to, after.Keys[0].N+1)
		}
	}
	list, err := v.streams(ctx)
	if err != nil {
		return found{}, err
	}
	var out found
	for len(out.items) < v.filter.Limit {
		s := v.foremost(list)
		if s == nil {
			return out, nil
		}
		if len(s.buf) == 0 {
			out.upTo = mark{Keys: []sortKey{{N: s.bound()}}}
			if v.left <= 0 {
				out.more = true
				return out, nil
			}
			if err := s.fill(ctx, v.filter.Limit); err != nil {
				return out, err
			}
			continue
		}
		it := s.buf[0]
		s.buf = s.buf[1:]
		if len(after.Keys) == 0 || v.order.compare(it.mark, after) > 0 {
			out.items = append(out.items, it)
		}
	}
	out.upTo = out.items[len(out.items)-1].mark
	out.more = slices.ContainsFunc(list, func(s *stream) bool { return !s.done() })
	return out, nil
}

// foremost returns the stream that has the next Observation, or that may have it and has to be read first.
func (v *vitals) foremost(list []*stream) (best *stream) {
	for _, s := range list {
		if s.done() {
			continue
		}
		if best == nil {
			best = s
			continue
		}
		c := cmp.Compare(s.bound(), best.bound())
		if !v.ascending() {
			c = -c
		}
		switch {
		case c < 0, c == 0 && len(s.buf) == 0:
			best = s
		case c == 0 && len(best.buf) > 0 && v.order.compare(s.buf[0].mark, best.buf[0].mark) < 0:
			best = s
		}
	}
	return best
}

// best returns a page in another order than that of time. All that the search selects is looked at, and as much as a
// page is kept.
func (v *vitals) best(ctx context.Context, after mark) (out found, err error) {
	v.left = maxSorted
	list, err := v.streams(ctx)
	if err != nil {
		return out, err
	}
	for _, s := range list {
		for !s.done() {
			if v.left <= 0 {
				return out, httpError{http.StatusForbidden, "too-costly", "to sort so many measurements by anything but date takes too long: narrow the search by date or code"}
			}
			if err := s.fill(ctx, 10_000); err != nil {
				return out, err
			}
			for _, it := range s.buf {
				if len(after.Keys) == 0 || v.order.compare(it.mark, after) > 0 {
					out.items = append(out.items, it)
				}
			}
			s.buf = nil
			out.keep(v)
		}
	}
	if len(out.items) > 0 {
		out.upTo = out.items[len(out.items)-1].mark
	}
	return out, nil
}

// keep keeps the first page of what was found.
func (f *found) keep(v *vitals) {
	slices.SortFunc(f.items, func(a, b item) int { return v.order.compare(a.mark, b.mark) })
	if len(f.items) > v.filter.Limit {
		clear(f.items[v.filter.Limit:])
		f.items, f.more = f.items[:v.filter.Limit], true
	}
}

// tally counts what the search selects: from kept summaries where metrics and times say all, else one by one.
func (v *vitals) tally(ctx context.Context) (n int, err error) {
	list, err := v.streams(ctx)
	for _, s := range list {
		var scan []vigil.Metric
		for _, m := range s.metrics {
			_, sys := diastolicOf(m)
			_, dia := systolicOf(m)
			if sys || dia || s.mixed || len(v.rest) > 0 || len(v.device) > 0 {
				scan = append(scan, m)
				continue
			}
			lines, err := s.query(ctx, []vigil.Metric{m}, s.from, s.to, 1)
			if err != nil {
				return 0, err
			}
			for _, l := range lines {
				for _, p := range l.Points {
					n += p.Count
				}
			}
		}
		if s.metrics = scan; len(scan)+len(s.waves) == 0 {
			continue
		}
		more, err := s.scan(ctx)
		if n += more; err != nil {
			return 0, err
		}
	}
	return n, err
}

// scan counts by reading.
func (s *stream) scan(ctx context.Context) (n int, err error) {
	simple := len(s.v.rest) == 0 && len(s.waves) == 0
	for s.from < s.to {
		from, to := s.window()
		count, err := s.count(ctx, from, to)
		switch {
		case err != nil:
			return 0, err
		case count > 50_000 && s.width > int64(time.Second):
			s.width /= 2
			continue
		case count > 0 && simple:
			lines, err := s.query(ctx, s.metrics, from, to, 0)
			if err != nil {
				return 0, err
			}
			for _, r := range readings(s.subject, lines) {
				if s.v.takes(&r) {
					n++
				}
			}
		case count > 0:
			items, err := s.read(ctx, from, to)
			if err != nil {
				return 0, err
			}
			n += len(items)
		}
		if s.v.ascending() {
			s.from = to
		} else {
			s.to = from
		}
		s.width = min(s.width*2, s.widest(count))
	}
	return n, ctx.Err()
}

// metricOf returns the metric of a series as the catalogue knows it.
func metricOf(key vigil.Metric) coding.Metric {
	m, _ := coding.Lookup(key)
	return m
}
