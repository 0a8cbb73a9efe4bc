package rule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// Outcome is what a replay found.
type Outcome struct {
	Subjects int     `json:"subjects"`
	Hours    float64 `json:"subject_hours"` // in which subjects had any value
	Samples  int     `json:"samples"`
	Took     float64 `json:"took_s"`

	After  Load            `json:"after"` // with the rules of the replay
	Today  Load            `json:"today"` // with the rules in force
	ByRule map[string]Load `json:"by_rule"`
	Change Change          `json:"change"`
	Known  KnownOutcome    `json:"known"`
}

// Load is how much a set of rules alarmed.
type Load struct {
	Alarms    int         `json:"alarms"`
	PerBedDay float64     `json:"per_bed_day"`
	ByHour    [24]int     `json:"by_hour"` // in the hospital's time zone
	Night     float64     `json:"night"`   // share from 22 to 6
	MedianS   float64     `json:"median_s"`
	P90S      float64     `json:"p90_s"`
	Top       []TopEntry  `json:"top"`
	ByDay     []DayAlarms `json:"by_day"`
}

// TopEntry is a subject that alarmed often.
type TopEntry struct {
	Subject vigil.Subject `json:"subject"`
	Alarms  int           `json:"alarms"`
}

// DayAlarms is the alarms of one day.
type DayAlarms struct {
	Day    string `json:"day"`
	Alarms int    `json:"alarms"`
}

// Change compares episodes: the same when those of one rule and subject overlap.
type Change struct {
	New      int       `json:"new"`
	Gone     int       `json:"gone"`
	Same     int       `json:"same"`
	Examples []Example `json:"examples"`
}

// Example is an episode that is new or gone, with where to look at it.
type Example struct {
	Episode
	What string `json:"what"` // new or gone
	Link string `json:"link"`
}

// KnownOutcome is which known events had an alarm open from an hour before to five minutes after.
type KnownOutcome struct {
	Events int            `json:"events"`
	Caught int            `json:"caught"`
	Missed int            `json:"missed"`
	Today  int            `json:"caught_today"`
	List   []KnownVerdict `json:"list"` // at most 100, missed ones first
}

// KnownVerdict is one known event.
type KnownVerdict struct {
	Known
	Caught      bool `json:"caught"`
	CaughtToday bool `json:"caught_today"`
}

const (
	topSubjects  = 10
	mostExamples = 40
	mostKnown    = 100
)

// tally gathers what subjects gave.
type tally struct {
	out      Outcome
	zone     *time.Location
	to       time.Time
	sides    [2]side // today, after
	byRule   map[string]*side
	verdicts []KnownVerdict
	known    map[vigil.Subject][]Known
	seen     map[vigil.Subject]bool
}

// side is the episodes of one set of rules.
type side struct {
	load    Load
	lasted  []float64
	byDay   map[string]int
	subject map[vigil.Subject]int
}

func (s *side) add(e *Episode, zone *time.Location, to time.Time) {
	if s.byDay == nil {
		s.byDay, s.subject = map[string]int{}, map[vigil.Subject]int{}
	}
	local := e.Start.In(zone)
	s.load.Alarms++
	s.load.ByHour[local.Hour()]++
	s.byDay[local.Format(time.DateOnly)]++
	s.subject[e.Subject]++
	s.lasted = append(s.lasted, e.Lasted(to).Seconds())
}

func (s *side) result(hours float64) Load {
	l := s.load
	if hours > 0 {
		l.PerBedDay = float64(l.Alarms) / (hours / 24)
	}
	night := 0
	for h, n := range l.ByHour {
		if h >= 22 || h < 6 {
			night += n
		}
	}
	if l.Alarms > 0 {
		l.Night = float64(night) / float64(l.Alarms)
		slices.Sort(s.lasted)
		l.MedianS, l.P90S = s.lasted[len(s.lasted)/2], s.lasted[len(s.lasted)*9/10]
	}
	l.Top, l.ByDay = []TopEntry{}, []DayAlarms{}
	for id, n := range s.subject {
		l.Top = append(l.Top, TopEntry{id, n})
	}
	slices.SortFunc(l.Top, func(a, b TopEntry) int { return cmp.Or(b.Alarms-a.Alarms, cmp.Compare(a.Subject, b.Subject)) })
	l.Top = l.Top[:min(len(l.Top), topSubjects)]
	for _, d := range slices.Sorted(maps.Keys(s.byDay)) {
		l.ByDay = append(l.ByDay, DayAlarms{d, s.byDay[d]})
	}
	return l
}

