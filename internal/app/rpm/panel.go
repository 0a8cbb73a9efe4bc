package rpm

import (
	"cmp"
	"context"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

type panelView struct {
	Programmes []programmeView `json:"programmes"`
	Rows       []rowView       `json:"rows"`
}

type programmeView struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Patients int    `json:"patients"`
}

type rowView struct {
	Patient       app.PatientShort `json:"patient"`
	Programme     string           `json:"programme"`
	Risk          Risk             `json:"risk"`
	LastReadingMS int64            `json:"last_reading_ms,omitempty"`
	DaysSince     *int             `json:"days_since,omitempty"`
	ContactMS     int64            `json:"contact_ms,omitempty"`
	Adherence     *float64         `json:"adherence,omitempty"`
	Readings      []readingView    `json:"readings"`
	Alarms        int              `json:"alarms"`
}

type readingView struct {
	Metric       vigil.Metric `json:"metric"`
	Label        string       `json:"label"`
	ValueText    string       `json:"value_text"`
	Unit         string       `json:"unit"`
	Trend        string       `json:"trend"`
	BaselineText string       `json:"baseline_text,omitempty"`
	Spark        [][2]float64 `json:"spark"`
}

// reading is one line of the panel: the metric, the label, and the change that is worth an arrow.
type reading struct {
	metric, second vigil.Metric // second is written behind a stroke: 121/78
	label          string
	step           float64
}

func readings() []reading {
	return []reading{
		{"bp-systolic", "bp-diastolic", "Blood pressure", 10},
		{"heart-rate", "", "Heart rate", 10},
		{"spo2", "", "Oxygen", 2},
		{"weight", "", "Weight", 1},
		{"glucose", "", "Blood sugar", 30},
		{"glucose-interstitial", "", "Blood sugar", 30},
		{"peak-flow", "", "Peak flow", 40},
		{"temperature", "", "Temperature", 0.5},
	}
}

// isReading leaves out what speaks of the device and not of the patient.
func isReading(m vigil.Metric) bool {
	return !slices.Contains([]vigil.Metric{"battery", "battery-voltage", "signal", "inhaler-doses-left", "lead-impedance"}, m)
}

func (a *RPM) lastReading(ctx context.Context, s vigil.Subject) (last time.Time, err error) {
	values, err := a.host.Telemetry.Last(ctx, s)
	for _, v := range values {
		if isReading(v.Metric) && v.Time.After(last) {
			last = v.Time
		}
	}
	return last, err
}

// panel answers GET /panel?programme=: the patients at home, highest risk first.
func (a *RPM) panel(ctx context.Context, r app.Request) (any, error) {
	only := r.Query("programme")
	plans, err := a.plans(ctx)
	if err != nil {
		return nil, err
	}
	open, err := a.host.Desk.Open(ctx, alarm.Filter{})
	if err != nil {
		return nil, err
	}
	alarms := map[vigil.Subject][]vigil.Alarm{}
	for _, al := range open {
		if al.Kind == vigil.KindAlarm || al.Kind == vigil.KindCall {
			alarms[al.Subject] = append(alarms[al.Subject], al)
		}
	}
	out := panelView{Rows: []rowView{}}
	members := map[string]programmeView{}
	for _, code := range programmes() {
		members[code] = programmeView{ID: code, Name: title(code)}
	}
	for _, p := range a.host.Census.Patients("", "") {
		if !p.Home {
			continue
		}
		in := plans[p.ID]
		if in.Code != "" {
			v := members[in.Code]
			members[in.Code] = programmeView{in.Code, in.Name, v.Patients + 1}
		}
		if only != "" && in.Code != only {
			continue
		}
		row, err := a.row(ctx, p, alarms[vigil.PatientSubject(p.ID)])
		if err != nil {
			return nil, err
		}
		row.Programme = in.Code
		out.Rows = append(out.Rows, row)
	}
	for _, v := range members {
		out.Programmes = append(out.Programmes, v)
	}
	slices.SortFunc(out.Programmes, func(x, y programmeView) int { return cmp.Compare(x.ID, y.ID) })
	slices.SortStableFunc(out.Rows, func(x, y rowView) int {
		return cmp.Or(cmp.Compare(y.Risk.Score, x.Risk.Score), cmp.Compare(x.Patient.Name, y.Patient.Name))
	})
	return out, nil
}

func (a *RPM) row(ctx context.Context, p census.Patient, alarms []vigil.Alarm) (rowView, error) {
	now, subject := a.host.Now(), vigil.PatientSubject(p.ID)
	row := rowView{Patient: app.Short(p, now), Alarms: len(alarms), Readings: []readingView{}}
	facts := Facts{Alarms: alarms, Silent: -1}
	last, err := a.host.Telemetry.Last(ctx, subject)
	if err != nil {
		return row, err
	}
	for _, v := range last {
		if isReading(v.Metric) && v.Time.UnixMilli() > row.LastReadingMS {
			row.LastReadingMS = v.Time.UnixMilli()
			facts.Silent = max(now.Sub(v.Time), 0)
			days := int(facts.Silent / day)
			row.DaysSince = &days
		}
	}
	news2(a.news2, last, &facts, now)
	if row.Readings, err = a.readings(ctx, subject, last, &facts); err != nil {
		return row, err
	}
	y, m, d := now.In(a.cfg.Location).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, a.cfg.Location)
	events, err := a.host.Telemetry.Events(ctx, subject, []vigil.EventKind{"dose-dispensed", "dose-taken", "dose-missed"}, today.AddDate(0, 0, -30), today)
	if err != nil {
		return row, err
	}
	if ad := Adhere(events, today); ad.Days > 0 {
		share := float64(ad.Covered) / float64(ad.Days)
		row.Adherence, facts.Missed = &share, ad.Missed
	}
	row.Risk = Count(facts)
	row.ContactMS, err = a.lastContact(ctx, p.ID)
	return row, err
}

