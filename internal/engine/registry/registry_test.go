package registry_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/registry"
)

// shelf is a registry on a real store with a clock of its own.
type shelf struct {
	*registry.Registry
	ctx     context.Context
	backend registry.Backend
	now     time.Time
	told    []vigil.Binding
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &shelf{ctx: access.AsSystem(t.Context(), "test"), backend: db.Registry(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s.reopen(t)
	for id, profile := range map[vigil.DeviceID]string{"patch-1": "patch", "patch-2": "patch", "gate-1": "gateway", "gate-2": "gateway"} {
		if _, _, err := s.Register(s.ctx, registry.Device{ID: id, Profile: profile}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// reopen reads everything again from the disk.
func (s *shelf) reopen(t *testing.T) {
	t.Helper()
	var err error
	s.Registry, err = registry.Open(s.ctx, registry.Config{
		Backend: s.backend, Now: func() time.Time { return s.now }, Rand: rand.Reader,
		Known:   func(p string) bool { return p == "patch" || p == "gateway" },
		Gateway: func(p string) bool { return p == "gateway" },
		Bound:   func(_ context.Context, b vigil.Binding) { s.told = append(s.told, b) },
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) at(hours float64) time.Time {
	return s.now.Add(time.Duration(hours * float64(time.Hour)))
}

func (s *shelf) bind(t *testing.T, subject vigil.Subject, from time.Time, want vigil.Kind) {
	t.Helper()
	if err := s.Bind(s.ctx, "patch-1", subject, from); vigil.KindOf(err) != want {
		t.Errorf("bind %s from %s: %v, want kind %q", subject, from.Format(time.TimeOnly), err, want)
	}
}

func TestBindAsOf(t *testing.T) {
	s := newShelf(t)
	s.bind(t, "Patient/ana", s.at(-3), "")
	s.bind(t, "Patient/ben", s.at(-2), "")
	s.bind(t, "", s.at(-1), "")
	s.bind(t, "Location/room-1", time.Time{}, "")
	check := func() {
		t.Helper()
		for hours, want := range map[float64]vigil.Subject{-4: "", -3: "Patient/ana", -2.001: "Patient/ana", -2: "Patient/ben", -1.5: "Patient/ben", -1: "", -0.5: "", 0: "Location/room-1", 5: "Location/room-1"} {
			if got, ok := s.SubjectAt("patch-1", s.at(hours)); got != want || ok != (want != "") {
				t.Errorf("at %g h it spoke for %q, want %q", hours, got, want)
			}
		}
		if cur := s.Current("Location/room-1"); len(cur) != 1 || len(s.Current("Patient/ben")) != 0 {
			t.Errorf("current: %+v", cur)
		}
	}
	check()
	before := s.Bindings("patch-1")
	s.reopen(t)
	check()
	if diff := cmp.Diff(before, s.Bindings("patch-1")); diff != "" {
		t.Errorf("bindings after a restart: %s", diff)
	}
	if _, ok := s.SubjectAt("never-seen", s.now); ok {
		t.Error("an unknown device speaks for somebody")
	}
}

func TestBindConflicts(t *testing.T) {
	s := newShelf(t)
	s.bind(t, "Patient/ana", s.at(-2), "")
	n := len(s.told)
	s.bind(t, "Patient/ana", s.now, "")
	s.bind(t, "Patient/ana", time.Time{}, "")
	s.bind(t, "Patient/ana", s.at(-2), "")
	if len(s.told) != n || len(s.Bindings("patch-1")) != 1 {
		t.Errorf("binding to the same again changed something: %+v", s.Bindings("patch-1"))
	}
	s.bind(t, "Patient/ben", s.at(-3), vigil.Conflict)
	s.bind(t, "Patient/ana", s.at(-3), vigil.Conflict) // an earlier start is not swallowed as a repeat
	s.bind(t, "", s.at(-3), vigil.Conflict)
	s.bind(t, "Patient/ben", s.at(1), vigil.Invalid)
	s.bind(t, "Bed/7", s.now, vigil.Invalid)
	s.bind(t, "Patient/", s.now, vigil.Invalid)
	if got := s.Bindings("patch-1"); len(got) != 1 || got[0].Subject != "Patient/ana" || !got[0].To.IsZero() {
		t.Errorf("what was refused left %+v", got)
	}
	// A correction from the very start replaces the mistake, on disk too.
	s.bind(t, "Patient/ben", s.at(-2), "")
	s.reopen(t)
	if got, _ := s.SubjectAt("patch-1", s.at(-1)); got != "Patient/ben" {
		t.Errorf("after the correction it speaks for %q", got)
	}
	if err := s.Bind(s.ctx, "none", "Patient/ana", time.Time{}); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("an unknown device: %v", err)
	}
}

func TestUnbind(t *testing.T) {
	s := newShelf(t)
	s.bind(t, "", time.Time{}, "") // nothing to end
	s.bind(t, "Patient/ana", s.at(-1), "")
	s.bind(t, "", time.Time{}, "")
	s.bind(t, "", time.Time{}, "") // twice is once
	list := s.Bindings("patch-1")
	if len(list) != 1 || !list[0].To.Equal(s.now) || len(s.Current("")) != 0 {
		t.Errorf("%+v", list)
	}
	if last := s.told[len(s.told)-1]; last.To.IsZero() {
		t.Errorf("whoever watches was not told of the end: %+v", last)
	}
	s.bind(t, "Patient/ana", time.Time{}, "") // worn again
	if list := s.Bindings("patch-1"); len(list) != 2 || !list[1].To.IsZero() {
		t.Errorf("%+v", list)
	}
}

// TestClockAheadOfOurs holds that a device bound by somebody whose clock runs ahead is not without a subject meanwhile.
func TestClockAheadOfOurs(t *testing.T) {
	s := newShelf(t)
	s.bind(t, "Patient/ana", s.at(-1), "")
	s.bind(t, "Patient/ben", s.now.Add(30*time.Second), "")
	if cur := s.Current(""); len(cur) != 1 || cur[0].Subject != "Patient/ana" {
		t.Errorf("now: %+v", cur)
	}
	s.now = s.now.Add(time.Minute)
	if cur := s.Current(""); len(cur) != 1 || cur[0].Subject != "Patient/ben" {
		t.Errorf("a minute later: %+v", cur)
	}
}

func TestTokens(t *testing.T) {
	s := newShelf(t)
	_, first, err := s.Register(s.ctx, registry.Device{ID: "patch-3", Profile: "patch"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.NewToken(s.ctx, "patch-3")
	if err != nil || first == second {
		t.Fatal(first, second, err)
	}
	for range 2 {
		for token, want := range map[string]vigil.Kind{second: "", first: vigil.Denied, "": vigil.Denied} {
			if err := s.Authenticate("patch-3", token); vigil.KindOf(err) != want {
				t.Errorf("%v, want %q", err, want)
			}
		}
		s.reopen(t)
	}
	if a, b := s.Authenticate("none", first), s.Authenticate("patch-3", first); a.Error() != b.Error() {
		t.Errorf("strangers learn which devices there are: %v, %v", a, b)
	}
	for _, d := range []registry.Device{{ID: "", Profile: "patch"}, {ID: "a b", Profile: "patch"}, {ID: "../x", Profile: "patch"}, {ID: "x", Profile: "none"}} {
		if _, _, err := s.Register(s.ctx, d); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%+v: %v", d, err)
		}
	}
	patient := access.With(t.Context(), access.Principal{ID: "p", Roles: []access.Role{access.Patient}, Subject: "Patient/ana"})
	for _, ctx := range []context.Context{t.Context(), patient} {
		_, tokenErr := s.NewToken(ctx, "patch-3")
		_, _, regErr := s.Register(ctx, registry.Device{ID: "patch-4", Profile: "patch"})
		for _, err := range []error{tokenErr, regErr, s.Bind(ctx, "patch-3", "Patient/ana", time.Time{})} {
			if vigil.KindOf(err) != vigil.Denied {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestMaySpeakFor(t *testing.T) {
	s := newShelf(t)
	for _, c := range []struct {
		connected, other vigil.DeviceID
		want             bool
	}{
		{"patch-1", "patch-1", true}, {"patch-1", "patch-2", false}, {"gate-1", "patch-1", true}, {"gate-1", "gate-2", false},
		{"gate-1", "unknown", true}, {"unknown", "patch-1", false}, {"patch-1", "gate-1", false},
	} {
		if got := s.MaySpeakFor(c.connected, c.other); got != c.want {
			t.Errorf("%s for %s: %v", c.connected, c.other, got)
		}
	}
}

func TestListAndHealth(t *testing.T) {
	s := newShelf(t)
	var ids []vigil.DeviceID
	for _, d := range s.List("PATCH") {
		ids = append(ids, d.ID)
	}
	if !slices.Equal(ids, []vigil.DeviceID{"patch-1", "patch-2"}) {
		t.Errorf("%v", ids)
	}
	d, _ := s.Lookup("patch-1")
	if h := d.Health(); !h.LastSeen.IsZero() || h.Battery != -1 {
		t.Errorf("never heard: %+v", h)
	}
	s.Heard(&vigil.Report{Device: "patch-1", Received: s.now.UnixNano(), Protocol: "mqtt", Samples: []vigil.Sample{{Metric: "battery", Value: 0}, {Metric: "signal", Value: -61}}})
	s.Heard(&vigil.Report{Device: "patch-1", Received: s.now.Add(-time.Hour).UnixNano()}) // late
	s.Heard(&vigil.Report{Device: "unknown"})
	if h := d.Health(); !h.LastSeen.Equal(s.now) || h.Battery != 0 || h.Signal != -61 || h.Protocol != "mqtt" {
		t.Errorf("%+v", h)
	}
	if _, err := s.NewToken(s.ctx, "patch-1"); err != nil {
		t.Fatal(err)
	}
	if d, _ := s.Lookup("patch-1"); d.Health().LastSeen.IsZero() {
		t.Error("a new token makes the device forget when it spoke")
	}
}
