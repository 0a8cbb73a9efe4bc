package promapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/vigil-health/vigil/coding"
)

// within reads what the label routes share: selectors, from when on, how much is wanted. Series whose newest sample is
// older than start are left out; end is read and has no further effect, since a series is not known by its first sample.
func (d *door) within(r *http.Request, l *look) (sets [][]*labels.Matcher, q storage.Querier, limit int, err error) {
	if limit, err = limitParam(r); err != nil {
		return nil, nil, 0, err
	}
	start, err := timeParam(r, "start", time.Unix(earliestSeconds, 0))
	if err != nil {
		return nil, nil, 0, err
	}
	end, err := timeParam(r, "end", time.Unix(latestSeconds, 0))
	if err != nil {
		return nil, nil, 0, err
	}
	if sets, err = d.selectors(r); err != nil {
		return nil, nil, 0, err
	}
	q, err = l.Querier(start.UnixMilli(), end.UnixMilli())
	return sets, q, limit, err
}

// series answers api/v1/series: the labels of the series that match.
func (d *door) series(r *http.Request, l *look) (answer, error) {
	sets, q, limit, err := d.within(r, l)
	if err != nil {
		return answer{}, err
	}
	if len(sets) == 0 {
		return answer{}, badRequest("no match[] parameter provided")
	}
	seen := map[uint64]bool{}
	out := []labels.Labels{}
	for _, matchers := range sets {
		set := q.Select(r.Context(), true, nil, matchers...)
		for set.Next() {
			ls := set.At().Labels()
			if h := ls.Hash(); !seen[h] {
				seen[h] = true
				out = append(out, ls)
			}
		}
		if err := set.Err(); err != nil {
			return answer{}, err
		}
	}
	slices.SortFunc(out, labels.Compare)
	a := answer{data: out}
	if limit > 0 && len(out) > limit {
		a.data, a.notes = out[:limit], truncated(nil)
	}
	return a, nil
}

// labels answers api/v1/labels: the names of labels.
func (d *door) labels(r *http.Request, l *look) (answer, error) {
	return d.words(r, l, func(q storage.Querier, m []*labels.Matcher) ([]string, error) {
		list, _, err := q.LabelNames(r.Context(), nil, m...)
		return list, err
	})
}

// labelValues answers api/v1/label/{name}/values.
func (d *door) labelValues(r *http.Request, l *look) (answer, error) {
	name := model.UnescapeName(r.PathValue("name"), model.ValueEncodingEscaping)
	if !model.UTF8Validation.IsValidLabelName(name) {
		return answer{}, badRequest("invalid label name: %q", name)
	}
	return d.words(r, l, func(q storage.Querier, m []*labels.Matcher) ([]string, error) {
		list, _, err := q.LabelValues(r.Context(), name, nil, m...)
		return list, err
	})
}

func (d *door) words(r *http.Request, l *look, ask func(q storage.Querier, m []*labels.Matcher) ([]string, error)) (answer, error) {
	sets, q, limit, err := d.within(r, l)
	if err != nil {
		return answer{}, err
	}
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	out := []string{}
	for _, m := range sets {
		list, err := ask(q, m)
		if err != nil {
			return answer{}, err
		}
		out = append(out, list...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	a := answer{data: out}
	if limit > 0 && len(out) > limit {
		a.data, a.notes = out[:limit], truncated(nil)
	}
	return a, nil
}

type metadata struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// metadata answers api/v1/metadata: what the metrics of the catalogue mean, with their unit in UCUM.
func (d *door) metadata(r *http.Request, _ *look) (answer, error) {
	limit, err := limitParam(r)
	if err != nil {
		return answer{}, err
	}
	out := map[string][]metadata{}
	for _, m := range coding.Metrics() {
		name := coding.SeriesName(m.Key)
		if m.Shape != coding.Numeric || r.FormValue("metric") != "" && r.FormValue("metric") != name || limit > 0 && len(out) == limit {
			continue
		}
		out[name] = []metadata{{"gauge", m.Name, m.UCUM}}
	}
	return answer{data: out}, nil
}

// dialect is the version of Prometheus whose engine answers; clients derive from it what they may ask.
const dialect = "3.16.0"

// buildInfo answers api/v1/status/buildinfo.
func (d *door) buildInfo(*http.Request, *look) (answer, error) {
	return answer{data: map[string]string{"version": dialect, "revision": "vigil " + d.cfg.Version, "branch": "", "buildUser": "", "buildDate": "", "goVersion": ""}}, nil
}

// none answers what Vigil has none of.
func none(data any) handler {
	return func(*http.Request, *look) (answer, error) { return answer{data: data}, nil }
}
