package webapi

import (
	"context"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

type itemView struct {
	ID        string          `json:"id"`
	Kind      vigil.AlarmKind `json:"kind"`
	Technical bool            `json:"technical"`
	Priority  vigil.Priority  `json:"priority"`
	Title     string          `json:"title"`
	Text      string          `json:"text"`
	SinceMS   int64           `json:"since_ms"`
	DueMS     int64           `json:"due_ms,omitempty"`
	Icon      string          `json:"icon"`
	Alarm     *alarmView      `json:"alarm,omitempty"`
	Link      string          `json:"link"`
	Actions   []string        `json:"actions"`
}

type attentionView struct {
	Open   []itemView `json:"open"`
	Coming []itemView `json:"coming"`
	NowMS  int64      `json:"now_ms"`
}

func (a *API) attention(c *call) (any, error) { return a.attentionOf(c.ctx, c.query("unit")) }

// attentionOf is the one queue: what is open, most urgent first, and what comes up.
func (a *API) attentionOf(ctx context.Context, unit string) (attentionView, error) {
	out := attentionView{Open: []itemView{}, Coming: []itemView{}, NowMS: a.cfg.Now().UnixMilli()}
	who, _ := access.From(ctx)
	open, err := a.cfg.Desk.Open(ctx, alarm.Filter{Unit: unit})
	if err != nil {
		return out, err
	}
	for _, al := range open {
		it := a.item(who, al)
		if (al.Kind == vigil.KindTask || al.Kind == vigil.KindNotice) && al.Onset.After(a.cfg.Now()) {
			it.DueMS = al.Onset.UnixMilli()
			out.Coming = append(out.Coming, it)
			continue
		}
		out.Open = append(out.Open, it)
	}
	return out, nil
}

func (a *API) item(who access.Principal, al vigil.Alarm) itemView {
	v := a.viewAlarm(who, al)
	it := itemView{ID: al.ID, Kind: al.Kind, Technical: al.Class == vigil.Technical, Priority: al.Priority, SinceMS: al.Raised.UnixMilli(), Icon: icon(al), Alarm: &v, Link: "/alert/" + al.ID}
	what := al.Title
	if v.ValueText != "" && al.Kind == vigil.KindAlarm && al.Class == vigil.Physiological {
		what = strings.TrimSpace(v.MetricLabel + " " + v.ValueText + " " + v.UnitLabel)
	}
	switch {
	case v.Bed != nil:
		it.Title = "Bed " + v.Bed.Label + " · " + what
	case v.Patient != nil:
		it.Title = v.Patient.Family + " · " + what
	default:
		it.Title = what
	}
	var parts []string
	if v.Patient != nil {
		parts = append(parts, v.Patient.Name)
	}
	if s := a.progress(al); s != "" {
		parts = append(parts, s)
	}
	it.Text = strings.Join(parts, " · ")
	it.Actions = []string{"open"}
	switch al.Kind {
	case vigil.KindAlarm:
		if al.AckedBy == "" {
			it.Actions = []string{"acknowledge", "open"}
		}
	case vigil.KindCall, vigil.KindTask:
		it.Actions = []string{"going", "open"}
	}
	return it
}

// progress says in a few words what is being done about it.
func (a *API) progress(al vigil.Alarm) string {
	if al.AckedBy != "" {
		return "acknowledged by " + al.AckedBy
	}
	if a.cfg.Now().Before(al.AudioPausedTil) {
		return "audio paused"
	}
	for i := len(al.History) - 1; i >= 0; i-- {
		if s := al.History[i]; s.What == "paged" {
			return text("paging %s, step %d of %d", s.Who, max(al.Step, 1), max(al.Steps, 1))
		}
	}
	return al.Text
}

func icon(al vigil.Alarm) string {
	switch {
	case al.Kind == vigil.KindCall:
		return "phone"
	case al.Kind == vigil.KindTask:
		return "pill"
	case al.Kind == vigil.KindNotice:
		return "info"
	case al.Class == vigil.Technical:
		return "wrench"
	}
	return "alarm"
}

func (a *API) alarms(c *call) (any, error) {
	if c.query("state") != "all" {
		open, err := a.cfg.Desk.Open(c.ctx, alarm.Filter{Unit: c.query("unit")})
		return a.viewAlarms(c.who, open), err
	}
	from, to, err := c.span(a.cfg.Now().Add(time.Second), 24*time.Hour)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Desk.List(c.ctx, alarm.Query{From: from, To: to})
	return a.viewAlarms(c.who, list), err
}

func (a *API) alarm(c *call) (any, error) {
	id, err := a.alarmID(c)
	if err != nil {
		return nil, err
	}
	al, err := a.cfg.Desk.Get(c.ctx, id)
	if err != nil {
		return nil, err
	}
	return a.viewAlarm(c.who, al), nil
}

// alarmID is the id that the path names. Links that leave the house name an alarm in a way that says nothing.
func (a *API) alarmID(c *call) (string, error) {
	id := c.r.PathValue("id")
	if !notify.IsShort(id) {
		return id, nil
	}
	open, err := a.cfg.Desk.Open(c.ctx, alarm.Filter{})
	if err != nil {
		return "", err
	}
	past, err := a.cfg.Desk.List(c.ctx, alarm.Query{From: a.cfg.Now().Add(-7 * 24 * time.Hour), Limit: 5000})
	if err != nil {
		return "", err
	}
	for _, al := range append(open, past...) {
		if notify.Short(al.ID) == id {
			return al.ID, nil
		}
	}
	return "", vigil.Errorf(vigil.NotFound, "webapi.alarm", "no alarm of the last week has this link")
}

func (a *API) act(c *call) (any, error) {
	var in struct {
		Reason string      `json:"reason"`
		Text   string      `json:"text"`
		Until  time.Time   `json:"until"`
		Truth  vigil.Truth `json:"truth"`

		Command string `json:"command"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	id, err := a.alarmID(c)
	if err != nil {
		return nil, err
	}
	al, err := a.cfg.Desk.Do(c.ctx, id, alarm.Action{Kind: c.r.PathValue("action"), Reason: in.Reason, Text: in.Text, Until: in.Until, Truth: in.Truth, Command: in.Command})
	if err != nil {
		return nil, err
	}
	return a.viewAlarm(c.who, al), nil
}

func (a *API) postCall(c *call) (any, error) {
	var in struct {
		Kind      string `json:"kind"`
		Text      string `json:"text"`
		PatientID string `json:"patient_id"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	subject := vigil.PatientSubject(in.PatientID)
	if c.who.Has(access.Patient) {
		subject = c.who.Subject
	}
	if err := access.CheckSubject(c.ctx, subject); err != nil {
		return nil, err
	}
	if _, ok := a.cfg.Census.Patient(subject.ID()); !ok && c.who.Subject != subject {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.calls", "no patient %q", subject.ID())
	}
	al, err := a.cfg.Desk.Call(c.ctx, alarm.CallRequest{Kind: in.Kind, Subject: subject, Unit: a.cfg.Census.UnitOf(subject), Text: in.Text})
	if err != nil {
		return nil, err
	}
	return a.viewAlarm(c.who, al), nil
}

type threadItem struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Initials string    `json:"initials"`
	Role     string    `json:"role,omitempty"`
	Text     string    `json:"text"`
	Kind     string    `json:"kind"`
}

const threadSystem = "urn:vigil:thread"

// thread is the team's conversation about a patient, kept as Communication records.
func (a *API) thread(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	page, err := a.cfg.Records.Search(c.ctx, "Communication", map[string][]string{"patient": {subject.ID()}, "category": {threadSystem + "|"}, "_sort": {"-_lastUpdated"}, "_count": {"100"}})
	if err != nil {
		return nil, err
	}
	out := []threadItem{}
	for i := len(page.Records) - 1; i >= 0; i-- {
		rec := page.Records[i]
		r, err := rec.Resource()
		if err != nil {
			return nil, err
		}
		it := threadItem{ID: rec.ID, At: rec.Updated, By: r.Str("sender.display"), Text: r.Str("payload.0.contentString"), Kind: r.Str("category.0.coding.0.code")}
		if s, ok := a.cfg.Census.Staff(strings.TrimPrefix(r.Str("sender.reference"), "Practitioner/")); ok {
			it.By, it.Initials, it.Role = s.Name, s.Initials, s.Role
		}
		out = append(out, it)
	}
	return out, nil
}

func (a *API) postThread(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	var in struct{ Text, Kind string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Text = strings.TrimSpace(in.Text); in.Text == "" || len(in.Text) > 4000 {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.thread", "a message has 1 to 4000 characters")
	}
	if in.Kind != "note" {
		in.Kind = "message"
	}
	r := fhir.New("Communication", "").With("status", "completed").With("subject", fhir.Ref(string(subject), "")).With("sent", fhir.Instant(a.cfg.Now())).
		With("category", []fhir.Resource{fhir.Concept("", fhir.Coding(threadSystem, in.Kind, ""))}).With("payload", []fhir.Resource{{"contentString": in.Text}})
	r = r.With("meta", fhir.Resource{"security": []fhir.Resource{{"system": record.SecuritySystem, "code": record.SecurityStaff}}})
	if c.who.Person != "" {
		r = r.With("sender", fhir.Ref(c.who.Person, c.who.Name))
	}
	if _, err := a.cfg.Records.Create(c.ctx, r); err != nil {
		return nil, err
	}
	return a.thread(c)
}
