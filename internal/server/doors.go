package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/exportapi"
	"github.com/vigil-health/vigil/internal/api/fhirapi"
	"github.com/vigil-health/vigil/internal/api/promapi"
	"github.com/vigil-health/vigil/internal/api/smartapi"
	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/driver/turn"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/protocol/mqtt"
	"github.com/vigil-health/vigil/internal/protocol/rest"
	"github.com/vigil-health/vigil/web"
)

// doors are what the house opens to the outside: listeners, protocols and HTTP handlers.
type doors struct {
	engines *Engines
	http    net.Listener
	https   net.Listener
	mqtt    net.Listener
	mqtts   net.Listener
	turn    *turn.Server
	broker  *mqtt.Broker
	rest    *rest.Door
	api     *webapi.API
	bulk    *fhirapi.Bulk
	apps    *http.ServeMux
	handler http.Handler
	ready   atomic.Bool
}

// openDoors listens everywhere first, so that a taken port is known before anything runs.
func openDoors(cfg Config, e *Engines, apps *applications, log *slog.Logger) (d *doors, err error) {
	d = &doors{engines: e, apps: http.NewServeMux(), rest: rest.New()}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	var cert *tls.Config
	if cfg.HTTPS != "" || cfg.MQTTS != "" {
		if cert, err = certificates(cfg.path("tls")); err != nil {
			return d, err
		}
	}
	for _, l := range []struct {
		to        *net.Listener
		name, at  string
		encrypted bool
	}{{&d.http, "http", cfg.HTTP, false}, {&d.https, "https", cfg.HTTPS, true}, {&d.mqtt, "mqtt", cfg.MQTT, false}, {&d.mqtts, "mqtts", cfg.MQTTS, true}} {
		if l.at == "" {
			continue
		}
		raw, err := net.Listen("tcp", l.at)
		if err != nil {
			return d, vigil.Errorf(vigil.Unavailable, "server.listen", "%s cannot listen on %s: %w; free the port, or choose another with --%s", l.name, l.at, err, l.name)
		}
		if *l.to = raw; l.encrypted {
			*l.to = tls.NewListener(raw, cert)
		}
	}
	if cfg.TURN != "" {
		secret, err := secretFile(cfg.path("turn.secret"))
		if err != nil {
			return d, err
		}
		if d.turn, err = turn.Serve(turn.Config{Listen: cfg.TURN, Public: outward(), Secret: secret, Now: time.Now}); err != nil {
			return d, err
		}
	}
	var in []net.Listener
	for _, l := range []net.Listener{d.mqtt, d.mqtts} {
		if l != nil {
			in = append(in, l)
		}
	}
	d.broker = mqtt.New(mqtt.Config{Listeners: in})
	web := d.webConfig(cfg, log)
	web.Menu, web.Portal, web.Taken = apps.menu(), apps.today, apps.taken
	d.api = webapi.New(web)
	if d.bulk, err = fhirapi.NewBulk(d.fhirConfig(cfg, log), fhirapi.BulkConfig{Dir: cfg.path("bulk"), Hosts: cfg.Import.Hosts}); err != nil {
		return d, err
	}
	d.handler = d.mux(cfg, log)
	return d, nil
}

// outward returns this machine's own address towards others, for relays; loopback when it has none.
func outward() netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

