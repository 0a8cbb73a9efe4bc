package promapi

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Times further away are no times of telemetry; Prometheus' own limits overflow nanoseconds.
const (
	earliestSeconds = -(1 << 61) / 1_000_000_000
	latestSeconds   = (1 << 62) / 1_000_000_000
)

// timeParam reads a time: Unix seconds, or RFC 3339.
func timeParam(r *http.Request, name string, def time.Time) (time.Time, error) {
	s := r.FormValue(name)
	if s == "" {
		return def, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		v, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil || math.IsNaN(v) {
			return def, badRequest("invalid parameter %q: cannot parse %q to a valid timestamp", name, s)
		}
		v = max(earliestSeconds, min(latestSeconds, v)) // clients ask for "all" with the ends of their calendar
		whole, frac := math.Modf(v)
		t = time.Unix(int64(whole), int64(math.Round(frac*1000)*1e6)).UTC()
	}
	if s := t.Unix(); s < earliestSeconds {
		return time.Unix(earliestSeconds, 0), nil
	} else if s > latestSeconds {
		return time.Unix(latestSeconds, 0), nil
	}
	return t, nil
}

// durationParam reads a length of time: seconds as a number, or 1h30m; 0 when it is absent.
func durationParam(r *http.Request, name string) (time.Duration, error) {
	s := r.FormValue(name)
	if s == "" {
		return 0, nil
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		if ns := v * float64(time.Second); ns > 0 && ns < math.MaxInt64/2 {
			return time.Duration(ns), nil
		}
	} else if v, err := model.ParseDuration(s); err == nil && v > 0 {
		return time.Duration(v), nil
	}
	return 0, badRequest("invalid parameter %q: %q is no length of time above zero; write 30s, 5m or seconds as a number", name, s)
}

// limitParam reads how many results are wanted; 0 means all.
func limitParam(r *http.Request) (int, error) {
	s := r.FormValue("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badRequest("invalid parameter \"limit\": %q is no whole number from 0 on", s)
	}
	return n, nil
}

// expression reads the query.
func expression(r *http.Request) (string, error) {
	q := r.FormValue("query")
	if len(q) > maxQuery {
		return "", badRequest("invalid parameter \"query\": an expression may have %d bytes", maxQuery)
	}
	return q, nil
}

// selectors reads the match[] parameters.
func (d *door) selectors(r *http.Request) ([][]*labels.Matcher, error) {
	list := r.Form["match[]"]
	if len(list) > maxSelectors {
		return nil, badRequest("invalid parameter \"match[]\": at most %d selectors", maxSelectors)
	}
	out := make([][]*labels.Matcher, 0, len(list))
	for _, s := range list {
		if len(s) > maxQuery {
			return nil, badRequest("invalid parameter \"match[]\": a selector may have %d bytes", maxQuery)
		}
		m, err := d.parser.ParseMetricSelector(s)
		if err != nil {
			return nil, badRequest("invalid parameter \"match[]\": %w", err)
		}
		empty := true
		for _, x := range m {
			empty = empty && x.Matches("")
		}
		if empty {
			return nil, badRequest("invalid parameter \"match[]\": match[] must contain at least one non-empty matcher")
		}
		out = append(out, m)
	}
	return out, nil
}
