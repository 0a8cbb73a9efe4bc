package server

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// programmeFlag begins the kind of a chart flag that puts a patient into a programme: programme-heart.
const programmeFlag = "programme-"

// openRules builds the rulebook, the rules in force, and replays.
func (e *Engines) openRules(ctx context.Context, chains []catalog.Chain) error {
	rules, err := catalog.Rules()
	if err != nil {
		return err
	}
	scores, err := catalog.Scores()
	if err != nil {
		return err
	}
	book := e.db.Rulebook()
	e.Rulebook = rule.NewRulebook(rule.RulebookConfig{
		Book: book, Catalogue: rules, Scores: scores, Chains: chains, Zone: time.Local, Now: time.Now,
		Adopt: func(p *rule.Program) { e.Rules.Adopt(p) },
		Audit: func(ctx context.Context, action, what, detail string) error {
			return e.Audit.Append(ctx, audit.Entry{Action: action, What: what, Detail: detail})
		},
		MayPropose: func(ctx context.Context, p access.Principal) bool { return p.Has(access.Nurse) && e.inCharge(ctx, p) },
	})
	program, err := e.Rulebook.Program(ctx)
	if err != nil {
		return err
	}
	e.limits = e.db.Limits()
	e.Rules, err = rule.New(rule.Config{
		Program: program, Limits: profiles{e}, Keeper: e.limits, Desk: e.Desk, Shadows: book, Telemetry: e.Telemetry, Now: time.Now, Log: e.logger, Interval: e.interval,
		Review: e.review,
	})
	if err != nil {
		return err
	}
	e.Replays = rule.NewReplays(rule.ReplaysConfig{
		Book: book, Rules: e.Rulebook, Raw: e.Telemetry, Limits: profiles{e}, Known: e.knownEvents, NewID: newID, Now: time.Now, Background: lowThread,
		Busy: func() bool { return e.Gate.State().Level != "healthy" },
	})
	e.openReports()
	return nil
}

// inCharge reports whether somebody is the charge nurse of a unit now.
func (e *Engines) inCharge(ctx context.Context, p access.Principal) bool {
	for _, u := range e.Census.Units() {
		who, err := e.Census.Holders(ctx, alarm.Post{Role: "nurse.charge", Unit: u.ID})
		if err == nil && slices.ContainsFunc(who, func(r alarm.Recipient) bool { return "Practitioner/"+r.ID == p.Person || r.ID == p.ID }) {
			return true
		}
	}
	return false
}

// restoreShadows takes up what rules on trial held open.
func (e *Engines) restoreShadows(ctx context.Context) error {
	open, err := e.Rulebook.Shadows(ctx, rule.ShadowQuery{Open: true, Limit: 100_000})
	if err == nil {
		e.Rules.RestoreShadows(open)
	}
	return err
}

// operatedOn returns when the patient's newest operation on record ended; zero when there is none.
func (e *Engines) operatedOn(ctx context.Context, s vigil.Subject) (time.Time, error) {
	page, err := e.Records.Search(ctx, "Procedure", url.Values{"subject": {string(s)}, "status": {"completed"}, "_sort": {"-date"}, "_count": {"1"}})
	if err != nil || len(page.Records) == 0 {
		return time.Time{}, err
	}
	r, err := page.Records[0].Resource()
	if err != nil {
		return time.Time{}, err
	}
	for _, path := range []string{"performedPeriod.end", "performedDateTime", "performedPeriod.start"} {
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.ParseInLocation(layout, r.Str(path), time.Local); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, nil
}

// knownEvents is what a replay is measured by: calls for a code team, alarms that staff found real, and alarms on which
// somebody acted.
func (e *Engines) knownEvents(ctx context.Context, from, to time.Time) ([]rule.Known, error) {
	var out []rule.Known
	for to.After(from) {
		list, err := e.Desk.List(ctx, alarm.Query{From: from, To: to, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for i := range list {
			if what := known(&list[i]); what != "" {
				out = append(out, rule.Known{Subject: list[i].Subject, At: list[i].Raised, What: what})
			}
		}
		if len(list) < 1000 || !list[len(list)-1].Raised.Before(to) {
			return out, nil
		}
		to = list[len(list)-1].Raised // newest first
	}
	return out, nil
}

func known(a *vigil.Alarm) string {
	if a.Kind == vigil.KindCall && a.Rule == alarm.CallCode {
		return "code call"
	}
	if a.Judged != nil {
		if a.Judged.Truth != vigil.TruthReal {
			return "" // the last word on it
		}
		return strings.TrimSpace(a.Title + ": marked real")
	}
	for _, s := range a.History {
		if s.What == "action" {
			return strings.TrimSpace(a.Title + ": " + s.What + " " + s.Text)
		}
	}
	return ""
}
