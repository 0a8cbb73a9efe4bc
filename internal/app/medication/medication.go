// Package medication is the application for medicines taken on time: the day's doses from prescriptions, what dispensers,
// nurses and patients say about them, reminders, misuse, and adherence.
//
// It keeps nothing of its own: doses follow from MedicationRequest records, what became of them from telemetry events
// and MedicationAdministration records, so that a restart loses nothing and repeats nothing. It prescribes nothing,
// checks no interactions and knows no refills. Start at Medication; what a dose may be is in dose.go, what is raised and
// when in watch.go.
package medication

import (
	"context"
	"embed"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

//go:embed README.md stories/*.story
var files embed.FS

// Config is what a hospital can set. Zero fields take the default.
type Config struct {
	Early       time.Duration  // a dose may be taken so long before it is due; 60 min
	Late        time.Duration  // it is late so long after it was due; 60 min
	MissedAfter time.Duration  // it is missed so long after it was due, or when the next one is due; 4 h
	Watch       time.Duration  // misuse stays listed so long even when acknowledged; 4 h
	Days        int            // adherence looks so many whole days back; 30
	Location    *time.Location // of the times of day in prescriptions; time.Local
}

func (c *Config) fill() {
	for p, def := range map[*time.Duration]time.Duration{&c.Early: time.Hour, &c.Late: time.Hour, &c.MissedAfter: 4 * time.Hour, &c.Watch: 4 * time.Hour} {
		if *p <= 0 {
			*p = def
		}
	}
	c.MissedAfter = max(c.MissedAfter, c.Late)
	if c.Days <= 0 {
		c.Days = 30
	}
	if c.Location == nil {
		c.Location = time.Local
	}
}

// Medication is the application. Its methods may be called after App().Start and are safe for concurrent use.
type Medication struct {
	cfg  Config
	host app.Host

	mu     sync.RWMutex
	orders map[string]Order // by id
	turns  map[string]*sync.Mutex
}

// New returns the application.
func New(cfg Config) *Medication {
	cfg.fill()
	return &Medication{cfg: cfg, orders: map[string]Order{}, turns: map[string]*sync.Mutex{}}
}

// App returns the table of contents.
func (m *Medication) App() app.App {
	staff := app.Clinical()
	return app.App{
		Name:    "medication",
		Title:   "Medication",
		Icon:    "pill",
		Records: []string{"MedicationAdministration", "MedicationRequest", "Patient"},
		Files:   files,
		Config: []app.Setting{
			{Key: "early", Value: m.cfg.Early.String(), Text: "A dose may be taken so long before it is due."},
			{Key: "late", Value: m.cfg.Late.String(), Text: "A dose is late so long after it was due."},
			{Key: "missed_after", Value: m.cfg.MissedAfter.String(), Text: "A dose is missed so long after it was due, or when the next one is due."},
			{Key: "watch", Value: m.cfg.Watch.String(), Text: "A double dose stays listed so long, even when acknowledged."},
			{Key: "time_zone", Value: m.cfg.Location.String(), Text: "The time zone of the times of day in prescriptions; the machine's unless set."},
		},
		Pages:    []app.Page{{Path: "/app/medication", Title: "Medication", Icon: "pill", Roles: staff}},
		Start:    m.start,
		Simulate: m.simulate,
	}
}

func (m *Medication) start(ctx context.Context, h app.Host) error {
	m.host = h
	h.Handle("GET /panel", app.Clinical(), m.panel)
	h.Handle("GET /day", app.ClinicalOrPatient(), m.day)
	h.Handle("POST /doses/{id}/give", app.Clinical(), m.give)
	h.Handle("POST /doses/{id}/hold", app.Clinical(), m.hold)
	h.Subscribe(kinds(), m.heard)
	h.Watch([]string{"MedicationRequest", "MedicationAdministration"}, m.written)
	if err := m.load(ctx); err != nil { // after Watch, so that nothing is written in between unseen
		return err
	}
	if err := h.Schedule.Handle("medication", m.deadline); err != nil {
		return err
	}
	var all errgroup.Group // side by side, so that they share the disk's commits
	all.SetLimit(16)
	for _, patient := range m.patients() { // what happened while the house was down
		all.Go(func() error { return m.evaluate(ctx, patient) })
	}
	return all.Wait()
}

// load reads the prescriptions.
func (m *Medication) load(ctx context.Context) error {
	orders := map[string]Order{}
	params := url.Values{"_count": {"1000"}}
	for params != nil {
		page, err := m.host.Records.Search(ctx, "MedicationRequest", params)
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			if o, ok := newOrder(rec); ok {
				orders[o.ID] = o
			}
		}
		params = page.Next
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders = orders
	return nil
}

// patients returns who has an order for fixed times.
func (m *Medication) patients() (out []string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	seen := map[string]bool{}
	for _, o := range m.orders {
		if !seen[o.Patient] {
			seen[o.Patient] = true
			out = append(out, o.Patient)
		}
	}
	return out
}

func (m *Medication) ordersOf(patient string) (out []*Order) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, o := range m.orders {
		if o.Patient == patient {
			out = append(out, &o)
		}
	}
	return out
}

