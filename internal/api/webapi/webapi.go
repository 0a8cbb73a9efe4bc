// Package webapi is the door of Vigil's own user interface: JSON under /api, and the live channel at /live.
//
// It turns what engines know into what screens show, checks who asks, and keeps nothing of its own. It is not the FHIR
// door (api/fhirapi) and not where devices come in (protocol/*). The contract stands in docs/reference/webapi.md; start
// at the table of routes in routes.go.
package webapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/appraise"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/notify"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/engine/report"
	"github.com/vigil-health/vigil/internal/engine/rota"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Config is what the door needs of the house.
type Config struct {
	Records    *record.Store
	Telemetry  *telemetry.Store
	Desk       *alarm.Desk
	Rules      *rule.Engine
	Models     *appraise.Registry
	Reports    *report.Desk
	Rulebook   *rule.Rulebook
	Replays    *rule.Replays
	Consults   *consult.Desk
	Accounts   *access.Accounts
	Devices    *registry.Registry
	Census     *census.Census
	Ingest     *ingest.Pipeline
	Gate       *gate.Gate // nil where nothing is limited
	Peers      Peers      // nil where there are none
	Quarantine ingest.Quarantine
	Profiles   map[string]*catalog.Profile
	Post       *notify.Post
	Directory  *notify.Directory
	PushKey    string                // with which browsers subscribe to pages, base64url
	CheckPush  func(to string) error // Invalid when a browser's subscription cannot be used
	Rota       *rota.Rota
	App        *notify.App                                                             // pages to open screens
	Receipt    func(ctx context.Context, id, channel string, state notify.State) error // what became of a page
	ICE        func(user string, host string) []ICEServer                              // relays offered to a browser that reached us under host
	Site       Site
	Menu       []MenuEntry
	Portal     func(ctx context.Context, patient string) ([]Medicine, error) // today's medicines; nil without the application
	Taken      func(ctx context.Context, patient, medicine string) error
	Opened     func(ctx context.Context, patient string) // notes in the audit trail that a chart was opened
	Disk       func() (used, free uint64)
	Checks     func(ctx context.Context) []Check
	Now        func() time.Time
	Log        *slog.Logger
}

// Site is what the sign-in page shows of the installation.
type Site struct {
	Name    string `json:"name"`
	Demo    bool   `json:"demo"`
	Version string `json:"version"`
}

// MenuEntry is one page of an application.
type MenuEntry struct {
	App   string        `json:"app"`
	Title string        `json:"title"`
	Path  string        `json:"path"`
	Icon  string        `json:"icon"`
	Roles []access.Role `json:"roles"`
}

// ICEServer is one entry of an RTCConfiguration (W3C WebRTC 1.0, 4.2.1).
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Medicine is one medicine of the day on the patient's own home.
type Medicine struct {
	ID    string     `json:"id"`
	Name  string     `json:"name"`
	Due   *time.Time `json:"due,omitempty"`
	State string     `json:"state"` // taken, due, late, missed, on_hold
	Text  string     `json:"text"`
}

// Check is one line of the system page.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// API is the door. Handler serves it; Run feeds the live channel.
type API struct {
	cfg     Config
	started time.Time
	hub     *hub
	scores  scoreCache
	screen  latency
	rate    rateMeter
	site    atomic.Pointer[string] // name of the hospital, once read
	steps   sync.Mutex             // next steps are ticked one at a time
	beds    sync.Mutex             // beds change one at a time: two admissions to one bed must not both find it free
}

// New returns the door.
func New(cfg Config) *API {
	a := &API{cfg: cfg, started: cfg.Now(), scores: scoreCache{by: map[string]cachedScores{}}}
	a.hub = newHub(a)
	return a
}

// Handler serves /api and /live.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes() {
		mux.Handle(r.pattern, a.guard(r))
	}
	mux.HandleFunc("GET /live", a.live)
	mux.HandleFunc("/api/", a.Unknown)
	return a.Protect(mux)
}

// Unknown answers a path or a method that is not there.
func (a *API) Unknown(w http.ResponseWriter, r *http.Request) {
	a.fail(w, r, vigil.Errorf(vigil.NotFound, "webapi", "there is no %s %s", r.Method, r.URL.Path))
}

// Protect refuses what another site makes a browser send, with the same envelope as every other error.
func (a *API) Protect(h http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerError(w, http.StatusForbidden, map[string]any{"kind": vigil.Denied, "message": "requests from other sites are refused"})
	}))
	return p.Handler(h)
}

// Mount serves one more route, of an application.
func (a *API) Mount(mux *http.ServeMux, pattern string, roles []access.Role, h func(ctx context.Context, r *http.Request) (any, error)) {
	mux.Handle(pattern, a.guard(route{pattern, roles, func(c *call) (any, error) { return h(c.ctx, c.r) }}))
}

// call is one request on its way: who asks and how to answer.
type call struct {
	ctx context.Context
	r   *http.Request
	w   http.ResponseWriter
	who access.Principal
}

type handler func(c *call) (any, error)

