package server

import (
	"context"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/rota"
)

// AlarmsConfig bounds what staff may do to alarms.
type AlarmsConfig struct {
	Off map[string]time.Duration `yaml:"off"` // low, medium, high: how long alarms may be turned off; an absent priority keeps its default
}

// offLimits returns the defaults with what the site names put over them.
func (c AlarmsConfig) offLimits() (map[vigil.Priority]time.Duration, error) {
	out := alarm.DefaultOffLimits()
	for key, d := range c.Off {
		var p vigil.Priority
		if err := p.UnmarshalText([]byte(key)); err != nil || p == vigil.PriorityNone {
			return nil, vigil.Errorf(vigil.Invalid, "server.config", "alarms.off.%s: name low, medium or high", key)
		}
		if d < 0 || d > 7*24*time.Hour {
			return nil, vigil.Errorf(vigil.Invalid, "server.config", "alarms.off.%s: from 0 to 168h", key)
		}
		out[p] = d
	}
	return out, nil
}

// people are the staff of the census, and administrators, who have accounts only.
type people struct {
	*census.Census
	accounts *access.Accounts
}

// Holders implements alarm.OnCall.
func (p people) Holders(ctx context.Context, post alarm.Post) ([]alarm.Recipient, error) {
	if post.Role != string(access.Admin) {
		return p.Census.Holders(ctx, post)
	}
	list, err := p.accounts.List(access.AsSystem(ctx, "rota"))
	var out []alarm.Recipient
	for _, a := range list {
		if a.Principal().Has(access.Admin) && !a.Disabled {
			out = append(out, alarm.Recipient{ID: addressOf(a), Name: a.Name, Initials: a.Initials, Role: post.Role})
		}
	}
	return out, err
}

// addressOf is the ID under which an account is paged.
func addressOf(a access.Account) string {
	if a.Person != "" {
		return a.Person
	}
	return a.ID
}

// openRota opens the plan of who is on duty.
func (e *Engines) openRota(ctx context.Context) (err error) {
	e.Sightings = rota.NewSightings(e.Census, time.Now)
	e.Rota, err = rota.Open(ctx, rota.Config{
		Book: e.db.Rota(), People: people{e.Census, e.Accounts}, Where: e.Sightings, Now: time.Now, NewID: newID, Log: e.logger,
		Audit: func(ctx context.Context, action, what, detail string) {
			if err := e.Audit.Later(ctx, audit.Entry{Action: action, What: what, Outcome: "ok", Detail: detail}); err != nil {
				e.logger.Warn("audit.rota", "error", err)
			}
		},
	})
	return err
}

const (
	gapRule   = "on-call-gap"
	gapChain  = "admin"
	gapsHeld  = 64
	gapsAgain = time.Minute // how often an open notice is compared with the plan
)

// gap takes note that nobody holds a post; watchGaps raises it.
func (e *Engines) gap(p alarm.Post) {
	if p.Role == string(access.Admin) || p.Unit == "" {
		return // nobody is left to tell
	}
	select {
	case e.gaps <- p:
	default: // many alarms meet the same gap
	}
}

// watchGaps tells the administrators of posts that nobody holds, until somebody does.
func (e *Engines) watchGaps(ctx context.Context) error {
	ctx = access.AsSystem(ctx, "rota")
	t := time.NewTicker(gapsAgain)
	defer t.Stop()
	for {
		select {
		case p := <-e.gaps:
			e.raiseGap(ctx, p)
		case m := <-e.lost:
			e.raiseUnreached(ctx, m)
		case <-t.C:
			e.endGaps(ctx)
			e.endUnreached(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engines) raiseGap(ctx context.Context, p alarm.Post) {
	now := time.Now()
	a := vigil.Alarm{Kind: vigil.KindAlarm, Class: vigil.Technical, Priority: vigil.PriorityLow, Subject: vigil.LocationSubject(p.Unit), Unit: p.Unit,
		Rule: gapRule + "." + p.Role, Title: "Nobody on call", Text: "Nobody holds " + p.Role + " now; the chain went on without", Chain: gapChain, Onset: now}
	a.ID = alarm.ID(a.Rule, a.Subject, "", now)
	if _, err := e.Desk.Raise(ctx, a); err != nil {
		e.logger.Error("rota.gap.not_raised", "unit", p.Unit, "role", p.Role, "error", err)
	}
}

func (e *Engines) endGaps(ctx context.Context) {
	open, err := e.Desk.Open(ctx, alarm.Filter{})
	if err != nil {
		e.logger.Error("rota.gaps.not_readable", "error", err)
		return
	}
	for _, a := range open {
		role, ok := strings.CutPrefix(a.Rule, gapRule+".")
		if !ok || !a.Active() {
			continue
		}
		who, err := e.Rota.Holders(ctx, alarm.Post{Role: role, Unit: a.Unit})
		if err != nil || len(who) == 0 {
			continue
		}
		if err := e.Desk.End(ctx, a.ID, time.Now()); err != nil {
			e.logger.Error("rota.gap.not_ended", "alarm", a.ID, "error", err)
		}
	}
}
