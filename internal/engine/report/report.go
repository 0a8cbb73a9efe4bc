// Package report tells a unit what its alarms cost it: how many a bed and day, when, by which rules, for whom, how soon
// somebody answered, how many were not real, and which change of a limit would help.
//
// It only reads: the desk's book for what was raised, and replays of the rules for what another limit would have raised.
// It draws no page (driver/paper) and changes no limit. Start at Desk; every figure is a field of Report.
package report

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Book answers with the alarms that were raised. Calls may be concurrent.
type Book interface {
	// Each calls fn with every alarm raised in [from, to), of one unit or of all (""), in the order they were raised,
	// without evidence. fn must not keep the alarm. An error of fn ends it and is returned.
	Each(ctx context.Context, q Query, fn func(a *vigil.Alarm) error) error
}

// Query is the time and the unit a report is about.
type Query struct {
	From, To time.Time // raised in [From, To)
	Unit     string    // "" is every unit
}

// Config is what reports need from outside.
type Config struct {
	Book Book
	// Watched returns the days (as 2026-03-01, in Zone) on which a patient of the unit had any vital sign, so that quiet beds
	// count too. It may be nil: then only days with an alarm count.
	Watched func(ctx context.Context, q Query) (map[vigil.Subject][]string, error)
	Replay  Replay // nil: no changes are proposed
	// InCharge says whether a nurse leads a unit; only such nurses read reports. nil: all may.
	InCharge func(ctx context.Context, p access.Principal) bool
	Targets  map[vigil.Priority]time.Duration // nil: Targets()
	Zone     *time.Location                   // of days and hours; nil is UTC
	Now      func() time.Time
}

// Targets returns how soon an alarm of each priority should have been answered, unless the house says otherwise.
func Targets() map[vigil.Priority]time.Duration {
	return map[vigil.Priority]time.Duration{vigil.PriorityHigh: 2 * time.Minute, vigil.PriorityMedium: 5 * time.Minute, vigil.PriorityLow: 15 * time.Minute}
}

const (
	longest = 366 * 24 * time.Hour

	shortAlarm  = 5 * time.Second  // nobody can have acted on it
	repeatedIn  = 15 * time.Minute // the same rule again for the same patient
	nightFrom   = 22
	nightTo     = 6
	worstListed = 20
)

// Report is the alarms of a time. Shares are 0 to 1, durations seconds, days and hours those of the hospital.
type Report struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Unit   string    `json:"unit,omitempty"`
	Zone   string    `json:"zone"`
	MadeAt time.Time `json:"made_at"`

	Alarms     int          `json:"alarms"`
	Patients   int          `json:"patients"` // watched, or with an alarm
	Load       Load         `json:"load"`
	Days       []Day        `json:"days"`
	Heat       [7][24]int   `json:"heat"`  // by weekday, Monday first, and hour
	Night      float64      `json:"night"` // share from 22 to 6
	Priorities []Group      `json:"priorities"`
	Classes    []Group      `json:"classes"` // physiological, technical
	Units      []Group      `json:"units"`
	Rules      []Rule       `json:"rules"` // most alarms first
	Judged     Judged       `json:"judged"`
	Response   []Response   `json:"response"`
	Escalated  Escalated    `json:"escalated"`
	Floods     Floods       `json:"floods"`
	Nuisance   Nuisance     `json:"nuisance"`
	Worst      []Patient    `json:"worst"`       // most alarms first, at most 20
	WorstTenth float64      `json:"worst_tenth"` // share of all alarms that the tenth of patients with most had
	Changes    []Suggestion `json:"changes,omitempty"`
}

// Load is alarms a bed and day: of every day on which a patient was watched.
type Load struct {
	BedDays      int           `json:"bed_days"`
	Mean         float64       `json:"mean"`
	Median       float64       `json:"median"`
	P90          float64       `json:"p90"`
	Worst        int           `json:"worst"`
	WorstSubject vigil.Subject `json:"worst_subject,omitempty"`
	WorstDay     string        `json:"worst_day,omitempty"`
}

// Day is the alarms of one day.
type Day struct {
	Day    string  `json:"day"`
	Beds   int     `json:"beds"`
	Alarms int     `json:"alarms"`
	PerBed float64 `json:"per_bed"`
	High   int     `json:"high"`
	Medium int     `json:"medium"`
	Low    int     `json:"low"`
}

// Group is a part of the alarms.
type Group struct {
	Key    string  `json:"key"`
	Alarms int     `json:"alarms"`
	Share  float64 `json:"share"`
}

// Judged is what staff said of alarms. False is the share of artefacts among those judged, with its Wilson interval of 95 %;
// with none judged it is 0 and the interval 0 to 1.
type Judged struct {
	Judged   int     `json:"judged"`
	Real     int     `json:"real"`
	NoAction int     `json:"no_action"`
	Artefact int     `json:"artefact"`
	False    float64 `json:"false"`
	Low      float64 `json:"false_low"`
	High     float64 `json:"false_high"`
}

