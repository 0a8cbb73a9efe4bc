package webapi

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/rota"
)

type dutyNow struct {
	Role    string            `json:"role"`
	Who     []alarm.Recipient `json:"who"`
	Planned bool              `json:"planned"` // false: the unit's staff list answers
}

type rotaView struct {
	Unit   string       `json:"unit"`
	Duties []rota.Duty  `json:"duties"`
	Shifts []rota.Shift `json:"shifts"`
	Now    []dutyNow    `json:"now"`
	Staff  []personView `json:"staff"`
	Roles  []string     `json:"roles"`
	NowMS  int64        `json:"now_ms"`
	Zone   string       `json:"zone"`
}

const rotaSpan = 7 * 24 * time.Hour

func (a *API) rota(c *call) (any, error) {
	unit := c.query("unit")
	from, to, err := c.span(a.cfg.Now().Add(rotaSpan), rotaSpan)
	if err != nil {
		return nil, err
	}
	if to.Sub(from) > 6*rotaSpan {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.rota", "at most six weeks at once")
	}
	out := rotaView{Unit: unit, Now: []dutyNow{}, Staff: []personView{}, Roles: rota.Roles(), NowMS: a.cfg.Now().UnixMilli(), Zone: a.cfg.Now().Location().String()}
	if out.Duties, err = a.cfg.Rota.Plan(c.ctx, unit, from, to); err != nil {
		return nil, err
	}
	if out.Shifts, err = a.cfg.Rota.Shifts(c.ctx, unit); err != nil {
		return nil, err
	}
	for _, role := range out.Roles {
		_, planned := a.cfg.Rota.OnDuty(unit, role, a.cfg.Now())
		who, err := a.cfg.Rota.Holders(c.ctx, alarm.Post{Role: role, Unit: unit})
		if err != nil {
			return nil, err
		}
		out.Now = append(out.Now, dutyNow{role, append([]alarm.Recipient{}, who...), planned})
	}
	for _, s := range a.cfg.Census.StaffOf("", "") {
		out.Staff = append(out.Staff, personView{"Practitioner/" + s.ID, s.Initials, s.Name, s.Role})
	}
	return out, nil
}

func (a *API) setShift(c *call) (any, error) {
	var s rota.Shift
	if err := c.body(&s); err != nil {
		return nil, err
	}
	if id := c.r.PathValue("id"); id != "" {
		s.ID = id
	}
	return a.cfg.Rota.SetShift(c.ctx, s)
}

func (a *API) setSubstitute(c *call) (any, error) {
	var s rota.Substitute
	if err := c.body(&s); err != nil {
		return nil, err
	}
	return a.cfg.Rota.Stand(c.ctx, s)
}

func (a *API) dropDuty(c *call) (any, error) { return nil, a.cfg.Rota.Drop(c.ctx, c.r.PathValue("id")) }

// handoverView is a hand-over with the alarms that go with it, as they stand now.
type handoverView struct {
	rota.Handover
	FromName string      `json:"from_name"`
	ToName   string      `json:"to_name"`
	Mine     string      `json:"mine,omitempty"` // "outgoing" or "incoming" for who asks
	Open     []alarmView `json:"open"`
}

func (a *API) viewHandover(c *call, h rota.Handover) handoverView {
	v := handoverView{Handover: h, FromName: a.staffName(h.From), ToName: a.staffName(h.To), Open: []alarmView{}}
	switch c.who.Person {
	case h.From:
		v.Mine = "outgoing"
	case h.To:
		v.Mine = "incoming"
	}
	for _, id := range h.Alarms {
		if al, err := a.cfg.Desk.Get(c.ctx, id); err == nil && al.Open() {
			v.Open = append(v.Open, a.viewAlarm(c.who, al))
		}
	}
	return v
}

func (a *API) staffName(ref string) string {
	if s, ok := a.cfg.Census.Recipient(ref); ok {
		return s.Name
	}
	return ref
}

func (a *API) handovers(c *call) (any, error) {
	list, err := a.cfg.Rota.Handovers(c.ctx)
	if err != nil {
		return nil, err
	}
	out := []handoverView{}
	for _, h := range list {
		out = append(out, a.viewHandover(c, h))
	}
	return out, nil
}

func (a *API) offerHandover(c *call) (any, error) {
	var in struct {
		ID   string `json:"id"`
		Unit string `json:"unit"`
		Role string `json:"role"`
		To   string `json:"to"`
		Note string `json:"note"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	h, err := a.cfg.Rota.Offer(c.ctx, a.cfg.Desk, rota.Handover{ID: in.ID, Unit: in.Unit, Role: in.Role, To: in.To, Note: in.Note})
	if err != nil {
		return nil, err
	}
	return a.viewHandover(c, h), nil
}

func (a *API) answerHandover(c *call) (any, error) {
	answer := c.r.PathValue("answer")
	if answer != "accept" && answer != "decline" {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.handover", "a hand-over is accepted or declined")
	}
	h, err := a.cfg.Rota.Answer(c.ctx, a.cfg.Desk, c.r.PathValue("id"), answer == "accept")
	if err != nil {
		return nil, err
	}
	return a.viewHandover(c, h), nil
}
