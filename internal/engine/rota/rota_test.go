package rota_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/rota"
)

// staff are lee, kim and ruiz; without a plan the census names lee.
type staff struct{}

func (staff) Holders(_ context.Context, p alarm.Post) ([]alarm.Recipient, error) {
	who := map[string]string{"physician.primary": "lee", "nurse": "ruiz"}[p.Role]
	if who == "" {
		return nil, nil
	}
	return []alarm.Recipient{{ID: "Practitioner/" + who, Name: who}}, nil
}

func (staff) Recipient(id string) (alarm.Recipient, bool) {
	name := strings.TrimPrefix(id, "Practitioner/")
	return alarm.Recipient{ID: "Practitioner/" + name, Name: name}, slices.Contains([]string{"lee", "kim", "ruiz", "sato"}, name)
}

type pager struct{}

func (pager) Page(context.Context, alarm.Page, vigil.Alarm) error { return nil }

type house struct {
	*rota.Rota
	db   *relational.DB
	desk *alarm.Desk
	now  time.Time
}

// at opens a house in Madrid's time zone, which changes its clocks.
func at(t *testing.T, now time.Time) *house {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &house{db: db, now: now}
	h.reopen(t, nil)
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	h.desk = alarm.NewDesk(alarm.Config{Book: db.Alarms(), Chains: chains, OnCall: h, Pager: pager{}, Now: func() time.Time { return h.now }})
	return h
}

func (h *house) reopen(t *testing.T, where rota.Whereabouts) {
	t.Helper()
	n := 0
	var err error
	h.Rota, err = rota.Open(t.Context(), rota.Config{Book: h.db.Rota(), People: staff{}, Where: where, Now: func() time.Time { return h.now }, Zone: madrid(t), Log: slog.New(slog.DiscardHandler),
		NewID: func() string { n++; return fmt.Sprint(n) }})
	if err != nil {
		t.Fatal(err)
	}
}

func madrid(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Skip("this machine knows no time zones")
	}
	return zone
}

func as(t *testing.T, name string, role access.Role) context.Context {
	return access.With(t.Context(), access.Principal{ID: "account-" + name, Name: name, Person: "Practitioner/" + name, Roles: []access.Role{role}})
}