func (d *doors) webConfig(cfg Config, log *slog.Logger) webapi.Config {
	e := d.engines
	return webapi.Config{
		Records: e.Records, Telemetry: e.Telemetry, Desk: e.Desk, Rules: e.Rules, Models: e.Models, Reports: e.Reports, Rulebook: e.Rulebook, Replays: e.Replays, Consults: e.Consults, Accounts: e.Accounts, Devices: e.Devices,
		Census: e.Census, Ingest: e.Ingest, Gate: e.Gate, Peers: e.Peers, Quarantine: e.db.Quarantine(), Profiles: e.Profiles, ICE: d.ice, App: e.App, Receipt: e.Post.Receipt, Post: e.Post, Rota: e.Rota,
		Directory: e.Directory, PushKey: e.ways.keys.Public, CheckPush: e.ways.push.Check,
		Site: webapi.Site{Name: cfg.Site, Demo: cfg.Demo, Version: cfg.Version},
		Opened: func(ctx context.Context, patient string) {
			entry := audit.Entry{Action: "webapi.chart", What: "Patient/" + patient, Subjects: []string{patient}}
			if err := e.Audit.Later(ctx, entry); err != nil {
				log.Warn("audit.chart", "error", err)
			}
		},
		Disk: func() (used, free uint64) { return dirSize(cfg.Data), diskFree(cfg.Data) },
		Checks: func(ctx context.Context) []webapi.Check {
			return slices.Concat(storeChecks(e), []webapi.Check{e.gateCheck()}, e.outletChecks(), e.peerChecks(ctx), e.Backups.checks(time.Now()))
		},
		Now: time.Now, Log: log,
	}
}

// storeChecks says how the stores are, for the system page.
func storeChecks(e *Engines) []webapi.Check {
	out := []webapi.Check{
		{Name: "records", Text: e.db.Health().Reason},
		{Name: "telemetry", Text: e.Telemetry.Health().Reason},
	}
	for i := range out {
		if out[i].OK = out[i].Text == ""; out[i].OK {
			out[i].Text = "no damage met"
		}
	}
	return out
}

// ice offers the own relay under the name by which the browser reached us.
func (d *doors) ice(user, host string) []webapi.ICEServer {
	if d.turn == nil {
		return nil
	}
	c := d.turn.Credentials(user, trimPort(host))
	return []webapi.ICEServer{{URLs: c.URLs, Username: c.Username, Credential: c.Credential}}
}

// mux is the map of the doors (ARCHITECTURE.md, section 8).
func (d *doors) mux(cfg Config, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	api := d.api.Handler()
	mux.Handle("/api/", api)
	mux.Handle("/live", api)
	d.api.Stream(mux, "GET /api/patients/{id}/telemetry/export", []access.Role{access.Nurse, access.Physician, access.Admin}, func(w http.ResponseWriter, r *http.Request) error {
		if d.engines.Gate.Crowded() {
			w.Header().Set("Retry-After", retryCrowded)
			return vigil.Errorf(vigil.Unavailable, "server.crowded", crowded)
		}
		return d.exporter().Serve(w, r)
	})
	d.backupRoutes(mux)
	d.reportRoutes(mux)
	d.apps.HandleFunc("/", d.api.Unknown)
	mux.Handle("/api/app/", d.api.Protect(d.apps))
	door := fhirapi.New(d.fhirConfig(cfg, log))
	fhir := http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		door.ServeHTTP(w, d.api.Authenticate(r))
	}))
	smart := smartapi.New(smartapi.Config{Accounts: d.engines.Accounts, Public: cfg.Public, Keys: cfg.publicKeys, Log: log})
	mux.Handle(smartapi.TokenPath, smart)
	mux.Handle(smartapi.KeysPath, smart)
	mux.Handle("/fhir"+smartapi.DiscoveryPath, smart)
	mux.Handle("/fhir/", http.StripPrefix("/fhir", fhir))
	mux.Handle("/fhir", http.StripPrefix("/fhir", fhir))
	mux.Handle("/prometheus/", d.uncrowded(http.StripPrefix("/prometheus", d.prometheus(cfg, log)).ServeHTTP))
	mux.HandleFunc("/notify/callback/{channel}", d.callback)
	mux.Handle("/ingest/", d.rest.Handler())
	mux.Handle("/ingest", d.rest.Handler())
	mux.HandleFunc("/mqtt", d.mqttSocket)
	mux.Handle("GET "+socketPath, d.engines.Socket)
	mux.Handle("GET /metrics", loopbackOnly(promhttp.HandlerFor(newMetrics(d.engines), promhttp.HandlerOpts{})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", d.readyz)
	mux.Handle("/", ui(web.Dist()))
	return secure(mux)
}

func (d *doors) fhirConfig(cfg Config, log *slog.Logger) fhirapi.Config {
	e := d.engines
	return fhirapi.Config{
		Records: e.Records, Telemetry: e.Telemetry, Intake: measurements{e}, Subscriptions: e.Subscriptions, BindingToken: d.bindingToken,
		Audit: e.Audit, Version: cfg.Version, Now: time.Now, Log: log, Bulk: d.bulk, Author: e.author,
		TokenURL: func(r *http.Request) string { return smartapi.Origin(cfg.Public, r) + smartapi.TokenPath },
	}
}

// author names who wrote a version of a record.
func (e *Engines) author(ctx context.Context, id string) (person, name string) {
	switch {
	case strings.HasPrefix(id, "system:"):
		return "", "Vigil"
	case strings.HasPrefix(id, "client:"):
		if p, err := e.Accounts.ClientPrincipal(ctx, id); err == nil {
			return "", p.Name
		}
		return "", strings.TrimPrefix(id, "client:")
	}
	acc, err := e.Accounts.Get(access.AsSystem(ctx, "history"), id)
	if err != nil {
		return "", ""
	}
	return acc.Person, acc.Name
}

// exporter hands out telemetry as files.
func (d *doors) exporter() *exportapi.Exporter {
	e := d.engines
	return &exportapi.Exporter{Telemetry: e.Telemetry, Audit: e.Audit, Observations: fhirapi.Observations, Now: time.Now, Known: func(patient string) bool {
		_, ok := e.Census.Patient(patient)
		return ok
	}}
}

// prometheus is the door for Grafana and its kin.
func (d *doors) prometheus(cfg Config, log *slog.Logger) http.Handler {
	door := promapi.New(promapi.Config{Telemetry: d.engines.Telemetry, Audit: d.engines.Audit, Version: cfg.Version, Now: time.Now, Log: log})
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		door.ServeHTTP(w, d.api.Authenticate(r))
	}))
}

