package webapi

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/score"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// patientShort is the patient as every screen shows him.
type patientShort = app.PatientShort

func (a *API) short(p census.Patient) patientShort { return app.Short(p, a.cfg.Now()) }

type personView struct {
	ID       string `json:"id,omitempty"`
	Initials string `json:"initials"`
	Name     string `json:"name"`
	Role     string `json:"role,omitempty"`
}

func (a *API) person(id string) *personView {
	s, ok := a.cfg.Census.Staff(id)
	if !ok {
		return nil
	}
	return &personView{s.ID, s.Initials, s.Name, s.Role}
}

type numberView struct {
	Metric      vigil.Metric   `json:"metric"`
	Label       string         `json:"label"`
	Unit        string         `json:"unit"`
	Value       *float64       `json:"value"`
	TimeMS      int64          `json:"time_ms"`
	MaxAgeMS    int64          `json:"max_age_ms"`
	Decimals    int            `json:"decimals"`
	Device      vigil.DeviceID `json:"device"`
	Source      string         `json:"source,omitempty"`
	StaleReason string         `json:"stale_reason,omitempty"`
	Simulated   bool           `json:"simulated,omitempty"`
	Low         *float64       `json:"low,omitempty"`
	High        *float64       `json:"high,omitempty"`
}

// numbersOf returns the newest value of each metric of a subject, whichever device said it, in catalogue order.
func (a *API) numbersOf(ctx context.Context, s vigil.Subject) ([]numberView, error) {
	values, err := a.cfg.Telemetry.Last(ctx, s)
	if err != nil {
		return nil, err
	}
	newest := map[vigil.Metric]telemetry.Value{}
	for _, v := range values {
		if old, ok := newest[v.Metric]; !ok || v.Time.After(old.Time) {
			newest[v.Metric] = v
		}
	}
	limits := map[vigil.Metric]rule.LimitView{}
	if s.IsPatient() {
		list, err := a.cfg.Rules.LimitsOf(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			limits[l.Metric] = l
		}
	}
	out := make([]numberView, 0, len(newest))
	for _, v := range newest {
		out = append(out, a.number(v, limits))
	}
	sort.Slice(out, func(i, j int) bool { return metricOrder(out[i].Metric) < metricOrder(out[j].Metric) })
	return out, nil
}

// limitTwins lets the limits of one site of measurement stand for the other, as the rules do.
func limitOf(m vigil.Metric, limits map[vigil.Metric]rule.LimitView) rule.LimitView {
	twins := map[vigil.Metric]vigil.Metric{"art-mean": "bp-mean", "bp-mean": "art-mean", "art-systolic": "bp-systolic", "bp-systolic": "art-systolic", "pulse-rate": "heart-rate"}
	if l, ok := limits[m]; ok {
		return l
	}
	return limits[twins[m]]
}

func (a *API) number(v telemetry.Value, limits map[vigil.Metric]rule.LimitView) numberView {
	m, _ := coding.Lookup(v.Metric)
	l := limitOf(v.Metric, limits)
	n := numberView{
		Metric: v.Metric, Label: m.Label, Unit: m.Unit, Value: &v.Value, TimeMS: v.Time.UnixMilli(), MaxAgeMS: m.MaxAge.Milliseconds(), Decimals: m.Decimals,
		Device: v.Device, Simulated: v.Quality&vigil.QualitySimulated != 0, Low: l.Low, High: l.High,
	}
	switch v.Metric {
	case "art-systolic", "art-diastolic", "art-mean":
		n.Source = "ART"
	case "bp-systolic", "bp-diastolic", "bp-mean":
		n.Source = "NIBP"
	}
	if age := a.cfg.Now().Sub(v.Time); age > m.MaxAge {
		n.StaleReason = a.staleReason(v.Device)
	}
	return n
}

// staleReason names the likely cause of an old value.
func (a *API) staleReason(id vigil.DeviceID) string {
	d, ok := a.cfg.Devices.Lookup(id)
	if !ok {
		return "the device is not registered any more"
	}
	last := d.Health().LastSeen
	switch {
	case last.IsZero():
		return d.Name + " has not spoken since the server started"
	case a.cfg.Now().Sub(last) > time.Minute:
		return "check " + d.Name + ", silent since " + last.Format("15:04")
	}
	return d.Name + " does not measure it now"
}

func metricOrder(k vigil.Metric) int {
	m, _ := coding.Lookup(k)
	return int(m.Num)
}