// plan has a person hold a role; hours are "07:00-19:00".
func (h *house) plan(t *testing.T, person, role, hours string, days ...string) rota.Shift {
	t.Helper()
	from, to, _ := strings.Cut(hours, "-")
	s, err := h.SetShift(as(t, "lee", access.Physician), rota.Shift{Unit: "icu", Role: role, Person: "Practitioner/" + person, From: from, To: to, Days: days})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *house) holds(t *testing.T, role string) string {
	t.Helper()
	who, err := h.Holders(t.Context(), alarm.Post{Role: role, Unit: "icu", Subject: "Patient/sara"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range who {
		names = append(names, w.Name)
	}
	return strings.Join(names, "+")
}

func TestWhoHoldsAPost(t *testing.T) {
	zone := madrid(t)
	h := at(t, time.Date(2026, 11, 23, 8, 0, 0, 0, zone)) // a Monday
	if got := h.holds(t, "physician.primary"); got != "lee" {
		t.Errorf("without a plan %q holds it, want the census", got)
	}
	h.plan(t, "kim", "physician.primary", "08:00-20:00", "mon", "tue")
	h.plan(t, "sato", "physician.primary", "20:00-08:00", "mon")
	if _, err := h.Stand(as(t, "lee", access.Physician), rota.Substitute{Unit: "icu", Role: "physician.primary", For: "Practitioner/kim", Person: "Practitioner/ruiz",
		From: time.Date(2026, 11, 24, 12, 0, 0, 0, zone), To: time.Date(2026, 11, 24, 14, 0, 0, 0, zone)}); err != nil {
		t.Fatal(err)
	}
	h.reopen(t, nil)
	for _, c := range []struct {
		day, hour, minute int
		want              string
	}{
		{23, 7, 59, ""}, {23, 8, 0, "kim"}, {23, 19, 59, "kim"}, {23, 20, 0, "sato"}, {24, 3, 0, "sato"}, {24, 7, 59, "sato"}, {24, 8, 0, "kim"},
		{24, 12, 0, "ruiz"}, {24, 13, 59, "ruiz"}, {24, 14, 0, "kim"}, {24, 20, 0, ""}, {25, 9, 0, ""}, {30, 9, 0, "kim"},
	} {
		h.now = time.Date(2026, 11, c.day, c.hour, c.minute, 0, 0, zone)
		if got := h.holds(t, "physician.primary"); got != c.want {
			t.Errorf("%s: %q holds it, want %q", h.now.Format("Mon 15:04"), got, c.want)
		}
	}
	duties, err := h.Plan(as(t, "lee", access.Physician), "icu", time.Date(2026, 11, 24, 0, 0, 0, 0, zone), time.Date(2026, 11, 25, 0, 0, 0, 0, zone))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range duties {
		got = append(got, d.Who.Name+" "+d.From.In(zone).Format("15:04")+"-"+d.To.In(zone).Format("15:04"))
	}
	if want := "sato 20:00-08:00, kim 08:00-12:00, ruiz 12:00-14:00, kim 14:00-20:00"; strings.Join(got, ", ") != want {
		t.Errorf("plan %q, want %q", got, want)
	}
}

// TestNightOfTheClocks holds that a shift ends by the hospital's clock also when the night has an hour more.
func TestNightOfTheClocks(t *testing.T) {
	zone := madrid(t)
	h := at(t, time.Date(2026, 10, 24, 23, 0, 0, 0, zone))
	h.plan(t, "kim", "nurse", "22:00-07:00", "sat")
	for _, hours := range []int{0, 3, 4, 8} { // 23:00, 2:00, 2:00 again, 6:00
		h.now = time.Date(2026, 10, 24, 23, 0, 0, 0, zone).Add(time.Duration(hours) * time.Hour)
		if got := h.holds(t, "nurse"); got != "kim" {
			t.Errorf("%s: %q", h.now, got)
		}
	}
	h.now = time.Date(2026, 10, 25, 7, 0, 0, 0, zone)
	if got := h.holds(t, "nurse"); got != "" {
		t.Errorf("%s: %q", h.now, got)
	}
}

func TestPlanRefuses(t *testing.T) {
	h := at(t, time.Now())
	good := rota.Shift{Unit: "icu", Role: "nurse", Person: "Practitioner/ruiz", From: "07:00", To: "19:00", Days: []string{"mon"}}
	for name, edit := range map[string]func(s *rota.Shift){
		"Role": func(s *rota.Shift) { s.Role = "king" }, "Person": func(s *rota.Shift) { s.Person = "Practitioner/nobody" },
		"Time": func(s *rota.Shift) { s.From = "25:00" }, "NoDays": func(s *rota.Shift) { s.Days = nil }, "Day": func(s *rota.Shift) { s.Days = []string{"mo"} },
	} {
		s := good
		edit(&s)
		if _, err := h.SetShift(as(t, "lee", access.Physician), s); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.SetShift(as(t, "eng", access.Engineer), good); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("an engineer plans: %v", err)
	}
	if err := h.Drop(as(t, "lee", access.Physician), "nothing"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("dropped nothing: %v", err)
	}
}

func TestHandoverPassesOpenAlarmsOn(t *testing.T) {
	zone := madrid(t)
	h := at(t, time.Date(2026, 11, 23, 19, 0, 0, 0, zone))
	h.plan(t, "lee", "physician.primary", "08:00-20:00", "mon")
	lee, kim := as(t, "lee", access.Physician), as(t, "kim", access.Physician)
	rule := access.AsSystem(t.Context(), "rule")
	mk := func(key string) vigil.Alarm {
		a := vigil.Alarm{Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, Subject: "Patient/sara", Unit: "icu", Rule: key, Title: key, Chain: "high", Onset: h.now}
		a.ID = alarm.ID(key, a.Subject, "", h.now)
		out, err := h.desk.Raise(rule, a)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	waiting, taken := mk("map-low"), mk("spo2-low")
	if _, err := h.desk.Do(lee, taken.ID, alarm.Action{Kind: alarm.Acknowledge}); err != nil {
		t.Fatal(err)
	}
	offer := rota.Handover{ID: "h-1", Unit: "icu", Role: "physician.primary", To: "Practitioner/kim", Note: "Sara is the worry"}
	if _, err := h.Offer(kim, h.desk, rota.Handover{Unit: "icu", Role: "physician.primary", To: "Practitioner/lee"}); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("who does not hold the post hands it over: %v", err)
	}
	first, err := h.Offer(lee, h.desk, offer)
	if err != nil || len(first.Alarms) != 2 || first.State != rota.Offered {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := h.Offer(lee, h.desk, offer); err != nil || again.ID != first.ID {
		t.Errorf("offered twice: %+v, %v", again, err)
	}
	if got := h.holds(t, "physician.primary"); got != "lee" {
		t.Errorf("before the answer %q holds it", got)
	}
	if _, err := h.Answer(lee, h.desk, "h-1", true); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("the outgoing accepts himself: %v", err)
	}
	for range 2 { // the answer was lost
		if got, err := h.Answer(kim, h.desk, "h-1", true); err != nil || got.State != rota.Accepted {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := h.Answer(kim, h.desk, "h-1", false); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("declined after accepting: %v", err)
	}
	if got := h.holds(t, "physician.primary"); got != "kim" {
		t.Errorf("after the answer %q holds it", got)
	}
	for id, want := range map[string]string{waiting.ID: "passed_on", taken.ID: "note"} {
		a, err := h.desk.Get(rule, id)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range a.History {
			if s.What == want && s.Cmd == "h-1" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s has %d steps %s: %+v", id, n, want, a.History)
		}
	}
	h.now = time.Date(2026, 11, 23, 20, 0, 0, 0, zone)
	if got := h.holds(t, "physician.primary"); got != "" {
		t.Errorf("after the shift %q holds it", got)
	}
}

type places struct{}

func (places) UnitOf(s vigil.Subject) string {
	return map[vigil.Subject]string{"Patient/sara": "icu", "Location/bed-1": "icu", "Location/store": "icu", "Location/cafe": "lobby", "Location/icu": "icu"}[s]
}

func (places) BedOf(s vigil.Subject) string {
	return map[vigil.Subject]string{"Patient/sara": "bed-1"}[s]
}

func TestNearest(t *testing.T) {
	h := at(t, time.Date(2026, 11, 23, 9, 0, 0, 0, madrid(t)))
	seen := rota.NewSightings(places{}, func() time.Time { return h.now })
	h.reopen(t, seen)
	for _, who := range []string{"ruiz", "kim", "sato"} {
		h.plan(t, who, "nurse", "07:00-19:00", "mon")
	}
	see := func(person, place string) {
		seen.Observe([]*vigil.Report{{Subject: vigil.LocationSubject(place), Events: []vigil.Event{{Kind: rota.TagSeen, Time: h.now.UnixNano(), Data: map[string]string{"person": person}}}}})
	}
	if got := h.holds(t, "nearest.nurse"); got != "ruiz" {
		t.Errorf("nobody was seen, %q; want the unit's nurse", got)
	}
	see("sato", "cafe")
	if got := h.holds(t, "nearest.nurse"); got != "sato" {
		t.Errorf("one was seen, %q", got)
	}
	see("kim", "store")
	if got := h.holds(t, "nearest.nurse"); got != "kim" {
		t.Errorf("in the unit is nearer than the lobby, %q", got)
	}
	see("sato", "bed-1")
	if got := h.holds(t, "nearest.nurse"); got != "sato" {
		t.Errorf("at the bed is nearest, %q", got)
	}
	h.now = h.now.Add(16 * time.Minute)
	if got := h.holds(t, "nearest.nurse"); got != "ruiz" {
		t.Errorf("old sightings count, %q", got)
	}
}
