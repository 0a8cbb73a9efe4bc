// Package fhirapi is the FHIR R4 door: REST over records and telemetry as JSON and XML.
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
	"github.com/vigil-health/vigil/internal/fhir/conformance"
)

// Telemetry is what the door asks of the telemetry store, whose documentation holds. Every method checks access.
type Telemetry interface {
	// Subjects returns whom there is telemetry of.
	Subjects(ctx context.Context) []vigil.Subject
	// Last returns the newest value of every series of the subjects.
	Last(ctx context.Context, subjects ...vigil.Subject) ([]telemetry.Value, error)
	// Query returns numerics of one subject; Points 1 returns one bucket a metric with its count.
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
	// Waveforms returns the waveforms that a subject has.
	Waveforms(ctx context.Context, s vigil.Subject) ([]telemetry.WaveInfo, error)
	// IterateWaveform calls fn with the blocks of one waveform that overlap [from, to), in order.
	IterateWaveform(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(vigil.Waveform) error) error
}

// Config is what the door needs. Telemetry, Intake, Audit, Log and Bulk may be nil.
type Config struct {
	Records   *record.Store
	Telemetry Telemetry
	Intake    Intake // nil: Observations that are written stay records
	// Subscriptions may be nil: then nobody is told of anything. BindingToken lets one WebSocket be bound to a Subscription
	// and says where; nil when there is none.
	Subscriptions Subscriptions
	BindingToken  func(r *http.Request, id string) (token string, expires time.Time, at string, err error)
	Audit         *audit.Trail
	TokenURL      func(r *http.Request) string // where programs get access tokens; nil where they get none
	Base          func(r *http.Request) string // URL of the door without a slash at its end; default scheme, host and "/fhir"
	Version       string                       // of the software
	Now           func() time.Time
	Log           *slog.Logger
	// Author names who wrote a version by what record.Record.Author says: "Practitioner/x", "" when it is nobody's record, and a
	// name. Nil: histories name nobody.
	Author func(ctx context.Context, id string) (person, name string)
	Bulk   *Bulk // without it there is no $export and $import
}

// maxBody bounds a request: the largest Synthea patient has 1.1 MB.
const maxBody = 16 << 20

type door struct {
	cfg       Config
	turns     turns
	validator *conformance.Validator
}

// New returns the door's handler. It may be mounted with or without stripping "/fhir" from the path.
//
//	GET    metadata                          capability statement
//	POST   (nothing)                         transaction, batch
//	GET    (nothing)?…, POST _search         search of several types
//	GET    _history                          history of everything
//	GET    Type, POST Type/_search           search
//	POST   Type                              create
//	PUT, PATCH, DELETE Type?…                conditional update, patch, delete
//	GET    Type/_history                     history of a type
//	GET, PUT, PATCH, DELETE Type/id          read, update, patch, delete
//	GET    Type/id/_history[/v]              history, vread
//	GET    Patient/id/Type?…, Patient/id/*   search of a compartment
//	GET, POST […]/$name                      operations: see operations.go
//	GET, DELETE _bulk/job[/file]             state, files and end of a bulk export or import
func New(cfg Config) http.Handler { return newDoor(cfg) }

func newDoor(cfg Config) *door {
	if cfg.Base == nil {
		cfg.Base = base
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	known := shelf{cfg.Records}
	return &door{cfg: cfg, validator: conformance.New(conformance.Config{Profiles: known, References: known, Terminology: cfg.Records.Terms()})}
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
	limit := int64(maxBody)
	if path == "$import" {
		limit = maxImport
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	a, err := d.route(r, strings.Split(path, "/"))
	if err != nil {
		a = d.failure(r, err)
	}
	d.write(w, r, a)
}

// answer is what a handler returns: a status with a resource, given decoded or as stored, or with raw content.
type answer struct {
	status   int
	resource fhir.Resource
	json     []byte
	raw      *raw
	rec      *record.Record // sets ETag, Last-Modified
	location string
	header   http.Header // further headers
	manifest []byte      // JSON that is no resource
	file     string      // path of an NDJSON file to send
}

func (d *door) route(r *http.Request, p []string) (answer, error) {
	if p[0] == bulkPath {
		return d.bulkJob(r, p)
	}
	if _, err := accepted(r); err != nil && !(p[0] == "Binary" && len(p) > 1 && wantsRaw(r)) {
		return answer{}, err
	}
	if name := p[len(p)-1]; strings.HasPrefix(name, "$") {
		return d.operate(r, p[:len(p)-1], name)
	}
	switch {
	case p[0] == "" || p[0][0] == '_' || p[0] == "metadata":
		return d.routeSystem(r, p)
	case !fhir.KnownType(p[0]):
		return answer{}, httpError{http.StatusNotFound, "not-supported", "there is no FHIR resource type " + quote(p[0])}
	case len(p) == 1 || strings.HasPrefix(p[1], "_"):
		return d.routeType(r, p)
	}
	return d.routeInstance(r, p)
}

func notHere(r *http.Request) (answer, error) {
	return answer{}, httpError{http.StatusMethodNotAllowed, "not-supported", r.Method + " is not supported here"}
}

func gets(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func (d *door) routeSystem(r *http.Request, p []string) (answer, error) {
	post := r.Method == http.MethodPost
	switch path := strings.Join(p, "/"); {
	case path == "metadata" && gets(r):
		return answer{status: http.StatusOK, resource: d.capability(r)}, nil
	case path == "" && post:
		return d.bundle(r)
	case path == "" && gets(r):
		return d.searchTypes(r, r.URL.Query(), within{})
	case path == "_search" && post:
		params, err := formParams(r)
		if err != nil {
			return answer{}, err
		}
		return d.searchTypes(r, params, within{})
	case path == "_history" && gets(r):
		return d.history(r, "", "")
	}
	return notHere(r)
}

func (d *door) routeType(r *http.Request, p []string) (answer, error) {
	switch typ := p[0]; {
	case len(p) == 2 && p[1] == "_history" && gets(r):
		return d.history(r, typ, "")
	case len(p) == 2 && p[1] == "_search" && r.Method == http.MethodPost:
		params, err := formParams(r)
		if err != nil {
			return answer{}, err
		}
		return d.search(r, typ, params)
	case len(p) > 1:
	case gets(r):
		return d.search(r, typ, r.URL.Query())
	case r.Method == http.MethodPost:
		return d.create(r, typ)
	case r.Method == http.MethodPut:
		return d.conditionalUpdate(r, typ)
	case r.Method == http.MethodPatch:
		return d.conditionalPatch(r, typ)
	case r.Method == http.MethodDelete:
		return d.conditionalDelete(r, typ)
	}
	return notHere(r)
}

func (d *door) routeInstance(r *http.Request, p []string) (answer, error) {
	switch typ, id := p[0], p[1]; {
	case len(p) == 2 && gets(r):
		return d.read(r, typ, id)
	case len(p) == 2 && r.Method == http.MethodPut:
		return d.update(r, typ, id)
	case len(p) == 2 && r.Method == http.MethodPatch:
		return d.patch(r, typ, id)
	case len(p) == 2 && r.Method == http.MethodDelete:
		return d.remove(r, typ, id)
	case len(p) == 3 && p[2] == "_history" && gets(r):
		return d.history(r, typ, id)
	case len(p) == 4 && p[2] == "_history" && gets(r):
		return d.vread(r, typ, id, p[3])
	case len(p) >= 3:
		return d.compartment(r, typ, id, p[2:])
	}
	return notHere(r)
}
