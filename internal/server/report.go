package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/paper"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/report"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// openReports builds the alarm reports over the book of alarms and the replays.
func (e *Engines) openReports() {
	e.Reports = report.New(report.Config{
		Book: e.db.Alarms(), Watched: e.watchedDays, Replay: e.Replays, InCharge: e.inCharge, Zone: time.Local, Now: time.Now,
	})
}

// heartSigns are the vital signs by which a patient counts as watched.
func heartSigns() []vigil.Metric {
	return []vigil.Metric{"heart-rate", "pulse-rate", "spo2", "respiratory-rate"}
}

// watchedDays returns the days on which patients had a vital sign. Of a unit these are the patients who lie there now; the
// report adds those who had an alarm there.
func (e *Engines) watchedDays(ctx context.Context, q report.Query) (map[vigil.Subject][]string, error) {
	out := map[vigil.Subject][]string{}
	buckets := 4 * (int(q.To.Sub(q.From)/(24*time.Hour)) + 1)
	for _, s := range e.Telemetry.Subjects(ctx) {
		if !s.IsPatient() || q.Unit != "" && e.Census.UnitOf(s) != q.Unit {
			continue
		}
		lines, err := e.Telemetry.Query(access.AsSystem(ctx, "report"), telemetry.Query{Subject: s, Metrics: heartSigns(), From: q.From, To: q.To, Points: buckets})
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			for _, p := range l.Points {
				out[s] = append(out[s], time.Unix(0, p.Time).In(time.Local).Format(time.DateOnly))
			}
		}
		slices.Sort(out[s])
		out[s] = slices.Compact(out[s])
	}
	return out, nil
}

// reportRoutes hands out alarm reports as files.
func (d *doors) reportRoutes(mux *http.ServeMux) {
	staff := []access.Role{access.Nurse, access.Physician, access.Engineer, access.Admin}
	d.api.Stream(mux, "GET /api/reports/alarms.pdf", staff, d.reportPDF)
	d.api.Stream(mux, "GET /api/reports/alarms.csv", staff, d.reportCSV)
}

// hidden says whether a file is asked for without names.
func hidden(r *http.Request) bool { return r.URL.Query().Get("names") == "no" }

func (d *doors) reportPDF(w http.ResponseWriter, r *http.Request) error {
	e, ctx := d.engines, r.Context()
	q, err := report.ParseQuery(r.URL.Query().Get, time.Now(), time.Local)
	if err != nil {
		return err
	}
	out, err := e.Reports.Make(ctx, q)
	if err != nil {
		return err
	}
	who, _ := access.From(ctx)
	if who.Clinical() {
		if out.Changes, err = e.Reports.Changes(ctx, q); err != nil && vigil.KindOf(err) != vigil.Unavailable {
			return err
		}
	}
	hide := hidden(r) || !who.Clinical()
	if hide {
		out.Hide()
	}
	var page bytes.Buffer
	err = paper.Alarms(&page, out, paper.Options{
		Hospital: d.api.Hospital(ctx), By: who.Name, At: time.Now(), Zone: time.Local, Hidden: hide, Name: e.nameOf,
		Unit: func(id string) string {
			if u, ok := e.Census.Unit(id); ok {
				return u.Name
			}
			return id
		},
	})
	if err != nil {
		return err
	}
	return d.file(w, r, q, file{"pdf", "application/pdf", page.Bytes()})
}

func (d *doors) reportCSV(w http.ResponseWriter, r *http.Request) error {
	q, err := report.ParseQuery(r.URL.Query().Get, time.Now(), time.Local)
	if err != nil {
		return err
	}
	var sheet bytes.Buffer
	if err := d.engines.Reports.WriteCSV(r.Context(), &sheet, q, report.Sheet{Hide: hidden(r), Name: d.engines.nameOf}); err != nil {
		return err
	}
	return d.file(w, r, q, file{"csv", "text/csv; charset=utf-8; header=present", sheet.Bytes()})
}

// file is what a browser keeps.
type file struct {
	ending, kind string
	body         []byte
}

// file puts on the audit trail that a report leaves the house, then hands it out.
func (d *doors) file(w http.ResponseWriter, r *http.Request, q report.Query, f file) error {
	detail := fmt.Sprintf("%s %s to %s, unit %q, names %t", f.ending, q.From.Format(time.RFC3339), q.To.Format(time.RFC3339), q.Unit, !hidden(r))
	if err := d.engines.Audit.Log(r.Context(), "report.alarms", "alarms", audit.OK, detail); err != nil {
		return err
	}
	name := "alarms-" + q.From.In(time.Local).Format(time.DateOnly) + "." + f.ending
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(f.body)))
	_, err := w.Write(f.body)
	if err != nil {
		d.engines.logger.Debug("report.write", "error", err) // the reader is gone
	}
	return nil
}

// nameOf is a patient's name as lists show it, the id of one who is not on record.
func (e *Engines) nameOf(s vigil.Subject) string {
	if p, ok := e.Census.Patient(s.ID()); ok && s.IsPatient() {
		return p.Name()
	}
	return s.ID()
}
