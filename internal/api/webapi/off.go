package webapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// offView is one standing or past decision that alarms make no signals.
type offView struct {
	alarm.Off
	Patient   *patientShort `json:"patient,omitempty"`
	Label     string        `json:"label"` // what is off, in words
	LeftMS    int64         `json:"left_ms"`
	PatientID string        `json:"patient_id,omitempty"`
}

func (a *API) viewOff(who access.Principal, o alarm.Off) offView {
	v := offView{Off: o, LeftMS: max(o.Until.Sub(a.cfg.Now()).Milliseconds(), 0)}
	if !o.Ended.IsZero() {
		v.LeftMS = 0
	}
	var parts []string
	if o.Subject.IsPatient() {
		v.PatientID = o.Subject.ID()
		if p, ok := a.cfg.Census.Patient(o.Subject.ID()); ok && who.Clinical() {
			s := a.short(p)
			v.Patient = &s
			parts = append(parts, s.Name)
		} else {
			parts = append(parts, "one patient")
		}
	}
	if b, ok := a.cfg.Census.Bed(o.Bed); ok {
		parts = append(parts, "bed "+b.Label)
	}
	if u, ok := a.cfg.Census.Unit(o.Unit); ok {
		parts = append(parts, u.Name)
	}
	if o.Rule != "" {
		parts = append(parts, "rule "+o.Rule)
	}
	v.Label = strings.Join(parts, " · ")
	return v
}

type offsView struct {
	Standing []offView        `json:"standing"`
	Limits   map[string]int64 `json:"limits_s"`
	NowMS    int64            `json:"now_ms"`
}

func (a *API) offs(c *call) (any, error) {
	list, _, err := a.cfg.Desk.Offs(c.ctx)
	if err != nil {
		return nil, err
	}
	out := offsView{Standing: a.viewOffs(c.who, list), Limits: map[string]int64{}, NowMS: a.cfg.Now().UnixMilli()}
	for p, d := range a.cfg.Desk.OffLimits() {
		out.Limits[p.String()] = int64(d.Seconds())
	}
	return out, nil
}

func (a *API) viewOffs(who access.Principal, list []alarm.Off) []offView {
	out := make([]offView, 0, len(list))
	for _, o := range list {
		out = append(out, a.viewOff(who, o))
	}
	return out
}

func (a *API) pastOffs(c *call) (any, error) {
	list, err := a.cfg.Desk.PastOffs(c.ctx)
	return a.viewOffs(c.who, list), err
}

func (a *API) turnOff(c *call) (any, error) {
	var in struct {
		ID        string           `json:"id"`
		PatientID string           `json:"patient_id"`
		Bed       string           `json:"bed"`
		Unit      string           `json:"unit"`
		Rule      string           `json:"rule"`
		Class     vigil.AlarmClass `json:"class"`
		Priority  vigil.Priority   `json:"priority"`
		Reason    string           `json:"reason"`
		Seconds   int64            `json:"seconds"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Seconds <= 0 || in.Seconds > 7*24*3600 {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.off", "seconds says how long, up to a week")
	}
	o := alarm.Off{ID: cmp.Or(in.ID, rand.Text()), Bed: in.Bed, Unit: in.Unit, Rule: in.Rule, Class: in.Class, Priority: in.Priority, Reason: strings.TrimSpace(in.Reason),
		Until: a.cfg.Now().Add(time.Duration(in.Seconds) * time.Second)}
	if in.PatientID != "" {
		o.Subject = vigil.PatientSubject(in.PatientID)
	}
	if err := a.knownScope(o); err != nil {
		return nil, err
	}
	o, err := a.cfg.Desk.TurnOff(c.ctx, o)
	if err != nil {
		return nil, err
	}
	return a.viewOff(c.who, o), nil
}

// knownScope refuses what a slip of the pen would turn off: nothing, while everybody believes it does.
func (a *API) knownScope(o alarm.Off) error {
	if o.Subject != "" {
		if _, ok := a.cfg.Census.Patient(o.Subject.ID()); !ok {
			return vigil.Errorf(vigil.NotFound, "webapi.off", "no patient %q", o.Subject.ID())
		}
	}
	if _, ok := a.cfg.Census.Bed(o.Bed); o.Bed != "" && !ok {
		return vigil.Errorf(vigil.NotFound, "webapi.off", "no bed %q", o.Bed)
	}
	if _, ok := a.cfg.Census.Unit(o.Unit); o.Unit != "" && !ok {
		return vigil.Errorf(vigil.NotFound, "webapi.off", "no care unit %q", o.Unit)
	}
	return nil
}

func (a *API) turnOn(c *call) (any, error) {
	o, err := a.cfg.Desk.TurnOn(c.ctx, c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return a.viewOff(c.who, o), nil
}

// acknowledgeAll takes several alarms of low priority at once.
func (a *API) acknowledgeAll(c *call) (any, error) {
	var in struct {
		IDs     []string `json:"ids"`
		Command string   `json:"command"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	list, err := a.cfg.Desk.AcknowledgeAll(c.ctx, in.IDs, in.Command)
	return a.viewAlarms(c.who, list), err
}

// pages is who was paged about an alarm and what became of each page.
func (a *API) pages(c *call) (any, error) {
	id, err := a.alarmID(c)
	if err != nil {
		return nil, err
	}
	if _, err := a.cfg.Desk.Get(c.ctx, id); err != nil {
		return nil, err
	}
	list, err := a.cfg.Post.Of(c.ctx, id)
	return viewPages(list), err
}

type pageView struct {
	ID       string           `json:"id"`
	Alarm    string           `json:"alarm"`
	To       alarm.Recipient  `json:"to"`
	Priority vigil.Priority   `json:"priority"`
	Text     string           `json:"text"`
	Created  time.Time        `json:"created"`
	State    notify.State     `json:"state"`
	Receipts []notify.Receipt `json:"receipts"`
}

// viewPages leaves out addresses: they are the person's own.
func viewPages(list []notify.Message) []pageView {
	out := make([]pageView, 0, len(list))
	for _, m := range list {
		out = append(out, pageView{m.ID, m.Alarm, m.To, m.Priority, m.Text, m.Created, m.State, append([]notify.Receipt{}, m.Receipts...)})
	}
	return out
}

// tellOffs tells screens what is turned off whenever that has changed since version.
func (h *hub) tellOffs(version uint64) uint64 {
	list, now, err := h.api.cfg.Desk.Offs(access.AsSystem(context.Background(), "live"))
	if err != nil || now == version {
		return version
	}
	h.each(func(c *client) {
		if c.ctx.Err() == nil && (c.who.Clinical() || c.who.Has(access.Engineer)) {
			c.send(map[string]any{"op": "off", "standing": h.api.viewOffs(c.who, list)})
		}
	})
	return now
}