func newTally(zone *time.Location, to time.Time, known []Known) *tally {
	t := &tally{zone: zone, to: to, byRule: map[string]*side{}, known: map[vigil.Subject][]Known{}, seen: map[vigil.Subject]bool{}}
	for _, k := range known {
		t.known[k.Subject] = append(t.known[k.Subject], k)
	}
	return t
}

// add takes one subject in.
func (t *tally) add(p played) {
	if p.samples > 0 {
		t.out.Subjects++
	}
	t.out.Hours += p.hours
	t.out.Samples += p.samples
	t.seen[p.subject] = true
	for i := range p.today {
		t.sides[0].add(&p.today[i], t.zone, t.to)
	}
	for i := range p.after {
		e := &p.after[i]
		t.sides[1].add(e, t.zone, t.to)
		if t.byRule[e.Rule] == nil {
			t.byRule[e.Rule] = &side{}
		}
		t.byRule[e.Rule].add(e, t.zone, t.to)
	}
	t.compare(p.today, p.after, "gone")
	t.compare(p.after, p.today, "new")
	for _, k := range t.known[p.subject] {
		v := KnownVerdict{Known: k, Caught: catches(p.after, k.At, t.to), CaughtToday: catches(p.today, k.At, t.to)}
		t.verdicts = append(t.verdicts, v)
	}
}

func catches(list []Episode, at, to time.Time) bool {
	return slices.ContainsFunc(list, func(e Episode) bool {
		end := e.End
		if end.IsZero() {
			end = to
		}
		return !e.Start.After(at.Add(knownAfter)) && end.After(at.Add(-knownBefore))
	})
}

// compare looks for each episode of one side for one of the same rule on the other that overlaps it.
func (t *tally) compare(list, other []Episode, what string) {
	for i := range list {
		e := &list[i]
		same := slices.ContainsFunc(other, func(o Episode) bool {
			return o.Rule == e.Rule && !o.Onset.After(e.Start.Add(e.Lasted(t.to))) && !e.Onset.After(o.Start.Add(o.Lasted(t.to)))
		})
		switch {
		case same && what == "new":
			t.out.Change.Same++
		case same:
		default:
			t.differ(e, what)
		}
	}
}

func (t *tally) differ(e *Episode, what string) {
	count := &t.out.Change.New
	if what == "gone" {
		count = &t.out.Change.Gone
	}
	if *count++; *count > mostExamples/2 {
		return
	}
	from, to := e.Onset.Add(-15*time.Minute), e.Start.Add(min(e.Lasted(t.to), 6*time.Hour)+15*time.Minute)
	link := fmt.Sprintf("/api/patients/%s/trend?from_ms=%d&to_ms=%d&metrics=%s", e.Subject.ID(), from.UnixMilli(), to.UnixMilli(), e.Metric)
	t.out.Change.Examples = append(t.out.Change.Examples, Example{Episode: *e, What: what, Link: link})
}

// result closes the books.
func (t *tally) result() *Outcome {
	out := &t.out
	out.Today, out.After = t.sides[0].result(out.Hours), t.sides[1].result(out.Hours)
	out.ByRule = map[string]Load{}
	for key, s := range t.byRule {
		out.ByRule[key] = s.result(out.Hours)
	}
	if out.Change.Examples == nil {
		out.Change.Examples = []Example{}
	}
	for id, list := range t.known { // an event of somebody without telemetry was missed by everybody
		for _, k := range list {
			if !t.seen[id] {
				t.verdicts = append(t.verdicts, KnownVerdict{Known: k})
			}
		}
	}
	for _, v := range t.verdicts {
		out.Known.Events++
		if v.Caught {
			out.Known.Caught++
		} else {
			out.Known.Missed++
		}
		if v.CaughtToday {
			out.Known.Today++
		}
	}
	slices.SortFunc(t.verdicts, func(a, b KnownVerdict) int {
		if a.Caught != b.Caught {
			if a.Caught {
				return 1
			}
			return -1
		}
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Subject, b.Subject))
	})
	out.Known.List = append([]KnownVerdict{}, t.verdicts[:min(len(t.verdicts), mostKnown)]...)
	return out
}
