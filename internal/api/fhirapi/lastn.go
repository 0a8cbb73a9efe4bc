package fhirapi

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/fhir"
)

// dated is an Observation with its time in Unix nanoseconds.
type dated struct {
	key int64
	res fhir.Resource
}

// latest is when a stored Observation was at the latest, by its own time.
func latest(res fhir.Resource) int64 {
	key := int64(math.MinInt64)
	if p, ok := fhir.SearchParam("Observation", "date"); ok {
		for _, val := range p.Values(res) {
			key = max(key, nanos(val.Low))
		}
	}
	return key
}

// The bounds of $lastn.
const (
	maxLastN  = 100
	lastNPage = 200
	lastNRead = 5000 // stored Observations that one call looks at
)

// lastN is Observation/$lastn: of each code the newest Observations, stored ones and those of telemetry together.
func (d *door) lastN(r *http.Request, c call) (answer, error) {
	params := c.values()
	limit, err := c.number("lastn", "max", 1)
	if err != nil {
		return answer{}, err
	}
	params.Del("max")
	if len(params["patient"]) == 0 && len(params["subject"]) == 0 {
		return answer{}, required("lastn", "patient")
	}
	list, err := d.newestOf(r.Context(), params, min(max(limit, 1), maxLastN))
	if err != nil {
		return answer{}, err
	}
	given := c.values()
	b := d.searchset(r, "/Observation/$lastn", given, nil).With("total", len(list))
	var entries []fhir.Resource
	for _, it := range list {
		entries = append(entries, d.entry(r, it.res.Ref(), it.res, "match"))
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return d.projected(r, answer{status: http.StatusOK, resource: b})
}

// newestOf returns the newest Observations of each code, the codes in alphabetical order, the newest first.
func (d *door) newestOf(ctx context.Context, params url.Values, limit int) ([]dated, error) {
	groups := map[string][]dated{}
	if err := d.newestStored(ctx, params, limit, groups); err != nil {
		return nil, err
	}
	if err := d.newestLive(ctx, params, limit, groups); err != nil {
		return nil, err
	}
	var out []dated
	for _, name := range sortedKeys(groups) {
		g := groups[name]
		slices.SortStableFunc(g, func(a, b dated) int {
			switch {
			case a.key > b.key:
				return -1
			case a.key < b.key:
				return 1
			}
			return 0
		})
		out = append(out, g[:min(len(g), limit)]...)
	}
	return out, nil
}

func sortedKeys[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (d *door) newestStored(ctx context.Context, params url.Values, limit int, groups map[string][]dated) error {
	ask := cloned(params)
	ask.Set("_sort", "-date")
	ask.Set("_count", "200")
	for read := 0; read < lastNRead; read += lastNPage {
		page, err := d.cfg.Records.Search(ctx, "Observation", ask)
		if err != nil {
			return err
		}
		for i := range page.Records {
			res, err := page.Records[i].Resource()
			if err != nil {
				return err
			}
			name := codeName(res)
			if len(groups[name]) < limit {
				groups[name] = append(groups[name], dated{latest(res), res})
			}
		}
		if ask = page.Next; ask == nil {
			return nil
		}
	}
	return nil
}

// codeName tells Observations of one kind from others: LOINC where there is one, else the first code, else the text.
func codeName(res fhir.Resource) string {
	list := res.List("code.coding")
	for _, c := range list {
		if c.Str("system") == coding.SystemLOINC {
			return c.Str("system") + "|" + c.Str("code")
		}
	}
	if len(list) > 0 {
		return list[0].Str("system") + "|" + list[0].Str("code")
	}
	return res.Str("code.text")
}

// newestLive looks metric by metric, so that one that is rare is found behind thousands of another.
func (d *door) newestLive(ctx context.Context, params url.Values, limit int, groups map[string][]dated) error {
	v, err := d.telemetrySearch(ctx, params, "")
	if err != nil || v == nil {
		return err
	}
	last, err := d.cfg.Telemetry.Last(ctx, v.subjects...)
	if err != nil {
		return err
	}
	done := map[vigil.Metric]bool{}
	for _, val := range last {
		m := val.Metric
		if sys, ok := systolicOf(m); ok {
			m = sys // found with it
		}
		if done[m] || len(v.metrics) > 0 && !slices.Contains(v.metrics, m) {
			continue
		}
		done[m] = true
		one := *v
		one.metrics, one.waves = []vigil.Metric{m}, nil
		if dia, ok := diastolicOf(m); ok {
			one.metrics = append(one.metrics, dia)
		}
		found, err := one.newest(ctx, limit)
		if err != nil {
			return err
		}
		for _, res := range found {
			if k, ok := parseVitalID(res.ID()); ok {
				name := codeName(res)
				groups[name] = append(groups[name], dated{k.time, res})
			}
		}
	}
	for _, s := range v.subjects {
		if err := d.noteVitals(ctx, s, "lastn "+strings.Join(sortedKeys(params), ",")); err != nil {
			return err
		}
	}
	return nil
}

// newest reads the newest Observations of each subject, at most limit.
func (v *vitals) newest(ctx context.Context, limit int) (out []fhir.Resource, err error) {
	v.order, v.left = byTime(), maxSamples
	list, err := v.streams(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		for n := 0; n < limit && !s.done() && v.left > 0; {
			if err := s.fill(ctx, limit); err != nil {
				return nil, err
			}
			for i := range s.buf[:min(len(s.buf), limit-n)] {
				out = append(out, s.buf[i].res)
				n++
			}
			s.buf = nil
		}
	}
	return out, nil
}