// What readers are told who are put off for a while.
const (
	crowded      = "the server is overloaded and takes what devices say first; try again later"
	retryCrowded = "10" // seconds
)

// uncrowded puts off readers that can come back while the server is overloaded; the wards' own pages go on.
func (d *doors) uncrowded(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if d.engines.Gate.Crowded() {
			w.Header().Set("Retry-After", retryCrowded)
			http.Error(w, crowded, http.StatusServiceUnavailable)
			return
		}
		h(w, r)
	}
}

// readyz answers 200 while the house serves and acknowledges.
func (d *doors) readyz(w http.ResponseWriter, _ *http.Request) {
	if !d.ready.Load() {
		http.Error(w, "starting or stopping", http.StatusServiceUnavailable)
		return
	}
	if h := d.engines.db.Health(); h.Down {
		http.Error(w, "records: "+h.Reason, http.StatusServiceUnavailable)
		return
	}
	if h := d.engines.Telemetry.Health(); !h.Acknowledging {
		http.Error(w, h.Reason, http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}

// mqttSocket speaks MQTT over a WebSocket (MQTT 5.0, section 6).
func (d *doors) mqttSocket(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return
	}
	ws.SetReadLimit(1 << 20)
	ctx := context.WithoutCancel(r.Context())
	d.broker.ServeConn(ctx, websocket.NetConn(ctx, ws, websocket.MessageBinary))
}

// loopbackOnly keeps what tells about the house from strangers.
func loopbackOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			http.Error(w, "only from this machine", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// secure sets the headers that every answer carries. No inline script, no inline style, nothing from elsewhere.
func secure(h http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
		"media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(self), microphone=(self), geolocation=()")
		if r.TLS != nil {
			head.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.ServeHTTP(w, r)
	})
}

func (d *doors) address(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

func (d *doors) listeners() (out []net.Listener) {
	for _, l := range []net.Listener{d.http, d.https} {
		if l != nil {
			out = append(out, l)
		}
	}
	return out
}

func (d *doors) close() error {
	var errs []error
	for _, l := range []net.Listener{d.http, d.https, d.mqtt, d.mqtts} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if d.turn != nil {
		errs = append(errs, d.turn.Close())
	}
	return errors.Join(errs...)
}
