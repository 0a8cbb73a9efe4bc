package webapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// countPages bounds how many alarms are counted: pages of a thousand.
const countPages = 20

type dayCount struct {
	Day    string `json:"day"`
	Alarms int    `json:"alarms"`
}

// ruleAlarms counts what rules raised in the last days. Counts name nobody, so they are for every member
// of staff: it is read as the house.
func (a *API) ruleAlarms(c *call) (any, error) {
	days, err := c.number("days", 7, 1, 31)
	if err != nil {
		return nil, err
	}
	only := c.query("rule")
	from, to, err := c.span(a.cfg.Now().Add(time.Second), time.Duration(days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	rules, byDay := map[string]int{}, map[string]int{}
	more, err := a.eachAlarm(access.AsSystem(c.ctx, "rules"), from, to, func(al *vigil.Alarm) {
		rules[al.Rule]++
		if only == "" || only == al.Rule {
			byDay[al.Raised.Local().Format(time.DateOnly)]++
		}
	})
	if err != nil {
		return nil, err
	}
	list := []dayCount{}
	for day, n := range byDay {
		list = append(list, dayCount{day, n})
	}
	slices.SortFunc(list, func(x, y dayCount) int { return cmp.Compare(x.Day, y.Day) })
	return map[string]any{"from": from, "rules": rules, "days": list, "more": more}, nil
}

// eachAlarm walks the alarms raised in a time, newest first, and reports whether there were more than are counted.
func (a *API) eachAlarm(ctx context.Context, from, to time.Time, fn func(*vigil.Alarm)) (more bool, err error) {
	seen := map[string]bool{} // a page begins with what was raised in the same instant as the end of the one before
	for range countPages {
		list, err := a.cfg.Desk.List(ctx, alarm.Query{From: from, To: to, Limit: 1000})
		if err != nil {
			return false, err
		}
		for i := range list {
			if !seen[list[i].ID] {
				seen[list[i].ID] = true
				fn(&list[i])
			}
		}
		if len(list) < 1000 {
			return false, nil
		}
		next := list[len(list)-1].Raised.Add(time.Nanosecond) // To is exclusive
		if !next.Before(to) {
			return true, nil
		}
		to = next
	}
	return true, nil
}
