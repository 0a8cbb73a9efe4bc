package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// tally goes once over the alarms in the order they were raised.
//
//	Book ─► add ─┬─ days, hours, priorities, units
//	             ├─ rules and patients: how many, how long, judged
//	             ├─ answers: raised → seen, accepted, acknowledged, resolved
//	             └─ floods and repeats
//	Watched ─► quiet days ─► report
type tally struct {
	q       Query
	cfg     Config
	out     Report
	days    map[string]*Day
	count   map[bedDay]int
	rules   map[string]*ruleTally
	who     map[vigil.Subject]*whoTally
	groups  [3]map[string]int // priorities, classes, units
	night   int
	answers map[answer]*times
	last    map[episode]time.Time // end of the last alarm, or its start while it is open
	flood   map[string]*flood     // by unit
}

type bedDay struct {
	subject vigil.Subject
	day     string
}

type episode struct {
	rule    string
	subject vigil.Subject
}

type answer struct {
	priority vigil.Priority
	step     string
}

type times struct {
	took        []float64
	due, within int
}

type ruleTally struct {
	Rule
	night  int
	lasted []float64
	who    map[vigil.Subject]struct{}
}

type whoTally struct {
	Patient
	rules map[string]int
}

func newTally(q Query, cfg Config) *tally {
	t := &tally{
		q: q, cfg: cfg, days: map[string]*Day{}, count: map[bedDay]int{}, rules: map[string]*ruleTally{}, who: map[vigil.Subject]*whoTally{},
		answers: map[answer]*times{}, last: map[episode]time.Time{}, flood: map[string]*flood{},
	}
	for i := range t.groups {
		t.groups[i] = map[string]int{}
	}
	t.out = Report{From: q.From, To: q.To, Unit: q.Unit, Zone: cfg.Zone.String(), MadeAt: cfg.Now()}
	return t
}

// add takes one alarm in. Calls, tasks and notices are no alarms.
func (t *tally) add(a *vigil.Alarm) error {
	if a.Kind != vigil.KindAlarm || a.Priority == vigil.PriorityNone {
		return nil
	}
	local := a.Raised.In(t.cfg.Zone)
	hour, day := local.Hour(), local.Format(time.DateOnly)
	t.out.Alarms++
	t.out.Heat[(int(local.Weekday())+6)%7][hour]++
	if night(hour) {
		t.night++
	}
	t.groups[0][a.Priority.String()]++
	t.groups[1][string(a.Class)]++
	t.groups[2][a.Unit]++
	t.dayOf(day).take(a.Priority)
	if a.Subject.IsPatient() {
		t.count[bedDay{a.Subject, day}]++
		t.person(a)
	}
	t.out.Judged.add(a)
	t.rule(a, hour)
	t.answered(a)
	if t.flood[a.Unit] == nil {
		t.flood[a.Unit] = &flood{unit: a.Unit}
	}
	t.flood[a.Unit].add(a)
	return nil
}

func (t *tally) dayOf(day string) *Day {
	if t.days[day] == nil {
		t.days[day] = &Day{Day: day}
	}
	return t.days[day]
}

func (d *Day) take(p vigil.Priority) {
	d.Alarms++
	switch p {
	case vigil.PriorityHigh:
		d.High++
	case vigil.PriorityMedium:
		d.Medium++
	default:
		d.Low++
	}
}

func (t *tally) person(a *vigil.Alarm) {
	w := t.who[a.Subject]
	if w == nil {
		w = &whoTally{Patient: Patient{Subject: a.Subject}, rules: map[string]int{}}
		t.who[a.Subject] = w
	}
	w.Alarms++
	w.rules[a.Title]++
	w.Judged.add(a)
}

func (t *tally) rule(a *vigil.Alarm, hour int) {
	r := t.rules[a.Rule]
	if r == nil {
		r = &ruleTally{Rule: Rule{Key: a.Rule, Title: a.Title, Metric: a.Metric}, who: map[vigil.Subject]struct{}{}}
		t.rules[a.Rule] = r
	}
	r.Alarms++
	r.who[a.Subject] = struct{}{}
	if night(hour) {
		r.night++
	}
	if a.Demoted != nil {
		r.Demoted++
	}
	r.Judged.add(a)
	key, until := episode{a.Rule, a.Subject}, a.Raised
	repeated := false
	if last, ok := t.last[key]; ok && a.Raised.Sub(last) <= repeatedIn {
		repeated = true
	}
	short := false
	if !a.Ended.IsZero() {
		until = a.Ended
		lasted := a.Ended.Sub(a.Raised)
		short = lasted < shortAlarm
		r.lasted = append(r.lasted, max(0, lasted.Seconds()))
	}
	t.last[key] = until
	n := &t.out.Nuisance
	if short {
		r.Short++
		n.Short++
	}
	if repeated {
		r.Repeated++
		n.Repeated++
	}
	if short || repeated {
		n.Alarms++
	}
}

// steps are the answers to an alarm in their order.
func steps() []string { return []string{"seen", "accepted", "acknowledged", "resolved"} }

