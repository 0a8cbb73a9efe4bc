package ingest_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/registry"
)

// diary is a telemetry store that keeps reports in memory and answers on command.
type diary struct {
	mu      sync.Mutex
	reports []*vigil.Report
	err     error
}

func (d *diary) AppendAll(reports []*vigil.Report, done func(error)) {
	left := len(reports)
	for _, r := range reports {
		d.Append(r, func(err error) {
			if left--; left == 0 {
				done(err)
			}
		})
	}
}

func (d *diary) Append(r *vigil.Report, done func(error)) {
	d.mu.Lock()
	if d.err == nil && !r.Empty() {
		d.reports = append(d.reports, r)
	}
	err := d.err
	d.mu.Unlock()
	done(err)
}

type house struct {
	*ingest.Pipeline
	diary *diary
	reg   *registry.Registry
	quar  ingest.Quarantine
	ctx   context.Context
	now   time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{diary: &diary{}, quar: db.Quarantine(), ctx: access.AsSystem(t.Context(), "test"), now: time.UnixMilli(1_790_000_000_000)}
	clock := func() time.Time { return h.now }
	if h.reg, err = registry.Open(h.ctx, registry.Config{Backend: db.Registry(), Now: clock, Rand: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	h.Pipeline = ingest.New(ingest.Config{Telemetry: h.diary, Devices: h.reg, Quarantine: h.quar, Now: clock, Mappers: map[string]*ingest.Mapper{"test": mapper(t)}})
	ctx, cancel := context.WithCancel(h.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); db.Close() })
	h.register(t, "patch-1")
	if err := h.reg.Bind(h.ctx, "patch-1", "Patient/sara", h.now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) register(t *testing.T, id vigil.DeviceID) {
	t.Helper()
	if _, _, err := h.reg.Register(h.ctx, registry.Device{ID: id, Profile: "test"}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) send(t *testing.T, device vigil.DeviceID, payload string) error {
	t.Helper()
	answer := make(chan error, 2)
	h.Accept(ingest.Message{Device: device, Protocol: "test", Payload: []byte(payload)}, func(err error) { answer <- err })
	select {
	case err := <-answer:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("the message was never answered")
		return nil
	}
}

func (h *house) reasons(t *testing.T) map[ingest.Reason]int {
	t.Helper()
	counts, err := h.quar.Counts(h.ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[ingest.Reason]int{}
	for _, c := range counts {
		out[c.Reason] = c.Count
	}
	return out
}

func TestAcceptStoresAndBindsAsOfTheSample(t *testing.T) {
	h := newHouse(t)
	if err := h.reg.Bind(h.ctx, "patch-1", "Patient/kofi", h.now.Add(-10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"ts":1790000000000,"hr":72}`, `{"ts":1789998000000,"hr":70}`} {
		if err := h.send(t, "patch-1", payload); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.diary.reports[0].Subject; got != "Patient/kofi" {
		t.Errorf("today's value went to %s", got)
	}
	if got := h.diary.reports[1].Subject; got != "Patient/sara" {
		t.Errorf("the value measured before the change went to %s", got)
	}
}

func TestAcceptDropsRepeats(t *testing.T) {
	h := newHouse(t)
	for range 3 {
		if err := h.send(t, "patch-1", `{"ts":1790000000000,"hr":72}`); err != nil {
			t.Fatal(err)
		}
		if err := h.send(t, "patch-1", `{"hr":72}`); err != nil { // without a clock each is a value of its own
			t.Fatal(err)
		}
	}
	if n := len(h.diary.reports); n != 4 {
		t.Errorf("%d reports, want 1 with a clock and 3 without", n)
	}
}

func TestAcceptAfterFailureIsNoRepeat(t *testing.T) {
	h := newHouse(t)
	h.diary.err = vigil.Errorf(vigil.Unavailable, "test", "disk full")
	if err := h.send(t, "patch-1", `{"ts":1790000000000,"hr":72}`); vigil.KindOf(err) != vigil.Unavailable {
		t.Fatalf("error %v", err)
	}
	h.diary.err = nil
	if err := h.send(t, "patch-1", `{"ts":1790000000000,"hr":72}`); err != nil {
		t.Fatal(err)
	}
	if len(h.diary.reports) != 1 {
		t.Errorf("%d reports: the message sent again was taken for a repeat of one that was lost", len(h.diary.reports))
	}
}

func TestQuarantineAndRelease(t *testing.T) {
	h := newHouse(t)
	h.register(t, "patch-2")
	for device, payload := range map[vigil.DeviceID]string{"ghost": `{"hr":1}`, "patch-2": `{"hr":72}`} {
		if err := h.send(t, device, payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.send(t, "patch-1", `{"hr":72,"mood":"good"}`); err != nil {
		t.Fatal(err)
	}
	if err := h.send(t, "patch-1", `{"hr":`); err != nil {
		t.Fatal(err)
	}
	want := map[ingest.Reason]int{ingest.UnknownDevice: 1, ingest.Unbound: 1, ingest.UnmappedField: 1, ingest.Malformed: 1}
	if got := h.reasons(t); len(got) != len(want) {
		t.Errorf("reasons %v, want %v", got, want)
	}
	if len(h.diary.reports) != 1 {
		t.Fatalf("%d reports: the usable part of a message must be stored", len(h.diary.reports))
	}
	items, err := h.quar.List(h.ctx, ingest.QuarantineFilter{Reason: ingest.Unbound})
	if err != nil || len(items) != 1 {
		t.Fatalf("%v %v", items, err)
	}
	if err := h.Release(h.ctx, items[0].ID); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("released while unbound: %v", err)
	}
	if err := h.reg.Bind(h.ctx, "patch-2", "Patient/kofi", h.now.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(h.ctx, items[0].ID); err != nil {
		t.Fatal(err)
	}
	if got := h.diary.reports[1]; got.Subject != "Patient/kofi" || got.Samples[0].Value != 72 {
		t.Errorf("released report %+v", got)
	}
	if got := h.reasons(t); got[ingest.Unbound] != 0 {
		t.Errorf("still waiting after the release: %v", got)
	}
	if err := h.Release(h.ctx, items[0].ID); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("released twice: %v", err)
	}
}

func TestRegistrySurvivesRestartAndChecksTokens(t *testing.T) {
	h := newHouse(t)
	d, token, err := h.reg.Register(h.ctx, registry.Device{ID: "patch-9", Profile: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.reg.Authenticate(d.ID, token); err != nil {
		t.Error(err)
	}
	for id, tok := range map[vigil.DeviceID]string{"patch-9": "wrong", "nobody": token, "patch-1": token} {
		if err := h.reg.Authenticate(id, tok); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("%s with %q: %v", id, tok, err)
		}
	}
	if _, _, err := h.reg.Register(h.ctx, registry.Device{ID: "patch-9", Profile: "test"}); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("registered twice: %v", err)
	}
	if _, _, err := h.reg.Register(t.Context(), registry.Device{ID: "x", Profile: "test"}); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("registered by nobody: %v", err)
	}
}
