package promapi

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// look is what one request sees of the store, and what it has seen. It is the storage.Queryable of one query; the
// engine selects from one goroutine.
type look struct {
	store   Telemetry
	touched map[vigil.Subject]bool // of the series found, and the one a strange selector named
	series  int                    // found
	looked  int                    // selectors
}

// Querier implements storage.Queryable.
func (l *look) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{l, mint, maxt}, nil
}

// querier answers selectors over [mint, maxt] in milliseconds.
type querier struct {
	look       *look
	mint, maxt int64
}

// Select implements storage.Querier. Only what matches is touched: a selector with a subject looks at that subject, one
// with a metric reads those series alone. Samples are read when the engine iterates.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.mint, q.maxt
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	found, err := q.look.find(ctx, from, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	out := make([]*series, len(found))
	for i, f := range found {
		out[i] = &series{ctx: ctx, store: q.look.store, key: f.value.SeriesKey, labels: f.labels, from: from, to: min(to, millis(f.value.Time.UnixNano()))}
	}
	if sorted {
		slices.SortFunc(out, func(a, b *series) int { return labels.Compare(a.labels, b.labels) })
	}
	if hints != nil && hints.Limit > 0 && len(out) > hints.Limit {
		out = out[:hints.Limit]
	}
	return &seriesSet{list: out, at: -1}
}

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.distinct(ctx, hints, matchers, func(l labels.Labels, add func(string)) {
		l.Range(func(l labels.Label) { add(l.Name) })
	})
}

// LabelValues implements storage.LabelQuerier.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.distinct(ctx, hints, matchers, func(l labels.Labels, add func(string)) {
		if v := l.Get(name); v != "" {
			add(v)
		}
	})
}

// distinct gathers words from the labels of the series that match and have samples from mint on.
func (q *querier) distinct(ctx context.Context, hints *storage.LabelHints, matchers []*labels.Matcher, each func(l labels.Labels, add func(string))) ([]string, annotations.Annotations, error) {
	found, err := q.look.find(ctx, q.mint, matchers)
	if err != nil {
		return nil, nil, err
	}
	set := map[string]bool{}
	for _, f := range found {
		each(f.labels, func(s string) { set[s] = true })
	}
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.Sort(out)
	out, _ = hints.ApplyLimit(out)
	return out, nil, nil
}

// Close implements storage.Querier.
func (q *querier) Close() error { return nil }

// found is one series that matches.
type found struct {
	value  telemetry.Value
	labels labels.Labels
}

// find returns the series that match and whose newest sample is not older than from, in milliseconds.
func (l *look) find(ctx context.Context, from int64, matchers []*labels.Matcher) ([]found, error) {
	l.looked++
	subjects, err := l.subjects(ctx, matchers)
	if err != nil {
		return nil, err
	}
	var out []found
	wanted := map[vigil.Metric]bool{}
	for _, s := range subjects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		values, err := l.store.Last(ctx, s)
		if err != nil {
			return nil, ours(err)
		}
		for _, v := range values {
			want, known := wanted[v.Metric]
			if !known {
				want = matchesMetric(v.Metric, matchers)
				wanted[v.Metric] = want
			}
			if !want || millis(v.Time.UnixNano()) < from {
				continue
			}
			all := seriesLabels(v.SeriesKey)
			if !matchesAll(all, matchers) {
				continue
			}
			l.touched[s] = true
			l.series++
			out = append(out, found{v, all})
		}
	}
	return out, nil
}

// subjects returns whom the matchers leave. It is Denied to name somebody whom ctx may not see; a pattern that would
// match him finds nothing.
func (l *look) subjects(ctx context.Context, matchers []*labels.Matcher) ([]vigil.Subject, error) {
	var some []*labels.Matcher
	for _, m := range matchers {
		if m.Name != "subject" {
			continue
		}
		some = append(some, m)
		if m.Type == labels.MatchEqual && m.Value != "" {
			s := vigil.Subject(m.Value)
			if err := access.CheckSubject(ctx, s); err != nil {
				l.touched[s] = true
				return nil, err
			}
		}
	}
	for _, m := range some {
		names := []string{m.Value}
		if m.Type == labels.MatchRegexp {
			names = m.SetMatches()
		}
		if m.Type != labels.MatchEqual && m.Type != labels.MatchRegexp || len(names) == 0 || m.Matches("") {
			continue
		}
		var out []vigil.Subject
		for _, n := range names {
			if s := vigil.Subject(n); matchesValue(some, "subject", n) && access.CheckSubject(ctx, s) == nil {
				out = append(out, s)
			}
		}
		slices.Sort(out)
		return slices.Compact(out), nil
	}
	all := l.store.Subjects(ctx)
	return slices.DeleteFunc(all, func(s vigil.Subject) bool { return !matchesValue(some, "subject", string(s)) }), nil
}

// matchesMetric reports whether a series of the metric can match: all labels but subject and device follow from it.
func matchesMetric(m vigil.Metric, matchers []*labels.Matcher) bool {
	l := seriesLabels(vigil.SeriesKey{Metric: m})
	for _, x := range matchers {
		if x.Name != "subject" && x.Name != "device" && !x.Matches(l.Get(x.Name)) {
			return false
		}
	}
	return true
}

func matchesAll(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

func matchesValue(matchers []*labels.Matcher, name, value string) bool {
	for _, m := range matchers {
		if m.Name == name && !m.Matches(value) {
			return false
		}
	}
	return true
}

func seriesLabels(k vigil.SeriesKey) labels.Labels {
	list := coding.SeriesLabels(k)
	b := labels.NewScratchBuilder(len(list))
	for _, l := range list {
		b.Add(l.Name, strings.ToValidUTF8(l.Value, "\uFFFD"))
	}
	return b.Labels()
}

// seriesSet is a list as storage.SeriesSet.
type seriesSet struct {
	list []*series
	at   int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool { s.at++; return s.at < len(s.list) }

// At implements storage.SeriesSet.
func (s *seriesSet) At() storage.Series { return s.list[s.at] }

// Err implements storage.SeriesSet.
func (s *seriesSet) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// series is one series over [from, to] in milliseconds. The engine's interfaces take no context, so it carries that of
// its query.
type series struct {
	ctx      context.Context //nolint:containedctx // see above
	store    Telemetry
	key      vigil.SeriesKey
	labels   labels.Labels
	from, to int64
}

// Labels implements storage.Series.
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *series) Iterator(old chunkenc.Iterator) chunkenc.Iterator {
	it, ok := old.(*iterator[int64])
	if !ok {
		it = &iterator[int64]{}
	}
	*it = iterator[int64]{series: s, next: max(s.from, firstTime), width: firstWindow, t: it.t[:0], v: it.v[:0]}
	return it
}
