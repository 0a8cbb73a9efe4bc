// Package promapi is the Prometheus door: PromQL over the numerics of the telemetry store, under /prometheus.
//
// It speaks the HTTP API of Prometheus, evaluated by Prometheus' own engine, so that Grafana and promtool work as they
// are. It stores nothing, scrapes nothing and shows no waveforms, events or names: labels carry ids and codes only
// (coding.SeriesLabels). It authenticates nobody: the principal is in the request's context already. Start at New.
package promapi

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Telemetry is what the door asks of the telemetry store; every method checks access.
type Telemetry interface {
	// Subjects returns whom ctx may see.
	Subjects(ctx context.Context) []vigil.Subject
	// Last returns the newest value of every series of the subjects.
	Last(ctx context.Context, subjects ...vigil.Subject) ([]telemetry.Value, error)
	// Iterate calls fn with the samples of one series in [from, to), in order of time.
	Iterate(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(telemetry.Block) error) error
}

// Trail is where the door notes who asked for whose telemetry; *audit.Trail is one.
type Trail interface {
	Later(ctx context.Context, e audit.Entry) error
}

// Config is what the door needs. The bounds have defaults that suit one hospital on one machine.
type Config struct {
	Telemetry  Telemetry
	Audit      Trail
	Version    string // of the software
	Now        func() time.Time
	Log        *slog.Logger
	MaxSamples int           // a query holds in memory at once, 16 bytes each; default 10 million
	Timeout    time.Duration // of a query, its wait for a turn included; default 30 s
	Concurrent int           // queries that are evaluated at the same time; default 4
	Lookback   time.Duration // how long a value stands for an instant without a newer one; default 5 min
}

func (c *Config) fill() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxSamples <= 0 {
		c.MaxSamples = 10_000_000
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Concurrent <= 0 {
		c.Concurrent = 4
	}
	if c.Lookback <= 0 {
		c.Lookback = 5 * time.Minute
	}
}

// Bounds of what a request may say.
const (
	maxBody      = 1 << 20
	maxQuery     = 16 << 10 // bytes of an expression
	maxSelectors = 64       // match[] parameters
	maxSteps     = 11_000   // points a series, as in Prometheus
)

type door struct {
	cfg    Config
	engine *promql.Engine
	parser parser.Parser
}

// New returns the door's handler, to be mounted at /prometheus with that prefix stripped:
//
//	GET, POST /api/v1/query, query_range, series, labels, format_query, query_exemplars
//	GET       /api/v1/label/{name}/values, metadata, rules, alerts, status/buildinfo
//	GET       /-/healthy, /-/ready
func New(cfg Config) http.Handler {
	cfg.fill()
	d := &door{cfg: cfg, parser: parser.NewParser(parser.Options{})}
	d.engine = promql.NewEngine(promql.EngineOpts{
		Logger: cfg.Log, MaxSamples: cfg.MaxSamples, Timeout: cfg.Timeout, LookbackDelta: cfg.Lookback, Parser: d.parser,
		ActiveQueryTracker: turns(make(chan struct{}, cfg.Concurrent)), EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return defaultSubStep.Milliseconds() },
	})
	mux := http.NewServeMux()
	for path, h := range map[string]handler{
		"/api/v1/query": d.query, "/api/v1/query_range": d.queryRange, "/api/v1/series": d.series, "/api/v1/labels": d.labels,
		"/api/v1/format_query": d.formatQuery, "/api/v1/query_exemplars": none([]string{}),
	} {
		mux.Handle("GET "+path, d.guard(h))
		mux.Handle("POST "+path, d.guard(h))
	}
	for path, h := range map[string]handler{
		"/api/v1/label/{name}/values": d.labelValues, "/api/v1/metadata": d.metadata, "/api/v1/status/buildinfo": d.buildInfo,
		"/api/v1/rules": none(map[string][]string{"groups": {}}), "/api/v1/alerts": none(map[string][]string{"alerts": {}}),
	} {
		mux.Handle("GET "+path, d.guard(h))
	}
	mux.HandleFunc("GET /-/healthy", alive)
	mux.HandleFunc("GET /-/ready", alive)
	mux.Handle("/", d.guard(func(r *http.Request, _ *look) (answer, error) {
		return answer{}, vigil.Errorf(vigil.NotFound, "promapi", "there is no %s %s", r.Method, r.URL.Path)
	}))
	return mux
}

func alive(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("Vigil is healthy.\n")) } //nolint:errcheck // the client is gone

// turns lets so many queries run at a time; the engine asks it.
type turns chan struct{}

// GetMaxConcurrent implements promql.QueryTracker.
func (t turns) GetMaxConcurrent() int { return cap(t) }

// Insert implements promql.QueryTracker: it waits for a turn.
func (t turns) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case t <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Delete implements promql.QueryTracker.
func (t turns) Delete(int) { <-t }

// Close implements promql.QueryTracker.
func (t turns) Close() error { return nil }

// handler answers one request; what it read of whom is gathered in the look.
type handler func(r *http.Request, l *look) (answer, error)

// guard lets in who is signed in, answers, and has noted whose telemetry was read before it says anything.
func (d *door) guard(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		p, ok := access.From(r.Context())
		if !ok || !p.Clinical() && !p.Has(access.Engineer, access.Patient) {
			d.fail(w, r, vigil.Errorf(vigil.Denied, "promapi", "not signed in; send an API token as a bearer token"))
			return
		}
		if err := r.ParseForm(); err != nil {
			d.fail(w, r, badRequest("the parameters cannot be read: %w", err))
			return
		}
		l := &look{store: d.cfg.Telemetry, touched: map[vigil.Subject]bool{}}
		a, err := h(r, l)
		if a.close != nil {
			defer a.close()
		}
		if aerr := d.note(r, l, err); aerr != nil {
			err = aerr
		}
		if err != nil {
			d.fail(w, r, err)
			return
		}
		d.write(w, r, a)
	})
}

const namedSubjects = 64 // more than these are noted as "all"

// note puts one entry on the audit trail for a request that looked at series: whose telemetry it was, or "all".
func (d *door) note(r *http.Request, l *look, err error) error {
	if d.cfg.Audit == nil || l.looked == 0 {
		return nil
	}
	e := audit.Entry{Action: "telemetry.query", What: "all", Detail: strings.TrimPrefix(r.URL.Path, "/api/v1/") + " series=" + strconv.Itoa(l.series)}
	switch {
	case vigil.KindOf(err) == vigil.Denied:
		e.Outcome = audit.Denied
	case err != nil:
		e.Outcome = audit.Failed
	}
	if len(l.touched) <= namedSubjects {
		e.What = "telemetry"
		for s := range l.touched {
			if len(l.touched) == 1 {
				e.What = string(s)
			}
			if s.IsPatient() {
				e.Subjects = append(e.Subjects, s.ID())
			}
		}
	}
	return d.cfg.Audit.Later(r.Context(), e)
}
