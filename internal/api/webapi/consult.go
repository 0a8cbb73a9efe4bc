package webapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/consult"
)

type consultMessage struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Name     string    `json:"name"`
	Initials string    `json:"initials"`
	Text     string    `json:"text"`
	Mine     bool      `json:"mine"`
}

type consultView struct {
	ID        string           `json:"id"`
	Patient   patientShort     `json:"patient"`
	Clinician personView       `json:"clinician"`
	Alarm     string           `json:"alarm,omitempty"`
	State     consult.State    `json:"state"`
	OpenedAt  time.Time        `json:"opened_at"`
	Joined    []consult.Joined `json:"joined"`
	Messages  []consultMessage `json:"messages"`
	Note      string           `json:"note,omitempty"`
	Action    string           `json:"action,omitempty"`
}

// viewConsult shows a consult to one reader.
func (a *API) viewConsult(who access.Principal, co consult.Consult) *consultView {
	v := &consultView{
		ID: co.ID, Clinician: personView{ID: co.Clinician.ID, Initials: co.Clinician.Initials, Name: co.Clinician.Name}, Alarm: co.Alarm, State: co.State,
		OpenedAt: co.Opened, Joined: append([]consult.Joined{}, co.Joined...), Messages: []consultMessage{}, Note: co.Note, Action: co.Action,
	}
	if p, ok := a.cfg.Census.Patient(co.Patient.ID()); ok {
		v.Patient = a.short(p)
	}
	for _, m := range co.Messages {
		if m.Kind == consult.KindSystem {
			continue
		}
		v.Messages = append(v.Messages, consultMessage{m.ID, m.At, m.By.ID, m.By.Name, m.By.Initials, m.Text, m.By.ID == who.ID})
	}
	return v
}

// openConsultOf returns the open consult of a patient as the principal of ctx may see it, nil when there is none.
func (a *API) openConsultOf(ctx context.Context, patient string) (*consultView, error) {
	co, err := a.cfg.Consults.Current(ctx, vigil.PatientSubject(patient))
	if vigil.KindOf(err) == vigil.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	who, _ := access.From(ctx)
	return a.viewConsult(who, co), nil
}

func (a *API) openConsult(c *call) (any, error) {
	var in struct {
		PatientID string `json:"patient_id"`
		Alarm     string `json:"alarm"`
		Video     bool   `json:"video"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if _, ok := a.cfg.Census.Patient(in.PatientID); !ok {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.consult", "no patient %q", in.PatientID)
	}
	if in.Alarm == "" {
		if open, err := a.cfg.Desk.Open(c.ctx, alarm.Filter{Subject: vigil.PatientSubject(in.PatientID)}); err == nil && len(open) > 0 {
			in.Alarm = open[0].ID
		}
	}
	co, err := a.cfg.Consults.Open(c.ctx, consult.Request{Patient: vigil.PatientSubject(in.PatientID), Alarm: in.Alarm, Video: in.Video})
	return a.answerConsult(c, co, err)
}

func (a *API) answerConsult(c *call, co consult.Consult, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return a.viewConsult(c.who, co), nil
}

func (a *API) consults(c *call) (any, error) {
	patient := c.query("patient_id")
	if c.who.Has(access.Patient) {
		patient = c.who.Subject.ID()
	}
	list, err := a.cfg.Consults.List(c.ctx, vigil.PatientSubject(patient))
	out := []*consultView{}
	for _, co := range list {
		out = append(out, a.viewConsult(c.who, co))
	}
	return out, err
}

func (a *API) consult(c *call) (any, error) {
	co, err := a.cfg.Consults.Get(c.ctx, c.r.PathValue("id"))
	return a.answerConsult(c, co, err)
}

func (a *API) sayConsult(c *call) (any, error) {
	var in struct{ Text string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	co, err := a.cfg.Consults.Say(c.ctx, c.r.PathValue("id"), consult.KindMessage, in.Text)
	return a.answerConsult(c, co, err)
}

func (a *API) joinConsult(c *call) (any, error) {
	co, err := a.cfg.Consults.Join(c.ctx, c.r.PathValue("id"))
	return a.answerConsult(c, co, err)
}

func (a *API) leaveConsult(c *call) (any, error) {
	co, err := a.cfg.Consults.Leave(c.ctx, c.r.PathValue("id"))
	return a.answerConsult(c, co, err)
}

func (a *API) closeConsult(c *call) (any, error) {
	var in struct{ Note, Action string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	co, err := a.cfg.Consults.Close(c.ctx, c.r.PathValue("id"), in.Note, in.Action)
	return a.answerConsult(c, co, err)
}

// ice offers the server's own relay to whoever takes part.
func (a *API) ice(c *call) (any, error) {
	if _, err := a.cfg.Consults.Get(c.ctx, c.r.PathValue("id")); err != nil {
		return nil, err
	}
	servers := []ICEServer{}
	if a.cfg.ICE != nil {
		servers = append(servers, a.cfg.ICE(c.who.ID, c.r.Host)...)
	}
	return map[string]any{"iceServers": servers}, nil
}

// portalMessages is the patient's thread; the open consult, or nothing.
func (a *API) portalMessages(c *call) (any, error) {
	v, err := a.openConsultOf(c.ctx, c.who.Subject.ID())
	if v == nil {
		return json.RawMessage("null"), err
	}
	return v, err
}

// postPortalMessage writes into the open consult, or opens one.
func (a *API) postPortalMessage(c *call) (any, error) {
	var in struct{ Text string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	co, err := a.cfg.Consults.Open(c.ctx, consult.Request{Patient: c.who.Subject})
	if err != nil {
		return nil, err
	}
	co, err = a.cfg.Consults.Say(c.ctx, co.ID, consult.KindMessage, in.Text)
	return a.answerConsult(c, co, err)
}