type scoreView struct {
	Total   *int        `json:"total"`
	Band    string      `json:"band"`
	Parts   []scorePart `json:"parts"`
	Missing []string    `json:"missing"`
	TimeMS  int64       `json:"time_ms"`
}

type scorePart struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Score *int   `json:"score"`
}

func viewScore(r score.Result) *scoreView {
	v := &scoreView{Total: r.Total, Band: r.Band, Parts: []scorePart{}, Missing: append([]string{}, r.Missing...), TimeMS: r.Time.UnixMilli()}
	for _, p := range r.Parts {
		v.Parts = append(v.Parts, scorePart{p.Key, p.Label, p.Score})
	}
	if v.Total == nil {
		v.Band = "incomplete"
	}
	return v
}

// scoresOf are all that are made for the patient's age, with what each lacks and where it comes from.
func (a *API) scoresOf(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	return a.cfg.Rules.Scores(c.ctx, subject)
}

type bedRef struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Unit  string `json:"unit,omitempty"`
}

type alarmView struct {
	vigil.Alarm
	Patient     *patientShort `json:"patient,omitempty"`
	Bed         *bedRef       `json:"bed,omitempty"`
	ValueText   string        `json:"value_text"`
	LimitText   string        `json:"limit_text"`
	MetricLabel string        `json:"metric_label"`
	UnitLabel   string        `json:"unit_label"`
}

// viewAlarm shows an alarm to one reader. Who may not see charts learns which device at which bed it is about.
func (a *API) viewAlarm(who access.Principal, al vigil.Alarm) alarmView {
	hidden := al.Subject.IsPatient() && !who.Clinical() && who.Subject != al.Subject
	if hidden {
		if al.Metric != "battery" && al.Metric != "signal" {
			al.Value, al.Limit = 0, 0
		}
		if ev := al.Evidence; ev != nil { // its lines and facts are what else was measured
			al.Evidence = &vigil.Evidence{Sentence: ev.Sentence, Lines: []vigil.EvidenceLine{}, Delay: ev.Delay, Quality: ev.Quality}
		}
	}
	v := alarmView{Alarm: al}
	if al.History == nil {
		v.History = []vigil.AlarmStep{}
	}
	if p, ok := a.cfg.Census.Patient(al.Subject.ID()); ok && al.Subject.IsPatient() {
		if !hidden {
			s := a.short(p)
			v.Patient = &s
		}
		if b, ok := a.cfg.Census.Bed(p.Bed); ok {
			u, _ := a.cfg.Census.Unit(b.Unit)
			v.Bed = &bedRef{b.ID, b.Label, u.Name}
		}
	}
	if m, ok := coding.Lookup(al.Metric); ok && al.Metric != "" {
		v.MetricLabel, v.UnitLabel = m.Label, m.Unit
		if al.Class != vigil.Technical || al.Limit != 0 {
			v.ValueText = strconv.FormatFloat(al.Value, 'f', m.Decimals, 64)
			v.LimitText = strconv.FormatFloat(al.Limit, 'f', m.Decimals, 64)
		}
	}
	return v
}

func (a *API) viewAlarms(who access.Principal, list []vigil.Alarm) []alarmView {
	out := make([]alarmView, 0, len(list))
	for _, al := range list {
		out = append(out, a.viewAlarm(who, al))
	}
	return out
}

// wavesOf returns the waveforms that a subject sends now, ECG first.
func (a *API) wavesOf(ctx context.Context, s vigil.Subject) []vigil.Metric {
	out := []vigil.Metric{}
	infos, err := a.cfg.Telemetry.Waveforms(ctx, s)
	if err != nil {
		return out
	}
	for _, w := range infos {
		if a.cfg.Now().Sub(w.End) < 10*time.Minute && !slices.Contains(out, w.Metric) {
			out = append(out, w.Metric)
		}
	}
	rank := map[vigil.Metric]int{"ecg-ii": 1, "ecg-patch": 2, "art-wave": 3, "pleth": 4, "resp-wave": 5, "co2-wave": 6}
	sort.SliceStable(out, func(i, j int) bool { return orLast(rank[out[i]]) < orLast(rank[out[j]]) })
	return out
}

func orLast(r int) int {
	if r == 0 {
		return 99
	}
	return r
}

func day(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return fmt.Sprintf("Day %d", int(now.Sub(since).Hours()/24)+1)
}
