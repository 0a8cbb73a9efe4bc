package webapi

import (
	"math"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

type foundPatient struct {
	patientShort
	Bed  *bedRef `json:"bed,omitempty"`
	Unit string  `json:"unit,omitempty"`
}

func (a *API) patients(c *call) (any, error) {
	out := []foundPatient{}
	for _, p := range a.cfg.Census.Patients(c.query("unit"), c.query("q")) {
		f := foundPatient{patientShort: a.short(p)}
		if u, ok := a.cfg.Census.Unit(p.Unit); ok {
			f.Unit = u.Name
		}
		if b, ok := a.cfg.Census.Bed(p.Bed); ok {
			f.Bed = &bedRef{ID: b.ID, Label: b.Label, Unit: f.Unit}
		}
		if out = append(out, f); len(out) == 200 {
			break
		}
	}
	return out, nil
}

// who returns the patient of the path.
func (a *API) who(c *call) (census.Patient, vigil.Subject, error) {
	id := c.r.PathValue("id")
	p, ok := a.cfg.Census.Patient(id)
	if !ok {
		return p, "", vigil.Errorf(vigil.NotFound, "webapi.patient", "no patient %q", id)
	}
	return p, vigil.PatientSubject(id), nil
}

type allergyView struct {
	Text     string `json:"text"`
	Severity string `json:"severity"`
}

type wasScore struct {
	Total  int   `json:"total"`
	TimeMS int64 `json:"time_ms"`
}

type patientView struct {
	patientShort
	WeightKG   float64           `json:"weight_kg,omitempty"`
	Day        string            `json:"day,omitempty"`
	Allergies  []allergyView     `json:"allergies"`
	CodeStatus string            `json:"code_status,omitempty"`
	Problems   []string          `json:"problems"`
	Isolation  string            `json:"isolation,omitempty"`
	NEWS2      *scoreView        `json:"news2,omitempty"`
	NEWS2Was   *wasScore         `json:"news2_was,omitempty"`
	Bed        *bedRef           `json:"bed,omitempty"`
	Unit       map[string]string `json:"unit,omitempty"`
	Devices    []deviceView      `json:"devices"`
	Nurse      *personView       `json:"nurse,omitempty"`
	Physician  *personView       `json:"physician,omitempty"`
	Running    []string          `json:"running"`
	Alarms     []alarmView       `json:"alarms"`
	Waves      []vigil.Metric    `json:"waves"`
	Consult    *consultView      `json:"consult,omitempty"`
}

func (a *API) patient(c *call) (any, error) {
	p, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	open, err := a.cfg.Desk.Open(c.ctx, alarm.Filter{Subject: subject})
	if err != nil {
		return nil, err
	}
	if a.cfg.Opened != nil {
		a.cfg.Opened(c.ctx, p.ID)
	}
	v := patientView{
		patientShort: a.short(p), WeightKG: p.Weight, Day: day(p.Since, a.cfg.Now()), Allergies: []allergyView{}, CodeStatus: p.CodeStatus,
		Problems: append([]string{}, p.Problems...), Isolation: p.Isolation, Devices: a.devicesOf(subject), Nurse: a.person(p.Nurse), Physician: a.person(p.Physician),
		Running: append([]string{}, p.Running...), Alarms: a.viewAlarms(c.who, open), Waves: a.wavesOf(c.ctx, subject),
	}
	for _, al := range p.Allergies {
		severity := "low"
		if al.High {
			severity = "high"
		}
		v.Allergies = append(v.Allergies, allergyView{al.Text, severity})
	}
	if u, ok := a.cfg.Census.Unit(p.Unit); ok {
		v.Unit = map[string]string{"id": u.ID, "name": u.Name}
		if b, ok := a.cfg.Census.Bed(p.Bed); ok {
			v.Bed = &bedRef{b.ID, b.Label, u.Name}
		}
	}
	if r, ok := a.cfg.Rules.ScoreOf(subject); ok {
		v.NEWS2 = viewScore(r)
	}
	v.NEWS2Was = a.scoreWas(c, subject)
	v.Consult, err = a.openConsultOf(c.ctx, p.ID)
	return v, err
}

// scoreWas returns the score of this morning, or of six hours ago when there was none.
func (a *API) scoreWas(c *call, subject vigil.Subject) *wasScore {
	now := a.cfg.Now()
	at := now.Add(-6 * time.Hour)
	list, err := a.cfg.Rules.ScoreHistory(c.ctx, "news2", telemetry.Query{Subject: subject, From: at, To: at.Add(4 * time.Hour)}, 30*time.Minute)
	if err != nil {
		return nil
	}
	for _, r := range list {
		if r.Total != nil {
			return &wasScore{*r.Total, r.Time.UnixMilli()}
		}
	}
	return nil
}

func (a *API) numbers(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	return a.numbersOf(c.ctx, subject)
}

func (a *API) patientAlarms(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	from, to, err := c.span(a.cfg.Now().Add(time.Second), 7*24*time.Hour)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Desk.List(c.ctx, alarm.Query{Subject: subject, From: from, To: to})
	return a.viewAlarms(c.who, list), err
}

type histogram struct {
	From   float64 `json:"from"`
	Step   float64 `json:"step"`
	Counts []int   `json:"counts"`
}

type limitView struct {
	rule.LimitView
	Histogram histogram `json:"histogram"`
}

func (a *API) limits(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Rules.LimitsOf(c.ctx, subject)
	if err != nil {
		return nil, err
	}
	now := a.cfg.Now()
	lines, err := a.cfg.Telemetry.Query(c.ctx, telemetry.Query{Subject: subject, From: now.Add(-24 * time.Hour), To: now, Points: 1440})
	if err != nil {
		return nil, err
	}
	out := []limitView{}
	for _, l := range list {
		v := limitView{LimitView: l, Histogram: histogram{Counts: []int{}}}
		for _, line := range lines {
			if line.Metric == l.Metric || limitTwin(l.Metric) == line.Metric {
				v.Histogram = newHistogram(line)
			}
		}
		out = append(out, v)
	}
	return out, nil
}

func limitTwin(m vigil.Metric) vigil.Metric {
	if s, ok := strings.CutPrefix(string(m), "bp-"); ok {
		return vigil.Metric("art-" + s)
	}
	if s, ok := strings.CutPrefix(string(m), "art-"); ok {
		return vigil.Metric("bp-" + s)
	}
	return ""
}

// newHistogram counts the minutes of a day in at most 40 bars of a round width.
func newHistogram(l telemetry.Line) histogram {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range l.Points {
		low, high = min(low, p.Mean), max(high, p.Mean)
	}
	if low > high {
		return histogram{Counts: []int{}}
	}
	step := 1.0
	if m, ok := coding.Lookup(l.Metric); ok && m.Decimals > 0 {
		step = 0.1
	}
	for (high-low)/step > 40 {
		step *= 2
	}
	from := math.Floor(low/step) * step
	h := histogram{From: from, Step: step, Counts: make([]int, int((high-from)/step)+1)}
	for _, p := range l.Points {
		h.Counts[min(len(h.Counts)-1, int((p.Mean-from)/step))] += max(p.Count, 1)
	}
	return h
}

func (a *API) setLimits(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	var in []struct {
		Metric vigil.Metric `json:"metric"`
		Low    *float64     `json:"low"`
		High   *float64     `json:"high"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	set := map[vigil.Metric]vigil.Limit{}
	for _, l := range in {
		set[l.Metric] = vigil.Limit{Low: l.Low, High: l.High}
	}
	if err := a.cfg.Rules.SetLimits(c.ctx, subject, set); err != nil {
		return nil, err
	}
	return a.limits(c)
}

func (a *API) estimate(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	var other vigil.Limit
	for key, side := range map[string]**float64{"low": &other.Low, "high": &other.High} {
		if s := c.query(key); s != "" {
			v, err := parseFloat(key, s)
			if err != nil {
				return nil, err
			}
			*side = &v
		}
	}
	now, would, err := a.cfg.Rules.Estimate(c.ctx, subject, vigil.Metric(c.query("metric")), other)
	return map[string]int{"hours": 24, "now": now, "would": would}, err
}

type recordItem struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Title  string `json:"title"`
	Text   string `json:"text"`
	Time   string `json:"time"`
	Source string `json:"source"`
}

// patientRecord lists what is on record in reading order: warnings, problems, medicines, then what happened, newest first.
func (a *API) patientRecord(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	out := []recordItem{}
	for _, typ := range []string{"AllergyIntolerance", "Condition", "Flag", "MedicationRequest", "MedicationAdministration", "CarePlan", "Encounter", "Observation", "Communication"} {
		page, err := a.cfg.Records.Search(c.ctx, typ, url.Values{"patient": {subject.ID()}, "_count": {"200"}})
		if err != nil {
			return nil, err
		}
		group := []recordItem{}
		for _, rec := range page.Records {
			r, err := rec.Resource()
			if err != nil {
				return nil, err
			}
			it := recordItem{Type: typ, ID: rec.ID, Title: firstOf(r.Str("code.text"), r.Str("medicationCodeableConcept.text"), r.Str("category.0.coding.0.code"), r.Str("class.code"), typ), Time: rec.Updated.Format(time.RFC3339), Source: firstOf(r.Str("meta.source"), "Vigil")}
			it.Text = firstOf(r.Str("payload.0.contentString"), r.Str("dosageInstruction.0.text"), strings.TrimSpace(r.Str("valueQuantity.value")+" "+r.Str("valueQuantity.unit")), r.Str("status"))
			group = append(group, it)
		}
		sort.SliceStable(group, func(i, j int) bool { return group[i].Time > group[j].Time })
		out = append(out, group...)
	}
	return out, nil
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
