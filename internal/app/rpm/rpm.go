// Package rpm is remote patient monitoring: who of the patients at home needs somebody today, and why.
//
// It reads what the house knows already (readings, alarms, dose events, care plans, messages) and puts it in order of
// risk, with the reasons in words. It watches no limits (engine/rule does), keeps nothing of its own and decides
// nothing: the level says whom to look at first. Start at RPM; how risk is counted is in risk.go.
package rpm

import (
	"context"
	"embed"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/score"
	"github.com/vigil-health/vigil/internal/fhir"
)

//go:embed README.md stories/*.story
var files embed.FS

// Config is what a hospital can set. Zero fields take the default.
type Config struct {
	SilentDays int            // a task is raised after so many days without a reading; 2
	Location   *time.Location // of days; time.Local
}

// RPM is the application.
type RPM struct {
	cfg   Config
	host  app.Host
	news2 *score.Table
}

// New returns the application.
func New(cfg Config) *RPM {
	if cfg.SilentDays <= 0 {
		cfg.SilentDays = 2
	}
	if cfg.Location == nil {
		cfg.Location = time.Local
	}
	return &RPM{cfg: cfg}
}

// App returns the table of contents.
func (a *RPM) App() app.App {
	return app.App{
		Name:    "rpm",
		Title:   "Remote monitoring",
		Icon:    "home",
		Records: []string{"CarePlan", "Communication", "Patient"},
		Files:   files,
		Config: []app.Setting{
			{Key: "silent_days", Value: strconv.Itoa(a.cfg.SilentDays), Text: "A task is raised after so many days without a reading."},
			{Key: "time_zone", Value: a.cfg.Location.String(), Text: "The time zone in which days begin and end; the machine's unless set."},
		},
		Pages: []app.Page{{Path: "/app/rpm", Title: "Remote monitoring", Icon: "home", Roles: app.Clinical()}},
		Start: a.start,
	}
}

func (a *RPM) start(ctx context.Context, h app.Host) error {
	a.host = h
	tables, err := catalog.Scores()
	if err != nil {
		return err
	}
	for _, def := range tables {
		if def.Key == "news2" {
			if a.news2, err = score.New(def); err != nil {
				return err
			}
		}
	}
	if a.news2 == nil {
		return vigil.Errorf(vigil.Internal, "rpm.start", "the catalogue has no table news2")
	}
	h.Handle("GET /panel", app.Clinical(), a.panel)
	h.Handle("POST /enrol", app.Clinical(), a.enrol)
	h.Handle("POST /contact", app.Clinical(), a.contact)
	h.Every("silence", time.Hour, a.lookForSilence)
	return a.lookForSilence(ctx)
}

// SystemProgramme is the code system of programmes in CarePlan.category.
const SystemProgramme = "urn:vigil:programme"

// plan is one patient's place in a programme.
type plan struct {
	Patient string
	Code    string
	Name    string
	Since   time.Time
	doc     fhir.Resource
}

// plans returns the active programme of each patient; of several, the newest.
func (a *RPM) plans(ctx context.Context) (map[string]plan, error) {
	out := map[string]plan{}
	params := url.Values{"category": {SystemProgramme + "|"}, "status": {"active"}, "_count": {"1000"}}
	for params != nil {
		page, err := a.host.Records.Search(ctx, "CarePlan", params)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			r, err := rec.Resource()
			if err != nil {
				return nil, err
			}
			p := plan{Patient: fhir.ParseReference(r.Str("subject.reference")).ID, Since: rec.Updated, doc: r}
			if low, _, ok := fhir.DateRange(r.Str("period.start")); ok {
				p.Since = time.UnixMicro(low)
			}
			for _, cat := range r.List("category") {
				for _, c := range cat.List("coding") {
					if c.Str("system") == SystemProgramme {
						p.Code, p.Name = c.Str("code"), c.Str("display")
					}
				}
			}
			if p.Name == "" {
				p.Name = title(p.Code)
			}
			if was, ok := out[p.Patient]; !ok || p.Since.After(was.Since) {
				out[p.Patient] = p
			}
		}
		params = page.Next
	}
	return out, nil
}

