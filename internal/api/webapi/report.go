package webapi

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/report"
)

// reportRoutes are the alarm report and the changes that would have helped. The report itself asks who leads a unit.
func (a *API) reportRoutes(staff, clinical []access.Role) []route {
	return []route{
		{"GET /api/reports/alarms", staff, a.alarmReport},
		{"GET /api/reports/alarms/changes", clinical, a.alarmChanges},
	}
}

// reportView is a report with the names of whom it speaks.
type reportView struct {
	*report.Report
	People map[vigil.Subject]patientShort `json:"people"`
}

func (a *API) reportQuery(c *call) (report.Query, error) {
	return report.ParseQuery(c.query, a.cfg.Now(), time.Local)
}

func (a *API) alarmReport(c *call) (any, error) {
	q, err := a.reportQuery(c)
	if err != nil {
		return nil, err
	}
	r, err := a.cfg.Reports.Make(c.ctx, q)
	if err != nil {
		return nil, err
	}
	out := reportView{r, map[vigil.Subject]patientShort{}}
	for _, p := range r.Worst {
		a.addPerson(out.People, p.Subject)
	}
	a.addPerson(out.People, r.Load.WorstSubject)
	return out, nil
}

func (a *API) alarmChanges(c *call) (any, error) {
	q, err := a.reportQuery(c)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Reports.Changes(c.ctx, q)
	if err != nil {
		return nil, err
	}
	people := map[vigil.Subject]patientShort{}
	for _, s := range list {
		a.addPerson(people, s.Subject)
	}
	return map[string]any{"changes": list, "people": people}, nil
}

func (a *API) addPerson(to map[vigil.Subject]patientShort, s vigil.Subject) {
	if p, ok := a.cfg.Census.Patient(s.ID()); ok && s.IsPatient() {
		to[s] = a.short(p)
	}
}
