package subscription_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/subscription"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// inbox is a channel that keeps what it was given, and fails as often as it is told to.
type inbox struct {
	mu   sync.Mutex
	got  []fhir.Resource
	fail atomic.Int64 // so many more
}

// Check implements subscription.Channel.
func (*inbox) Check(subscription.Target) error { return nil }

// Send implements subscription.Channel.
func (b *inbox) Send(_ context.Context, _ subscription.Target, bundle []byte) error {
	if b.fail.Add(-1) >= 0 {
		return vigil.Errorf(vigil.Unavailable, "test", "the receiver answered 500")
	}
	r, err := fhir.Parse(bundle)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, r)
	return err
}

// kinds lists what came: "handshake", "heartbeat", or of events "PUT Patient/a".
func (b *inbox) kinds() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.got {
		entries := r.List("entry")
		status, _ := entries[0]["resource"].(map[string]any)
		for _, p := range fhir.Resource(status).List("parameter") {
			if p.Str("name") == "type" && p.Str("valueCode") != subscription.Happened {
				out = append(out, p.Str("valueCode"))
			}
		}
		for _, e := range entries[1:] {
			what := e.Str("request.method") + " " + e.Str("request.url")
			if e["resource"] != nil {
				what += " with resource"
			}
			out = append(out, what)
		}
	}
	return out
}

// silence is a log of telemetry in which nothing is said.
type silence struct{}

// Follow implements subscription.Telemetry.
func (silence) Follow(_ context.Context, from uint64, _ func(uint64, []*vigil.Report) error) (uint64, error) {
	return from, nil
}

// Health implements subscription.Telemetry.
func (silence) Health() telemetry.Health { return telemetry.Health{} }

type house struct {
	t       *testing.T
	db      *relational.DB
	records *record.Store
	inbox   *inbox
	clock   atomic.Int64
	ctx     context.Context
	owner   access.Principal
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &house{t: t, db: db, inbox: &inbox{}, owner: access.Principal{ID: "kim", Roles: []access.Role{access.Physician}}}
	h.clock.Store(time.Now().UnixNano())
	h.records = record.New(record.Config{Backend: db.Records()})
	h.ctx = access.With(t.Context(), h.owner)
	return h
}

func (h *house) run() (d *subscription.Desk, stop func()) {
	d = subscription.New(subscription.Config{
		Book: h.db.Subscriptions(), Records: h.records, Changes: h.db.Records(), Telemetry: silence{}, Channels: map[string]subscription.Channel{"rest-hook": h.inbox},
		Principal: func(context.Context, string) (access.Principal, error) { return h.owner, nil }, Base: "http://vigil.example/fhir",
		Now: func() time.Time { return time.Unix(0, h.clock.Load()) }, Log: slog.New(slog.DiscardHandler), Every: time.Millisecond, Backoff: time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return d, func() { cancel(); <-done }
}

// subscribe writes a Subscription to Patients called Holm, with a heartbeat of a minute.
func (h *house) subscribe(d *subscription.Desk) {
	h.t.Helper()
	const guide = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	sub := fhir.New("Subscription", "s1").With("status", "requested").With("reason", "test").With("criteria", "Patient?family=Holm").
		With("channel", fhir.Resource{"type": "rest-hook", "endpoint": "https://x.example/", "payload": "application/fhir+json",
			"extension": []fhir.Resource{{"url": guide + "backport-heartbeat-period", "valueUnsignedInt": 60}}})
	if _, err := h.records.Update(h.ctx, sub, 0); err != nil {
		h.t.Fatal(err)
	}
	if err := d.Claim(h.ctx, "s1"); err != nil {
		h.t.Fatal(err)
	}
	h.came("handshake")
}

// came waits until exactly this came.
func (h *house) came(want ...string) {
	h.t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		got := h.inbox.kinds()
		if strings.Join(got, ", ") == strings.Join(want, ", ") {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("came %q, want %q", got, want)
		}
	}
}

func (h *house) put(id, family string) {
	h.t.Helper()
	if _, err := h.records.Update(h.ctx, fhir.New("Patient", id).With("name", []fhir.Resource{fhir.HumanName(family)}), 0); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) remove(id string) {
	h.t.Helper()
	if err := h.records.Delete(h.ctx, "Patient", id); err != nil {
		h.t.Fatal(err)
	}
}

// What is deleted is told to whom it would have been told of, and nothing is left of it but its name.
func TestDeletionIsTold(t *testing.T) {
	h := newHouse(t)
	d, stop := h.run()
	defer stop()
	h.subscribe(d)
	h.put("a", "Holm")
	h.put("b", "Aziz")
	h.came("handshake", "PUT Patient/a with resource")
	h.remove("b") // fits nobody's filter
	h.remove("a")
	h.came("handshake", "PUT Patient/a with resource", "DELETE Patient/a")
	h.put("a", "Holm") // lives again
	h.came("handshake", "PUT Patient/a with resource", "DELETE Patient/a", "PUT Patient/a with resource")
}

// Heartbeats come when nothing else does, and go on after a restart.
func TestHeartbeat(t *testing.T) {
	h := newHouse(t)
	d, stop := h.run()
	h.subscribe(d)
	h.clock.Add(int64(59 * time.Second))
	time.Sleep(10 * time.Millisecond)
	h.came("handshake")
	h.clock.Add(int64(2 * time.Second))
	h.came("handshake", "heartbeat")
	stop()
	d, stop = h.run()
	defer stop()
	for end := time.Now().Add(5 * time.Second); len(h.inbox.kinds()) < 3 && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if _, err := d.Status(h.ctx, "s1"); err != nil {
			t.Fatal(err)
		}
		h.clock.Add(int64(2 * time.Second))
	}
	if got := h.inbox.kinds(); len(got) < 3 || got[2] != "heartbeat" {
		t.Errorf("came %q after the restart", got)
	}
}

// Failures are counted, and $status tells them also once deliveries succeed again.
func TestErrorsAreCounted(t *testing.T) {
	h := newHouse(t)
	d, stop := h.run()
	defer stop()
	h.subscribe(d)
	h.inbox.fail.Store(2)
	h.put("a", "Holm")
	told := func() string {
		res, err := d.Status(h.ctx, "s1")
		if err != nil {
			t.Fatal(err)
		}
		list, _ := res["parameter"].([]fhir.Resource)
		for _, p := range list {
			if p.Str("name") == "error" {
				c, _ := p["valueCodeableConcept"].(fhir.Resource)
				return c.Str("text")
			}
		}
		return ""
	}
	if s := told(); s != "" && !strings.Contains(s, "altogether") {
		t.Errorf("before: %q", s)
	}
	wait := func(part string) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); !strings.Contains(told(), part); time.Sleep(2 * time.Millisecond) {
			h.clock.Add(int64(10 * time.Millisecond))
			if time.Now().After(end) {
				t.Fatalf("$status says %q, want %q", told(), part)
			}
		}
	}
	wait("2 deliveries failed so far, none since")
	h.inbox.fail.Store(1 << 30)
	h.put("a", "Holm")
	wait("answered 500 (")
}
