package webapi

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

type portalCard struct {
	Key    string       `json:"key"`
	Label  string       `json:"label"`
	Value  string       `json:"value"`
	Unit   string       `json:"unit,omitempty"`
	Text   string       `json:"text"`
	State  string       `json:"state"` // low, high, ok, unknown
	Spark  [][2]float64 `json:"spark"`
	TimeMS int64        `json:"time_ms"`
}

type calling struct {
	Consult  string `json:"consult"`
	Name     string `json:"name"`
	Initials string `json:"initials"`
	Text     string `json:"text"`
}

type portalView struct {
	Patient    patientShort `json:"patient"`
	Greeting   string       `json:"greeting"`
	DeviceText string       `json:"device_text"`
	Calling    *calling     `json:"calling,omitempty"`
	Cards      []portalCard `json:"cards"`
	Medicines  []Medicine   `json:"medicines"`
	Unread     int          `json:"messages_unread"`
	Consult    *consultView `json:"consult,omitempty"`
}

// cardPlan says which reading a card shows and in which plain words; the second metric joins a blood pressure.
type cardPlan struct {
	key, label, unit string
	metrics          []vigil.Metric
	second           map[vigil.Metric]vigil.Metric
	low, high        string
	usual            float64 // half width of the own range around the usual value
}

func cardPlans() []cardPlan {
	return []cardPlan{
		{"bp", "Blood pressure", "", []vigil.Metric{"bp-systolic", "art-systolic"}, map[vigil.Metric]vigil.Metric{"bp-systolic": "bp-diastolic", "art-systolic": "art-diastolic"}, "Lower than usual", "Higher than usual", 18},
		{"hr", "Heart rate", "per min", []vigil.Metric{"heart-rate", "pulse-rate"}, nil, "Slower than usual", "Faster than usual", 15},
		{"oxygen", "Oxygen", "%", []vigil.Metric{"spo2"}, nil, "Lower than usual", "Higher than usual", 3},
		{"temperature", "Temperature", "°C", []vigil.Metric{"temperature"}, nil, "Lower than usual", "Higher than usual", 0.8},
		{"glucose", "Blood sugar", "mg/dL", []vigil.Metric{"glucose-interstitial", "glucose"}, nil, "Lower than usual", "Higher than usual", 50},
		{"weight", "Weight", "kg", []vigil.Metric{"weight"}, nil, "Less than usual", "More than usual", 2},
	}
}

func (a *API) portal(c *call) (any, error) {
	subject := c.who.Subject
	p, ok := a.cfg.Census.Patient(subject.ID())
	if !ok {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.portal", "there is no record of you yet; your clinic will make it")
	}
	v := portalView{Patient: a.short(p), Greeting: p.Given, Cards: []portalCard{}, Medicines: []Medicine{}}
	var err error
	if v.Cards, v.DeviceText, err = a.cards(c.ctx, subject); err != nil {
		return nil, err
	}
	if a.cfg.Portal != nil {
		if v.Medicines, err = a.cfg.Portal(c.ctx, p.ID); err != nil {
			return nil, err
		}
	}
	if v.Consult, err = a.openConsultOf(c.ctx, p.ID); err != nil {
		return nil, err
	}
	if v.Consult != nil {
		if v.Consult.State == "ringing" {
			v.Calling = &calling{v.Consult.ID, v.Consult.Clinician.Name, v.Consult.Clinician.Initials, a.plainReason(v.Cards)}
		}
		for i := len(v.Consult.Messages) - 1; i >= 0 && !v.Consult.Messages[i].Mine; i-- {
			v.Unread++
		}
	}
	return v, nil
}

// plainReason is what the patient reads while the physician calls.
func (a *API) plainReason(cards []portalCard) string {
	for _, c := range cards {
		switch {
		case c.Key == "bp" && c.State == "low":
			return "Your blood pressure is low. Please sit down."
		case c.State == "low" || c.State == "high":
			return "Your " + strings.ToLower(c.Label) + " is " + strings.ToLower(c.Text) + "."
		}
	}
	return "Tap to talk."
}

// cards shows each reading beside the patient's own usual, the median of the last seven days.
func (a *API) cards(ctx context.Context, s vigil.Subject) ([]portalCard, string, error) {
	values, err := a.cfg.Telemetry.Last(ctx, s)
	if err != nil {
		return nil, "", err
	}
	newest := map[vigil.Metric]telemetry.Value{}
	var last telemetry.Value
	for _, v := range values {
		if old, ok := newest[v.Metric]; !ok || v.Time.After(old.Time) {
			newest[v.Metric] = v
		}
		if v.Time.After(last.Time) {
			last = v
		}
	}
	now := a.cfg.Now()
	out := []portalCard{}
	for _, plan := range cardPlans() {
		for _, metric := range plan.metrics {
			v, ok := newest[metric]
			if !ok || now.Sub(v.Time) > 30*24*time.Hour {
				continue
			}
			card, err := a.card(ctx, s, plan, v)
			if err != nil {
				return nil, "", err
			}
			if two, ok := newest[plan.second[metric]]; ok && card.Value != "–" {
				card.Value += "/" + formatValue(two)
			}
			out = append(out, card)
			break
		}
	}
	return out, a.deviceText(last, now), nil
}