// answered notes when each step was taken for the first time.
func (t *tally) answered(a *vigil.Alarm) {
	var at [4]time.Time
	escalated := 0
	for i := range a.History {
		s := &a.History[i]
		switch {
		case s.What == "seen" && at[0].IsZero():
			at[0] = s.At
		case (s.What == "accepted" || s.What == "going") && at[1].IsZero():
			at[1] = s.At
		case s.What == "escalated":
			escalated++
		}
	}
	at[2], at[3] = a.AckedAt, a.Resolved
	if escalated > 0 {
		t.out.Escalated.Alarms++
		t.out.Escalated.Steps += escalated
	}
	target := t.cfg.Targets[a.Priority]
	for i, step := range steps() {
		key := answer{a.Priority, step}
		x := t.answers[key]
		if x == nil {
			x = &times{}
			t.answers[key] = x
		}
		took := at[i].Sub(a.Raised)
		if !at[i].IsZero() {
			x.took = append(x.took, max(0, took.Seconds()))
		}
		if i == 3 || target == 0 {
			continue
		}
		t.within(x, a, at[i], target)
	}
}

// within counts an alarm that was answered, or still stood, at its target.
func (t *tally) within(x *times, a *vigil.Alarm, at time.Time, target time.Duration) {
	limit := a.Raised.Add(target)
	switch {
	case !at.IsZero() && !at.After(limit):
		x.due++
		x.within++
	case limit.After(t.out.MadeAt): // its time is not over
	case a.Ended.IsZero() || a.Ended.After(limit):
		x.due++
	}
}

// watched adds the days on which patients were watched and nothing happened.
func (t *tally) watched(days map[vigil.Subject][]string) {
	for s, list := range days {
		for _, day := range list {
			t.count[bedDay{s, day}] += 0
		}
		if t.who[s] == nil && len(list) > 0 {
			t.who[s] = &whoTally{Patient: Patient{Subject: s}}
		}
	}
}

func (t *tally) report() *Report {
	r := &t.out
	r.Patients, r.Night = len(t.who), share(t.night, r.Alarms)
	r.Judged.close()
	r.Escalated.Share, r.Nuisance.Share = share(r.Escalated.Alarms, r.Alarms), share(r.Nuisance.Alarms, r.Alarms)
	r.Priorities, r.Classes, r.Units = groups(t.groups[0], r.Alarms), groups(t.groups[1], r.Alarms), groups(t.groups[2], r.Alarms)
	t.load()
	t.listRules()
	t.listPatients()
	t.listAnswers()
	r.Floods = closeFloods(t.flood, r.Alarms)
	return r
}

// groups lists parts, the largest first.
func groups(counts map[string]int, all int) []Group {
	out := []Group{}
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, Group{k, counts[k], share(counts[k], all)})
	}
	slices.SortStableFunc(out, func(a, b Group) int { return b.Alarms - a.Alarms })
	return out
}

func (t *tally) load() {
	l := &t.out.Load
	list, sum := make([]int, 0, len(t.count)), 0
	for k, n := range t.count {
		list, sum = append(list, n), sum+n
		t.dayOf(k.day).Beds++
		t.who[k.subject].Days++
		if n > l.Worst || n == l.Worst && n > 0 && (k.day < l.WorstDay || k.day == l.WorstDay && k.subject < l.WorstSubject) {
			l.Worst, l.WorstSubject, l.WorstDay = n, k.subject, k.day
		}
	}
	slices.Sort(list)
	l.BedDays, l.Mean, l.Median, l.P90 = len(list), share(sum, len(list)), float64(quantile(list, .5)), float64(quantile(list, .9))
	t.out.Days = []Day{}
	for _, day := range slices.Sorted(maps.Keys(t.days)) {
		d := t.days[day]
		d.PerBed = share(d.Alarms, d.Beds)
		t.out.Days = append(t.out.Days, *d)
	}
}

func (t *tally) listRules() {
	t.out.Rules = []Rule{}
	for _, r := range t.rules {
		r.Share, r.Night, r.Patients = share(r.Alarms, t.out.Alarms), share(r.night, r.Alarms), len(r.who)
		r.MedianS, r.P90S = spread(r.lasted)
		r.Judged.close()
		t.out.Rules = append(t.out.Rules, r.Rule)
	}
	slices.SortFunc(t.out.Rules, func(a, b Rule) int { return cmp.Or(b.Alarms-a.Alarms, cmp.Compare(a.Key, b.Key)) })
}

func (t *tally) listPatients() {
	list := []Patient{}
	for _, w := range t.who {
		w.Share, w.PerDay = share(w.Alarms, t.out.Alarms), share(w.Alarms, w.Days)
		w.Rules = groups(w.rules, w.Alarms)
		w.Rules = w.Rules[:min(3, len(w.Rules))]
		w.Judged.close()
		list = append(list, w.Patient)
	}
	slices.SortFunc(list, func(a, b Patient) int { return cmp.Or(b.Alarms-a.Alarms, cmp.Compare(a.Subject, b.Subject)) })
	tenth, sum := (len(list)+9)/10, 0
	for _, p := range list[:tenth] {
		sum += p.Alarms
	}
	t.out.WorstTenth = share(sum, t.out.Alarms)
	list = slices.DeleteFunc(list, func(p Patient) bool { return p.Alarms == 0 })
	t.out.Worst = list[:min(len(list), worstListed)]
}

func (t *tally) listAnswers() {
	t.out.Response = []Response{}
	for _, p := range []vigil.Priority{vigil.PriorityHigh, vigil.PriorityMedium, vigil.PriorityLow} {
		for i, step := range steps() {
			x := t.answers[answer{p, step}]
			if x == nil {
				continue
			}
			r := Response{Priority: p, Step: step, N: len(x.took)}
			r.MedianS, r.P90S = spread(x.took)
			if i < 3 {
				r.TargetS, r.Due, r.Within = t.cfg.Targets[p].Seconds(), x.due, share(x.within, x.due)
			}
			t.out.Response = append(t.out.Response, r)
		}
	}
}