// enter authenticates and checks the role.
func (a *API) enter(w http.ResponseWriter, r *http.Request, roles []access.Role) (*call, error) {
	w.Header().Set("Cache-Control", "no-store")
	c := &call{ctx: r.Context(), r: r, w: w}
	if who, err := a.principal(r); err == nil {
		c.who = who
		c.ctx = access.With(r.Context(), who)
	} else if len(roles) > 0 {
		return nil, err
	}
	if len(roles) > 0 && !c.who.Has(roles...) {
		return nil, vigil.Errorf(vigil.Denied, "webapi.role", "this needs the role %s", roleNames(roles))
	}
	if c.who.ReadOnly && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, errReadOnly()
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	return c, nil
}

// Stream serves one more route whose answer is a file. h writes it itself; an error that it returns has written nothing.
func (a *API) Stream(mux *http.ServeMux, pattern string, roles []access.Role, h func(w http.ResponseWriter, r *http.Request) error) {
	mux.Handle(pattern, a.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := a.enter(w, r, roles)
		if err == nil {
			err = h(w, r.WithContext(c.ctx))
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})))
}

// guard lets in who may use the route, and writes the answer.
func (a *API) guard(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := a.enter(w, r, rt.roles)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		out, err := rt.handle(c)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		if out == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			a.cfg.Log.Debug("webapi.write", "error", err)
		}
	})
}

const cookieName = "vigil_session"

func (a *API) principal(r *http.Request) (access.Principal, error) {
	t := token(r)
	if t == "" {
		return access.Principal{}, errSignedOut()
	}
	return a.cfg.Accounts.Session(r.Context(), t)
}

// token is the session of a request: browsers send the cookie, programs its value or an API token as a bearer token.
// Programs that know no bearer tokens send an API token as the password of any user.
func token(r *http.Request) string {
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return t
	}
	if _, t, ok := r.BasicAuth(); ok && access.IsToken(t) {
		return t
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// Authenticate is for the other doors: it returns the request with the signed-in principal in its context, or as it is.
func (a *API) Authenticate(r *http.Request) *http.Request {
	who, err := a.principal(r)
	if err != nil {
		return r
	}
	return r.WithContext(access.With(r.Context(), who))
}

func errSignedOut() error {
	return vigil.Errorf(vigil.Denied, "webapi.session", "not signed in")
}

func errReadOnly() error {
	return vigil.Errorf(vigil.Denied, "webapi.token", "an API token only reads; sign in with an account to change something")
}

func roleNames(roles []access.Role) string {
	s := ""
	for i, r := range roles {
		if i > 0 {
			s += " or "
		}
		s += string(r)
	}
	return s
}

// fail writes an error once for all routes. Internal errors get an id that the log has too.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	kind := vigil.KindOf(err)
	status := map[vigil.Kind]int{vigil.Invalid: 400, vigil.Denied: 403, vigil.NotFound: 404, vigil.Conflict: 409, vigil.Unavailable: 503, vigil.Internal: 500}[kind]
	if kind == vigil.Denied {
		if _, serr := a.principal(r); serr != nil {
			status = 401
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		kind, status = vigil.Invalid, 413
	}
	body := map[string]any{"kind": kind, "message": vigil.Message(err)}
	if e, ok := errors.AsType[*vigil.Error](err); ok && len(e.Faults) > 0 {
		body["faults"] = e.Faults
	}
	if status == 500 {
		id := "e-" + strconv.FormatInt(a.cfg.Now().UnixNano()&0xffffffff, 16)
		body["id"] = id
		a.cfg.Log.Error("webapi.failed", "id", id, "route", r.Pattern, "error", err)
	}
	answerError(w, status, body)
}

func answerError(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": body}) //nolint:errcheck // the client is gone
}

// body decodes the JSON body; unknown fields are errors, since a misspelt field would be silently lost.
func (c *call) body(v any) error {
	dec := json.NewDecoder(c.r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil // an empty body is an empty object
	}
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "webapi.body", "the body is not what this route takes: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return vigil.Errorf(vigil.Invalid, "webapi.body", "the body goes on after its end")
	}
	return nil
}

func (c *call) query(key string) string { return c.r.URL.Query().Get(key) }

// lastMS is the end of the year 2199: what lies far beyond does not fit into nanoseconds.
const lastMS = 7_258_118_400_000 - 1

// ms reads a time in Unix milliseconds from the query.
func (c *call) ms(key string, def time.Time) (time.Time, error) {
	s := c.query(key)
	if s == "" {
		return def, nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 || v > lastMS {
		return def, vigil.Errorf(vigil.Invalid, "webapi.query", "%s=%q is no time in milliseconds", key, s)
	}
	return time.UnixMilli(v), nil
}

// span reads from_ms and to_ms; without them it is the last so long.
func (c *call) span(now time.Time, last time.Duration) (from, to time.Time, err error) {
	if to, err = c.ms("to_ms", now); err != nil {
		return from, to, err
	}
	if from, err = c.ms("from_ms", to.Add(-last)); err != nil {
		return from, to, err
	}
	if !from.Before(to) {
		return from, to, vigil.Errorf(vigil.Invalid, "webapi.query", "from_ms must lie before to_ms")
	}
	return from, to, nil
}

func (c *call) number(key string, def, low, high int) (int, error) {
	s := c.query(key)
	if s == "" {
		return def, nil
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < low || v > high {
		return 0, vigil.Errorf(vigil.Invalid, "webapi.query", "%s=%q must be a whole number from %d to %d", key, s, low, high)
	}
	return v, nil
}

func text(format string, args ...any) string { return fmt.Sprintf(format, args...) }