// programmes are those that a patient can be enrolled in; others that care plans name are shown too.
func programmes() []string { return []string{"copd", "diabetes", "heart-failure", "hypertension"} }

func title(code string) string {
	if code == "copd" {
		return "COPD"
	}
	s := strings.ReplaceAll(code, "-", " ")
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// enrol answers POST /enrol: the patient's care plan names the programme from now on.
func (a *RPM) enrol(ctx context.Context, r app.Request) (any, error) {
	var in struct {
		PatientID string `json:"patient_id"`
		Programme string `json:"programme"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if !slices.Contains(programmes(), in.Programme) {
		return nil, vigil.Errorf(vigil.Invalid, "rpm.enrol", "programme %q is not one of %s", in.Programme, strings.Join(programmes(), ", "))
	}
	if _, ok := a.host.Census.Patient(in.PatientID); !ok {
		return nil, vigil.Errorf(vigil.NotFound, "rpm.enrol", "no patient %q", in.PatientID)
	}
	all, err := a.plans(ctx)
	if err != nil {
		return nil, err
	}
	was, ok := all[in.PatientID]
	if ok && was.Code == in.Programme {
		return nil, nil
	}
	id := "programme-" + in.PatientID
	if !fhir.ValidID(id) {
		id = in.PatientID // ids are unique within their type
	}
	doc := fhir.New("CarePlan", id).With("intent", "plan").With("subject", fhir.Ref("Patient/"+in.PatientID, ""))
	if ok {
		doc = was.doc
	}
	doc = doc.With("status", "active").With("period", fhir.Period(a.host.Now(), time.Time{})).
		With("category", []fhir.Resource{fhir.Concept(title(in.Programme), fhir.Coding(SystemProgramme, in.Programme, title(in.Programme)))})
	_, err = a.host.Records.Update(ctx, doc, 0)
	return nil, err
}

// RuleSilent is the rule key of the task for a patient without readings.
const RuleSilent = "rpm-no-reading"

const day = 24 * time.Hour

// lookForSilence raises a task for each enrolled patient at home without a reading, one a day while it lasts, and ends
// it when a reading has come.
func (a *RPM) lookForSilence(ctx context.Context) error {
	plans, err := a.plans(ctx)
	if err != nil {
		return err
	}
	now, limit := a.host.Now(), time.Duration(a.cfg.SilentDays)*day
	for id, p := range plans {
		if who, ok := a.host.Census.Patient(id); !ok || !who.Home {
			continue
		}
		subject := vigil.PatientSubject(id)
		last, err := a.lastReading(ctx, subject)
		if err != nil {
			return err
		}
		since := last
		if since.IsZero() {
			since = p.Since
		}
		quiet := now.Sub(since)
		if quiet < limit {
			if err := a.endSilence(ctx, subject, now); err != nil {
				return err
			}
			continue
		}
		days := int(quiet / day)
		onset := since.Add(limit + time.Duration(days-a.cfg.SilentDays)*day)
		text := "no reading since enrolment"
		if !last.IsZero() {
			text = "last reading " + last.In(a.cfg.Location).Format("2 Jan 15:04")
		}
		_, err = a.host.Desk.Raise(ctx, vigil.Alarm{ID: alarm.ID(RuleSilent, subject, "", onset), Kind: vigil.KindTask, Priority: vigil.PriorityNone, Subject: subject,
			Rule: RuleSilent, Title: "No reading for " + count(days, "day"), Text: text, Onset: onset, Chain: "task"})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *RPM) endSilence(ctx context.Context, s vigil.Subject, now time.Time) error {
	open, err := a.host.Desk.Open(ctx, alarm.Filter{Subject: s})
	if err != nil {
		return err
	}
	for _, al := range open {
		if al.Rule == RuleSilent {
			if err := a.host.Desk.End(ctx, al.ID, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
