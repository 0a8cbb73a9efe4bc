package promapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"
)

var errTruncated = errors.New("results truncated due to limit")

// options reads what all queries share: for how long it may run, how far a value is looked for, how much is wanted.
func (d *door) options(r *http.Request) (opts promql.QueryOpts, timeout time.Duration, limit int, err error) {
	if limit, err = limitParam(r); err != nil {
		return nil, 0, 0, err
	}
	if timeout, err = durationParam(r, "timeout"); err != nil {
		return nil, 0, 0, err
	}
	if timeout == 0 {
		timeout = d.cfg.Timeout
	}
	lookback, err := durationParam(r, "lookback_delta")
	return promql.NewPrometheusQueryOpts(false, lookback, nil), min(timeout, d.cfg.Timeout), limit, err
}

// query answers api/v1/query: an expression at one time.
func (d *door) query(r *http.Request, l *look) (answer, error) {
	opts, timeout, limit, err := d.options(r)
	if err != nil {
		return answer{}, err
	}
	at, err := timeParam(r, "time", d.cfg.Now())
	if err != nil {
		return answer{}, err
	}
	text, err := expression(r)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	q, err := d.engine.NewInstantQuery(ctx, l, opts, text, at)
	if err != nil {
		return answer{}, unbuilt(err)
	}
	return run(ctx, q, r, limit)
}

// queryRange answers api/v1/query_range: an expression at every step from start to end.
func (d *door) queryRange(r *http.Request, l *look) (answer, error) {
	opts, timeout, limit, err := d.options(r)
	if err != nil {
		return answer{}, err
	}
	start, end, step, err := rangeParams(r)
	if err != nil {
		return answer{}, err
	}
	text, err := expression(r)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	q, err := d.engine.NewRangeQuery(ctx, l, opts, text, start, end, step)
	if err != nil {
		return answer{}, unbuilt(err)
	}
	return run(ctx, q, r, limit)
}

// unbuilt tells an expression that is wrong from a query that had no time left.
func unbuilt(err error) error {
	_, timeout := errors.AsType[promql.ErrQueryTimeout](err)
	if timeout || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return badRequest("invalid parameter \"query\": %w", err)
}

func rangeParams(r *http.Request) (start, end time.Time, step time.Duration, err error) {
	for name, to := range map[string]*time.Time{"start": &start, "end": &end} {
		if r.FormValue(name) == "" {
			return start, end, 0, badRequest("invalid parameter %q: it is needed", name)
		}
		if *to, err = timeParam(r, name, time.Time{}); err != nil {
			return start, end, 0, err
		}
	}
	if end.Before(start) {
		return start, end, 0, badRequest("invalid parameter \"end\": end timestamp must not be before start time")
	}
	if step, err = durationParam(r, "step"); err != nil {
		return start, end, 0, err
	}
	if step < time.Millisecond {
		return start, end, 0, badRequest("invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	if end.Sub(start)/step > maxSteps {
		return start, end, 0, badRequest("exceeded maximum resolution of %d points per timeseries. Try decreasing the query resolution (?step=XX)", maxSteps)
	}
	return start, end, step, nil
}

// run evaluates a query. Closing it gives the points of its value back to a pool: the answer does so once it is written.
func run(ctx context.Context, q promql.Query, r *http.Request, limit int) (answer, error) {
	if err := bounded(q); err != nil {
		q.Close()
		return answer{}, err
	}
	res := q.Exec(ctx)
	if res.Err != nil {
		q.Close()
		return answer{}, res.Err
	}
	a := answer{value: res.Value, query: q.String(), notes: res.Warnings, close: q.Close}
	switch v := a.value.(type) {
	case promql.Matrix:
		if limit > 0 && len(v) > limit {
			a.value, a.notes = v[:limit], truncated(a.notes)
		}
	case promql.Vector:
		if limit > 0 && len(v) > limit {
			a.value, a.notes = v[:limit], truncated(a.notes)
		}
	}
	if r.FormValue("stats") != "" {
		a.stats = stats.NewQueryStats(q.Stats())
	}
	return a, nil
}

func truncated(notes annotations.Annotations) annotations.Annotations {
	return notes.Add(errTruncated)
}

// formatQuery answers api/v1/format_query: the expression, laid out.
func (d *door) formatQuery(r *http.Request, _ *look) (answer, error) {
	text, err := expression(r)
	if err != nil {
		return answer{}, err
	}
	expr, err := d.parser.ParseExpr(text)
	if err != nil {
		return answer{}, badRequest("invalid parameter \"query\": %w", err)
	}
	return answer{data: expr.Pretty(0)}, nil
}