func (a *API) deviceText(last telemetry.Value, now time.Time) string {
	if last.Time.IsZero() {
		return "No readings yet."
	}
	name := "device"
	if d, ok := a.cfg.Devices.Lookup(last.Device); ok {
		if p := a.cfg.Profiles[d.Profile]; p != nil && p.Kind == "wearable" {
			name = strings.ToLower(strings.TrimPrefix(p.Title, "Smart "))
		}
	}
	age := now.Sub(last.Time)
	switch {
	case age < time.Minute:
		return "Your " + name + " is sending readings now."
	case age < 2*time.Minute:
		return "Your " + name + " sent a reading 1 minute ago."
	case age < time.Hour:
		return fmt.Sprintf("Your %s sent a reading %d minutes ago.", name, int(age.Minutes()))
	}
	return "Your " + name + " has not sent a reading since " + last.Time.Format("15:04") + "."
}

func formatValue(v telemetry.Value) string {
	m, _ := coding.Lookup(v.Metric)
	return strconv.FormatFloat(v.Value, 'f', m.Decimals, 64)
}

func (a *API) card(ctx context.Context, s vigil.Subject, plan cardPlan, v telemetry.Value) (portalCard, error) {
	now := a.cfg.Now()
	card := portalCard{Key: plan.key, Label: plan.label, Value: formatValue(v), Unit: plan.unit, State: "unknown", Text: "", Spark: [][2]float64{}, TimeMS: v.Time.UnixMilli()}
	recent, err := a.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: s, Metrics: []vigil.Metric{v.Metric}, From: now.Add(-6 * time.Hour), To: now, Points: 24})
	if err != nil {
		return card, err
	}
	for _, l := range recent {
		for _, p := range l.Points {
			card.Spark = append(card.Spark, [2]float64{float64(p.Time / 1e6), round(p.Mean, 1)})
		}
	}
	m, _ := coding.Lookup(v.Metric)
	if now.Sub(v.Time) > max(m.MaxAge, 10*time.Minute) {
		card.Value, card.Text = "–", "Last reading "+v.Time.Format("Mon 15:04")
		return card, nil
	}
	week, err := a.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: s, Metrics: []vigil.Metric{v.Metric}, From: now.Add(-7 * 24 * time.Hour), To: now, Points: 168})
	if err != nil {
		return card, err
	}
	usual := medianOf(week)
	switch {
	case math.IsNaN(usual):
		card.Text = "We are learning your usual."
	case v.Value < usual-plan.usual:
		card.State, card.Text = "low", plan.low
	case v.Value > usual+plan.usual:
		card.State, card.Text = "high", plan.high
	default:
		card.State, card.Text = "ok", "In your range"
	}
	return card, nil
}

func medianOf(lines []telemetry.Line) float64 {
	var all []float64
	for _, l := range lines {
		for _, p := range l.Points {
			all = append(all, p.Mean)
		}
	}
	if len(all) < 3 {
		return math.NaN()
	}
	return median(all)
}

func (a *API) portalReadings(c *call) (any, error) {
	days, err := c.number("days", 7, 1, 366)
	if err != nil {
		return nil, err
	}
	metric := vigil.Metric(c.query("metric"))
	if _, ok := coding.Lookup(metric); !ok {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.readings", "%q is not in the metric catalogue", metric)
	}
	now := a.cfg.Now()
	v, err := a.trendOf(c.ctx, telemetry.Query{Subject: c.who.Subject, Metrics: []vigil.Metric{metric}, From: now.AddDate(0, 0, -days), To: now, Points: 300})
	if err != nil {
		return nil, err
	}
	v.Events = []trendEvent{} // alarms are the staff's words, not the patient's
	return v, nil
}

func (a *API) portalTaken(c *call) (any, error) {
	if a.cfg.Taken == nil {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.medicines", "medicines are not kept here")
	}
	if err := a.cfg.Taken(c.ctx, c.who.Subject.ID(), c.r.PathValue("id")); err != nil {
		return nil, err
	}
	return a.cfg.Portal(c.ctx, c.who.Subject.ID())
}

// portalFamily lists with whom the patient shares, from RelatedPerson and the consents that name them.
func (a *API) portalFamily(c *call) (any, error) {
	type view struct {
		Name     string   `json:"name"`
		Relation string   `json:"relation"`
		Sees     []string `json:"sees"`
	}
	page, err := a.cfg.Records.Search(c.ctx, "RelatedPerson", url.Values{"patient": {c.who.Subject.ID()}})
	if err != nil {
		return nil, err
	}
	out := []view{}
	for _, rec := range page.Records {
		r, err := rec.Resource()
		if err != nil {
			return nil, err
		}
		out = append(out, view{strings.TrimSpace(r.Str("name.0.given.0") + " " + r.Str("name.0.family")), r.Str("relationship.0.text"), []string{}})
	}
	return out, nil
}
