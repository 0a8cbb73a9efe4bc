package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// A flood is more alarms than a person can answer: over ten of a unit within ten minutes, until fewer than five come in
// ten minutes (ANSI/ISA-18.2-2016, 16.5.3).
const (
	floodSpan   = 10 * time.Minute
	floodOver   = 10
	floodUnder  = 5
	floodListed = 10
)

// Floods is the floods of a time.
type Floods struct {
	Count  int     `json:"count"`
	Alarms int     `json:"alarms"` // in floods
	Share  float64 `json:"share"`
	List   []Flood `json:"list"` // most alarms first, at most 10
}

// Flood is one of them.
type Flood struct {
	Unit   string    `json:"unit,omitempty"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"` // its last alarm
	Alarms int       `json:"alarms"`
}

// Nuisance is alarms that nobody can have acted on: over within five seconds, or the same again within a quarter of an hour.
type Nuisance struct {
	Alarms   int     `json:"alarms"`
	Share    float64 `json:"share"`
	Short    int     `json:"short"`
	Repeated int     `json:"repeated"`
}

// flood watches the alarms of one unit in order of time.
type flood struct {
	unit   string
	recent []time.Time
	now    *Flood
	list   []Flood
}

func (f *flood) add(a *vigil.Alarm) {
	f.forget(a.Raised)
	if f.now != nil && len(f.recent) < floodUnder {
		f.end()
	}
	f.recent = append(f.recent, a.Raised)
	switch {
	case f.now != nil:
		f.now.Alarms++
		f.now.To = a.Raised
	case len(f.recent) > floodOver:
		f.now = &Flood{Unit: f.unit, From: f.recent[0], To: a.Raised, Alarms: len(f.recent)}
	}
}

// forget leaves what was raised less than ten minutes before at.
func (f *flood) forget(at time.Time) {
	n := 0
	for n < len(f.recent) && at.Sub(f.recent[n]) >= floodSpan {
		n++
	}
	f.recent = slices.Delete(f.recent, 0, n)
}

func (f *flood) end() {
	if f.now != nil {
		f.list = append(f.list, *f.now)
		f.now = nil
	}
}

func closeFloods(units map[string]*flood, all int) Floods {
	out := Floods{List: []Flood{}}
	for _, f := range units {
		f.end()
		out.List = append(out.List, f.list...)
	}
	for _, f := range out.List {
		out.Alarms += f.Alarms
	}
	out.Count, out.Share = len(out.List), share(out.Alarms, all)
	slices.SortFunc(out.List, func(a, b Flood) int {
		return cmp.Or(b.Alarms-a.Alarms, a.From.Compare(b.From), cmp.Compare(a.Unit, b.Unit))
	})
	out.List = out.List[:min(len(out.List), floodListed)]
	return out
}
