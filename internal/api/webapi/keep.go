package webapi

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// retentionView is what is kept how long and what was dropped since the start.
type retentionView struct {
	telemetry.PolicyState
	Dropped map[coding.Class]droppedView `json:"dropped"`
	Expired uint64                       `json:"expired"` // arrived older than what is kept
	Round   struct {
		Subjects int `json:"subjects"`
		Done     int `json:"done"`
	} `json:"round"`
}

type droppedView struct {
	Blocks uint64 `json:"blocks"`
	Bytes  uint64 `json:"bytes"`
}

func (a *API) retention(c *call) (any, error) {
	state, err := a.cfg.Telemetry.Retention(c.ctx)
	if err != nil {
		return nil, err
	}
	h := a.cfg.Telemetry.Health().Retention
	out := retentionView{PolicyState: state, Dropped: map[coding.Class]droppedView{}, Expired: h.Expired}
	for class, n := range h.Dropped {
		out.Dropped[class] = droppedView(n)
	}
	out.Round.Subjects, out.Round.Done = h.Subjects, h.Done
	return out, nil
}

func (a *API) setRetention(c *call) (any, error) {
	var in struct {
		Policy telemetry.Policy `json:"policy"` // null goes back to the configuration
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if err := a.cfg.Telemetry.SetRetention(c.ctx, in.Policy); err != nil {
		return nil, err
	}
	return a.retention(c)
}

type holdView struct {
	Subject vigil.Subject `json:"subject"`
	By      string        `json:"by"`
	At      time.Time     `json:"at"`
	Reason  string        `json:"reason"`
}

func (a *API) holds(c *call) (any, error) {
	list, err := a.cfg.Telemetry.Holds(c.ctx)
	if err != nil {
		return nil, err
	}
	out := []holdView{}
	for _, h := range list {
		out = append(out, holdView{h.Subject, h.By, h.At, h.Reason})
	}
	return out, nil
}

func (c *call) heldSubject() vigil.Subject {
	return vigil.Subject(c.r.PathValue("type") + "/" + c.r.PathValue("id"))
}

func (a *API) setHold(c *call) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if err := a.cfg.Telemetry.SetHold(c.ctx, c.heldSubject(), in.Reason); err != nil {
		return nil, err
	}
	return a.holds(c)
}

func (a *API) liftHold(c *call) (any, error) {
	return nil, a.cfg.Telemetry.LiftHold(c.ctx, c.heldSubject())
}
