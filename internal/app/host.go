package app

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/schedule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Host is all that an application gets. Everything guards itself by the principal of ctx.
type Host struct {
	Records   Records
	Telemetry Telemetry
	Desk      Desk
	Census    Census
	Schedule  Schedule
	Consults  Consults
	Now       func() time.Time
	Log       *slog.Logger
	Runtime
}

// Runtime ties an application to the running house. Functions given to it act as the house (access.System), except
// handlers, which act as their caller. A mistake in a registration makes the start fail.
type Runtime interface {
	// Handle answers calls of the pattern, "GET /panel", which is mounted at /api/app/<name>/panel.
	Handle(pattern string, who Roles, h Handler)
	// Subscribe calls fn for every report with an event of one of the kinds, after it is on disk, one at a time and
	// in order for each subject. No kinds mean every event. A slow fn slows ingestion down; nothing is dropped. What a
	// crash cut off is not delivered again: Start looks at the stored events. What comes while Start runs waits for it, so
	// an application registers first and reads then.
	Subscribe(kinds []vigil.EventKind, fn func(ctx context.Context, r *vigil.Report))
	// Watch calls fn after a record of one of the types was written, one at a time. When one record is written several
	// times while fn is busy, only its newest version is handed over.
	Watch(types []string, fn func(ctx context.Context, r record.Record))
	// Every calls fn once per interval, first after one interval.
	Every(name string, d time.Duration, fn func(ctx context.Context) error)
	// Go runs fn until it returns or ctx ends, which is when the house stops; the stop waits for it.
	Go(name string, fn func(ctx context.Context) error)
}

// Records keeps FHIR resources: record.Store, whose documentation holds.
type Records interface {
	Read(ctx context.Context, typ, id string) (record.Record, error)
	Search(ctx context.Context, typ string, params url.Values) (record.Page, error)
	Create(ctx context.Context, r fhir.Resource) (record.Record, error)
	Update(ctx context.Context, r fhir.Resource, ifMatch int64) (record.Record, error)
	Batch(ctx context.Context, writes []record.Write) ([]record.Record, error)
}

// Telemetry reads what devices said: telemetry.Store, whose documentation holds.
type Telemetry interface {
	Last(ctx context.Context, subjects ...vigil.Subject) ([]telemetry.Value, error)
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
	Events(ctx context.Context, s vigil.Subject, kinds []vigil.EventKind, from, to time.Time) ([]telemetry.StoredEvent, error)
}

// Desk is where alarms, tasks and notices go: alarm.Desk, whose documentation holds.
type Desk interface {
	Raise(ctx context.Context, a vigil.Alarm) (vigil.Alarm, error)
	End(ctx context.Context, id string, at time.Time) error
	Do(ctx context.Context, id string, act alarm.Action) (vigil.Alarm, error)
	Mark(ctx context.Context, id string, step vigil.AlarmStep) error
	Open(ctx context.Context, f alarm.Filter) ([]vigil.Alarm, error)
	Get(ctx context.Context, id string) (vigil.Alarm, error)
	List(ctx context.Context, q alarm.Query) ([]vigil.Alarm, error)
}

// Census knows who lies where: census.Census. It checks no access: a handler asks it for staff, or after a check.
type Census interface {
	Patient(id string) (census.Patient, bool)
	Patients(unit, q string) []census.Patient
	Units() []census.Unit
	UnitOf(s vigil.Subject) string
	Staff(id string) (census.Staff, bool)
}

// Schedule keeps deadlines through restarts: schedule.Schedule. Keys begin with the application's name and a slash.
type Schedule interface {
	Handle(room string, h schedule.Handler) error
	At(ctx context.Context, key string, at time.Time, payload []byte) error
	Cancel(ctx context.Context, key string) error
}

// Consults are conversations with patients: consult.Desk, whose documentation holds.
type Consults interface {
	Open(ctx context.Context, r consult.Request) (consult.Consult, error)
	Say(ctx context.Context, id, kind, text string) (consult.Consult, error)
	List(ctx context.Context, patient vigil.Subject) ([]consult.Consult, error)
}

// PatientShort is a patient as the application API writes him on every screen.
type PatientShort struct {
	ID        string `json:"id"`
	Family    string `json:"family"`
	Given     string `json:"given"`
	Name      string `json:"name"`
	Age       *int   `json:"age,omitempty"` // absent when the birth date is not known
	Sex       string `json:"sex"`
	BirthDate string `json:"birth_date"`
	MRN       string `json:"mrn"`
	Location  string `json:"location"` // bed, home, or "" when not admitted
}

// Short returns the patient as screens show him.
func Short(p census.Patient, now time.Time) PatientShort {
	s := PatientShort{ID: p.ID, Family: p.Family, Given: p.Given, Name: p.Name(), Sex: p.Sex, MRN: p.MRN}
	if years, ok := p.Age(now); ok {
		s.Age, s.BirthDate = &years, p.Birth.Format(time.DateOnly)
	}
	switch {
	case p.Bed != "":
		s.Location = "bed"
	case p.Home:
		s.Location = "home"
	}
	return s
}
