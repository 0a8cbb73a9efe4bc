// Package fhirapi is the FHIR R4 door: REST over records and telemetry as JSON.
//
// It translates between HTTP and the engines and decides nothing itself: structure and search live in internal/fhir
// and engine/record, access in engine/access. It authenticates nobody: the principal is in the request's context
// already. Start at New.
package fhirapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Telemetry is what the door asks of the telemetry store; both methods check access.
type Telemetry interface {
	// Last returns the newest value of every series of the subjects.
	Last(ctx context.Context, subjects ...vigil.Subject) ([]telemetry.Value, error)
	// Query returns numerics of one subject; Points 1 returns one bucket a metric with its count.
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
}

// Config is what the door needs. Telemetry, Audit and Log may be nil.
type Config struct {
	Records   *record.Store
	Telemetry Telemetry
	Audit     *audit.Trail
	Base      func(r *http.Request) string // URL of the door without a slash at its end; default scheme, host and "/fhir"
	Version   string                       // of the software
	Now       func() time.Time
	Log       *slog.Logger
}

// maxBody bounds a request: the largest Synthea patient has 1.1 MB.
const maxBody = 16 << 20

type door struct {
	cfg Config
}

// New returns the door's handler. It may be mounted with or without stripping "/fhir" from the path.
//
//	GET    metadata                  capability statement
//	GET    Type, POST Type/_search   search
//	POST   Type                      create
//	GET, PUT, DELETE Type/id         read, update, delete
//	GET    Type/id/_history[/v]      history, vread
//	POST   (nothing)                 transaction, batch
func New(cfg Config) http.Handler {
	if cfg.Base == nil {
		cfg.Base = base
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &door{cfg}
}

func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + "/fhir"
}

// ServeHTTP answers one request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	a, err := d.route(r, strings.Split(path, "/"))
	if err != nil {
		a = d.failure(r, err)
	}
	d.write(w, r, a)
}

// answer is what a handler returns: a status with a resource, given decoded or as stored.
type answer struct {
	status   int
	resource fhir.Resource
	json     []byte
	rec      *record.Record // sets ETag, Last-Modified
	location string
}

func (d *door) route(r *http.Request, p []string) (answer, error) {
	if err := acceptable(r); err != nil {
		return answer{}, err
	}
	post := r.Method == http.MethodPost
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case p[0] == "metadata" && len(p) == 1 && get:
		return answer{status: http.StatusOK, resource: d.capability(r)}, nil
	case p[0] == "" && post:
		return d.bundle(r)
	case !fhir.KnownType(p[0]):
		return answer{}, httpError{http.StatusNotFound, "not-supported", "there is no FHIR resource type " + quote(p[0])}
	case len(p) == 1 && get:
		return d.search(r, p[0], r.URL.Query())
	case len(p) == 2 && p[1] == "_search" && post:
		params, err := formParams(r)
		if err != nil {
			return answer{}, err
		}
		return d.search(r, p[0], params)
	case len(p) == 1 && post:
		return d.create(r, p[0])
	case len(p) == 2 && get:
		return d.read(r, p[0], p[1])
	case len(p) == 2 && r.Method == http.MethodPut:
		return d.update(r, p[0], p[1])
	case len(p) == 2 && r.Method == http.MethodDelete:
		return d.remove(r, p[0], p[1])
	case len(p) == 3 && p[2] == "_history" && get:
		return d.history(r, p[0], p[1])
	case len(p) == 4 && p[2] == "_history" && get:
		return d.vread(r, p[0], p[1], p[3])
	}
	return answer{}, httpError{http.StatusMethodNotAllowed, "not-supported", r.Method + " is not supported here"}
}