// Rule is the alarms of one rule.
type Rule struct {
	Key      string       `json:"key"`
	Title    string       `json:"title"`
	Metric   vigil.Metric `json:"metric,omitempty"`
	Alarms   int          `json:"alarms"`
	Share    float64      `json:"share"`
	Patients int          `json:"patients"`
	Night    float64      `json:"night"`
	MedianS  float64      `json:"median_s"` // how long the condition held on the desk, of those that ended
	P90S     float64      `json:"p90_s"`
	Short    int          `json:"short"`    // ended within 5 s
	Repeated int          `json:"repeated"` // within 15 min of the last of the same patient
	Demoted  int          `json:"demoted"`
	Judged
}

// Response is how soon people answered alarms of a priority. An alarm counts towards Within when it was answered, or still
// stood, when the target was over; one that went away before by itself asked nothing of anybody.
type Response struct {
	Priority vigil.Priority `json:"priority"`
	Step     string         `json:"step"` // seen, accepted, acknowledged, resolved
	N        int            `json:"n"`    // that were
	MedianS  float64        `json:"median_s"`
	P90S     float64        `json:"p90_s"`
	TargetS  float64        `json:"target_s,omitempty"`
	Due      int            `json:"due,omitempty"`
	Within   float64        `json:"within,omitempty"` // of Due
}

// Escalated is how many alarms went on to a further step of their chain.
type Escalated struct {
	Alarms int     `json:"alarms"`
	Share  float64 `json:"share"`
	Steps  int     `json:"steps"`
}

// Patient is somebody with many alarms.
type Patient struct {
	Subject vigil.Subject `json:"subject"`
	Alarms  int           `json:"alarms"`
	Share   float64       `json:"share"`
	Days    int           `json:"days"`
	PerDay  float64       `json:"per_day"`
	Rules   []Group       `json:"rules"` // the three with most
	Judged
}

// Desk makes reports. It keeps nothing.
type Desk struct{ cfg Config }

// New returns the desk.
func New(cfg Config) *Desk {
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.Targets == nil {
		cfg.Targets = Targets()
	}
	return &Desk{cfg}
}

// Make writes the report of a time. Who sees no charts gets patients without their names: P1, P2, …
// It returns Denied, Invalid for a time that is none, and what the Book returns.
func (d *Desk) Make(ctx context.Context, q Query) (*Report, error) {
	clinical, err := d.mayRead(ctx)
	if err != nil {
		return nil, err
	}
	out, err := d.make(ctx, q)
	if err != nil {
		return nil, err
	}
	if !clinical {
		out.Hide()
	}
	return out, nil
}

func (d *Desk) make(ctx context.Context, q Query) (*Report, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	t := newTally(q, d.cfg)
	if err := d.cfg.Book.Each(ctx, q, t.add); err != nil {
		return nil, err
	}
	if d.cfg.Watched != nil {
		days, err := d.cfg.Watched(ctx, q)
		if err != nil {
			return nil, err
		}
		t.watched(days)
	}
	return t.report(), nil
}

func (q Query) check() error {
	switch span := q.To.Sub(q.From); {
	case q.From.IsZero() || q.To.IsZero() || span <= 0:
		return vigil.Errorf(vigil.Invalid, "report.alarms", "a report needs a time that begins before it ends")
	case span > longest:
		return vigil.Errorf(vigil.Invalid, "report.alarms", "a report spans at most 366 days")
	}
	return nil
}

// mayRead lets physicians, engineers, administrators and nurses in charge in, and says who may see names.
func (d *Desk) mayRead(ctx context.Context) (clinical bool, err error) {
	p, ok := access.From(ctx)
	switch {
	case !ok:
	case p.Has(access.Physician, access.Admin, access.System):
		return true, nil
	case p.Has(access.Nurse) && (d.cfg.InCharge == nil || d.cfg.InCharge(ctx, p)):
		return true, nil
	case p.Has(access.Engineer):
		return false, nil
	}
	return false, vigil.Errorf(vigil.Denied, "report.alarms", "alarm reports are for nurses in charge, physicians, engineers and administrators")
}

// Hide takes away who the patients are: the same patient has the same number everywhere in the report.
func (r *Report) Hide() {
	names := pseudonyms{}
	for i := range r.Worst {
		r.Worst[i].Subject = names.of(r.Worst[i].Subject)
	}
	r.Load.WorstSubject = names.of(r.Load.WorstSubject)
	for i := range r.Changes {
		c := &r.Changes[i]
		if c.Subject = names.of(c.Subject); c.Subject != "" {
			c.Link = ""
		}
	}
}

// ParseQuery reads unit, from and to as a person gives them: a day (2026-03-01; to includes it) or a time (RFC 3339), in
// the zone; without from it is the seven days before to, without to it ends now. It returns Invalid.
func ParseQuery(get func(string) string, now time.Time, zone *time.Location) (Query, error) {
	q := Query{Unit: get("unit"), To: now}
	var err error
	if s := get("to"); s != "" {
		if q.To, err = moment(s, zone, 1); err != nil {
			return q, err
		}
	}
	q.From = q.To.AddDate(0, 0, -7)
	if s := get("from"); s != "" {
		q.From, err = moment(s, zone, 0)
	}
	return q, err
}

func moment(s string, zone *time.Location, days int) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t.AddDate(0, 0, days), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, vigil.Errorf(vigil.Invalid, "report.query", "%q is neither a day (2026-03-01) nor a time (2026-03-01T08:00:00Z)", s)
	}
	return t, nil
}