// readings draws the last week of what the patient has, and tells the facts of the systolic pressure.
func (a *RPM) readings(ctx context.Context, s vigil.Subject, last []telemetry.Value, f *Facts) ([]readingView, error) {
	out := []readingView{}
	newest := map[vigil.Metric]telemetry.Value{}
	for _, v := range last {
		if was, ok := newest[v.Metric]; !ok || v.Time.After(was.Time) {
			newest[v.Metric] = v
		}
	}
	now := a.host.Now()
	var metrics []vigil.Metric
	for _, r := range readings() {
		if _, ok := newest[r.metric]; ok {
			metrics = append(metrics, r.metric)
		}
	}
	if len(metrics) == 0 {
		return out, nil
	}
	lines, err := a.host.Telemetry.Query(ctx, telemetry.Query{Subject: s, Metrics: metrics, From: now.Add(-8 * day), To: now.Add(time.Second), Points: 96})
	if err != nil {
		return nil, err
	}
	for _, r := range readings() {
		v, ok := newest[r.metric]
		if !ok {
			continue
		}
		m, _ := coding.Lookup(r.metric)
		view := readingView{Metric: r.metric, Label: r.label, ValueText: number(v.Value, m.Decimals), Unit: m.Unit, Trend: "flat", Spark: [][2]float64{}}
		if w, ok := newest[r.second]; ok && r.second != "" {
			view.ValueText += "/" + number(w.Value, m.Decimals)
		}
		var week []float64 // two-hour means of the seven days before the last
		for _, l := range lines {
			for _, p := range l.Points {
				if l.Metric != r.metric {
					continue
				}
				view.Spark = append(view.Spark, [2]float64{float64(p.Time / 1e6), p.Mean})
				if p.Time < now.Add(-day).UnixNano() {
					week = append(week, p.Mean)
				}
			}
		}
		if usual, ok := Median(week); ok {
			view.Trend, view.BaselineText = trend(v.Value-usual, r.step), "own week "+number(usual, m.Decimals)
			if r.metric == "bp-systolic" && now.Sub(v.Time) < 2*day {
				f.Systolic, f.Usual = &v.Value, &usual
			}
		}
		out = append(out, view)
	}
	return out, nil
}

func trend(change, step float64) string {
	switch {
	case change >= step:
		return "up"
	case change <= -step:
		return "down"
	}
	return "flat"
}

func number(v float64, decimals int) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', decimals, 64)
}

// lastContact returns when staff last wrote or spoke to the patient, in Unix milliseconds, 0 when never. Notes among
// staff and what the patient wrote are no contact.
func (a *RPM) lastContact(ctx context.Context, patient string) (int64, error) {
	page, err := a.host.Records.Search(ctx, "Communication", url.Values{"patient": {patient}, "category": {"notification"}, "_sort": {"-sent"}, "_count": {"20"}})
	if err != nil {
		return 0, err
	}
	for _, rec := range page.Records {
		r, err := rec.Resource()
		if err != nil {
			return 0, err
		}
		low, _, ok := fhir.DateRange(r.Str("sent"))
		if ok && strings.HasPrefix(r.Str("sender.reference"), "Practitioner/") {
			return low / 1000, nil
		}
	}
	return 0, nil
}

const contactMax = 200 // patients written to at once

// contact answers POST /contact: one message to each patient, in his consult. Nobody is written to unless all are known.
func (a *RPM) contact(ctx context.Context, r app.Request) (any, error) {
	var in struct {
		PatientIDs []string `json:"patient_ids"`
		Text       string   `json:"text"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.PatientIDs) == 0 || len(in.PatientIDs) > contactMax {
		return nil, vigil.Errorf(vigil.Invalid, "rpm.contact", "a message goes to 1 to %d patients", contactMax)
	}
	if strings.TrimSpace(in.Text) == "" || len(in.Text) > 4000 {
		return nil, vigil.Errorf(vigil.Invalid, "rpm.contact", "a message has 1 to 4000 bytes")
	}
	slices.Sort(in.PatientIDs)
	in.PatientIDs = slices.Compact(in.PatientIDs)
	for _, id := range in.PatientIDs {
		if _, ok := a.host.Census.Patient(id); !ok {
			return nil, vigil.Errorf(vigil.NotFound, "rpm.contact", "no patient %q", id)
		}
	}
	for i, id := range in.PatientIDs {
		c, err := a.host.Consults.Open(ctx, consult.Request{Patient: vigil.PatientSubject(id)})
		if err == nil {
			_, err = a.host.Consults.Say(ctx, c.ID, consult.KindMessage, in.Text)
		}
		if err != nil {
			return nil, vigil.Errorf(vigil.KindOf(err), "rpm.contact", "%d of %d patients were written to: %w", i, len(in.PatientIDs), err)
		}
	}
	return nil, nil
}