// chart is everything known about a patient's doses in a span of time, as of one moment.
type chart struct {
	now    time.Time
	orders []*Order
	doses  []Dose // judged, by due time, with a margin of a day on both sides of the span
	misuse []Misuse
	forced []time.Time
	device map[time.Time]vigil.DeviceID // of forced
}

// chartOf judges the doses due in [from, to). It returns Denied when ctx may not see the patient.
func (m *Medication) chartOf(ctx context.Context, patient string, from, to time.Time) (*chart, error) {
	subject := vigil.PatientSubject(patient)
	if err := access.CheckSubject(ctx, subject); err != nil {
		return nil, err
	}
	c := &chart{now: m.host.Now(), orders: m.ordersOf(patient), device: map[time.Time]vigil.DeviceID{}}
	from, to = from.AddDate(0, 0, -1), to.AddDate(0, 0, 1)
	events, err := m.host.Telemetry.Events(ctx, subject, kinds(), from, to)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if e.Kind == "dispenser-forced" {
			c.forced = append(c.forced, e.At())
			c.device[e.At()] = e.Device
		}
		for _, o := range c.orders {
			if o.vague && e.Kind == "dose-taken" && e.Data["medication"] == o.Code && e.At().Before(o.From) {
				y, mo, d := e.At().In(m.cfg.Location).Date() // it was taken, so it was prescribed
				o.From = time.Date(y, mo, d, 0, 0, 0, 0, m.cfg.Location)
			}
		}
	}
	given, err := m.administrations(ctx, patient, from, to)
	if err != nil {
		return nil, err
	}
	for _, o := range c.orders {
		c.doses = append(c.doses, o.doses(from, to, m.cfg)...)
	}
	c.misuse = Judge(c.doses, given, events, c.now)
	return c, nil
}

// administrations returns what persons said about the patient's doses.
func (m *Medication) administrations(ctx context.Context, patient string, from, to time.Time) (out []Administration, err error) {
	params := url.Values{"patient": {patient}, "_count": {"1000"},
		"effective-time": {"ge" + from.UTC().Format(time.RFC3339), "lt" + to.UTC().Format(time.RFC3339)}}
	for params != nil {
		page, err := m.host.Records.Search(ctx, "MedicationAdministration", params)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			r, err := rec.Resource()
			if err != nil {
				return nil, err
			}
			if a, ok := m.administration(r); ok {
				out = append(out, a)
			}
		}
		params = page.Next
	}
	return out, nil
}

// SystemDose is the identifier system of doses.
const SystemDose = "urn:vigil:dose"

func (m *Medication) administration(r fhir.Resource) (a Administration, ok bool) {
	status := r.Str("status")
	if status != "completed" && status != "not-done" {
		return a, false
	}
	a = Administration{Done: status == "completed", Code: r.Str("medicationCodeableConcept.coding.0.code"), By: r.Str("performer.0.actor.display"),
		Source: FromNurse, Reason: r.Str("statusReason.0.text")}
	low, _, ok := fhir.DateRange(r.Str("effectiveDateTime"))
	if !ok {
		if low, _, ok = fhir.DateRange(r.Str("effectivePeriod.start")); !ok {
			return a, false
		}
	}
	a.At = time.UnixMicro(low)
	for _, id := range r.List("identifier") {
		if id.Str("system") == SystemDose {
			a.Dose = id.Str("value")
		}
	}
	who := r.Str("performer.0.actor.reference")
	if strings.HasPrefix(who, "Patient/") {
		a.Source = FromPatient
	}
	if s, known := m.host.Census.Staff(strings.TrimPrefix(who, "Practitioner/")); known && a.By == "" {
		a.By = s.Name
	}
	return a, true
}

// turn orders what is done for one patient.
func (m *Medication) turn(patient string) *sync.Mutex {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turns[patient] == nil {
		m.turns[patient] = &sync.Mutex{}
	}
	return m.turns[patient]
}

// written follows the prescriptions, and what persons noted about doses through any door.
func (m *Medication) written(ctx context.Context, rec record.Record) {
	var patients []string
	if rec.Type == "MedicationRequest" {
		m.mu.Lock()
		if was, ok := m.orders[rec.ID]; ok {
			patients = append(patients, was.Patient)
			delete(m.orders, rec.ID)
		}
		if o, ok := newOrder(rec); ok {
			m.orders[rec.ID] = o
		}
		m.mu.Unlock()
	}
	for _, id := range append(patients, rec.Patients...) {
		m.evaluateLogged(ctx, id)
	}
}

func (m *Medication) heard(ctx context.Context, r *vigil.Report) {
	if r.Subject.IsPatient() {
		m.evaluateLogged(ctx, r.Subject.ID())
	}
}
