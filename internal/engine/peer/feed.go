package peer

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Names of marks: how far the queue of a peer was fed.
const (
	markRecords = "records" // newest commit
	markAlarms  = "alarms"  // newest change of an alarm, Unix nanoseconds
	markVitals  = "vitals"  // the hour that is next, Unix seconds
)

const (
	alarmsBack = 90 * 24 * time.Hour // alarms that were raised earlier and changed while the house stood still are not told
	vitalsBack = 7 * 24              // hours that are made up for after a standstill
	lateness   = 5 * time.Minute     // what an hour's late samples get to arrive
)

// feeder turns what happens into items of the queue. Marks move in the same transaction, so that a kill loses nothing.
type feeder struct {
	*line
	sub     *alarm.Subscription
	began   bool  // alarms were listed once
	follows bool  // records is known
	records int64 // newest commit that was looked at
	hour    int64
}

func (f *feeder) round(ctx context.Context) error {
	if err := f.followRecords(ctx); err != nil {
		return err
	}
	if slices.Contains(f.Push, Alarms) || f.Vitals.AroundAlarm > 0 {
		if err := f.followAlarms(ctx); err != nil {
			return err
		}
	}
	if f.Vitals.Hourly {
		return f.followHours(ctx)
	}
	return nil
}

// number reads a mark; ok is false the first time.
func (f *feeder) number(ctx context.Context, name string) (n int64, ok bool, err error) {
	text, err := f.d.cfg.Links.Mark(ctx, f.Name, name)
	if err != nil || text == "" {
		return 0, false, err
	}
	n, err = strconv.ParseInt(text, 10, 64)
	return n, err == nil, err
}

func (f *feeder) enqueue(ctx context.Context, items []Item, mark string, at int64) error {
	now := f.d.cfg.Now()
	for i := range items {
		if items[i].Added = now; items[i].Due.IsZero() {
			items[i].Due = now
		}
	}
	return f.d.cfg.Queue.Enqueue(ctx, f.Name, items, mark, strconv.FormatInt(at, 10))
}

// followRecords asks for what was written since the mark. The very first time everything begins now: what is older goes
// when something refers to it.
func (f *feeder) followRecords(ctx context.Context) error {
	last, err := f.d.cfg.Changes.Last(ctx)
	if err != nil || f.follows && last <= f.records {
		return err
	}
	if !f.follows {
		at, ok, err := f.number(ctx, markRecords)
		if err != nil {
			return err
		}
		if f.records = at; !ok {
			f.records = last
			err := f.enqueue(ctx, nil, markRecords, f.records)
			f.follows = err == nil
			return err
		}
		f.follows = true
	}
	var items []Item
	newest := f.records
	q := record.HistoryQuery{Limit: 500}
	for {
		page, err := f.d.cfg.Changes.History(ctx, q)
		if err != nil {
			return err
		}
		for _, rec := range page {
			if q.After = rec.Seq; rec.Seq <= f.records {
				break
			}
			newest = max(newest, rec.Seq)
			if slices.Contains(f.Push, rec.Type) && (rec.Deleted || f.d.ours(rec)) {
				items = append(items, Item{Key: "record " + rec.Ref()})
			}
		}
		if len(page) < q.Limit || q.After <= f.records {
			break
		}
	}
	slices.Reverse(items)
	if newest == f.records {
		return nil
	}
	if err := f.enqueue(ctx, items, markRecords, newest); err != nil {
		return err
	}
	f.records = newest
	return nil
}

// ours reports whether a record was made here and may leave: not pulled from a peer, not pushed by one, not among staff.
func (d *Desk) ours(rec record.Record) bool {
	r, err := rec.Resource()
	return err == nil && d.fromHere(r) && !hasLabel(r)
}

func (d *Desk) fromHere(r fhir.Resource) bool {
	for _, tag := range r.List("meta.tag") {
		switch tag.Str("system") {
		case TagPeer:
			return false
		case TagHouse:
			return tag.Str("code") == d.house
		}
	}
	return true
}

func hasLabel(r fhir.Resource) bool {
	return slices.ContainsFunc(r.List("meta.security"), func(l fhir.Resource) bool {
		return l.Str("system") == record.SecuritySystem && l.Str("code") == record.SecurityStaff
	})
}

// followAlarms asks for alarms that changed: those that the desk tells of, and when the house begins or the desk told too
// much at once, those that it lists.
func (f *feeder) followAlarms(ctx context.Context) error {
	mark, ok, err := f.number(ctx, markAlarms)
	if err != nil {
		return err
	}
	if !ok {
		f.began = true
		return f.enqueue(ctx, nil, markAlarms, f.d.cfg.Now().UnixNano())
	}
	var changed []vigil.Alarm
	for more := true; more; {
		select {
		case a := <-f.sub.C:
			changed = append(changed, a)
		default:
			more = false
		}
	}
	if f.sub.Missed() || !f.began {
		list, err := f.d.cfg.Alarms.List(ctx, alarm.Query{From: f.d.cfg.Now().Add(-alarmsBack), Limit: 10_000})
		if err != nil {
			return err
		}
		changed = append(changed, slices.DeleteFunc(list, func(a vigil.Alarm) bool { return a.Updated.UnixNano() < mark })...)
	}
	if len(changed) == 0 {
		f.began = true
		return nil
	}
	var items []Item
	for i := range changed {
		mark = max(mark, changed[i].Updated.UnixNano())
		items = append(items, f.itemsOf(&changed[i])...)
	}
	if err := f.enqueue(ctx, items, markAlarms, mark); err != nil {
		f.began = false // what the desk told is read again from its list
		return err
	}
	f.began = true
	return nil
}

func (f *feeder) itemsOf(a *vigil.Alarm) (out []Item) {
	if !told(a) {
		return nil
	}
	if slices.Contains(f.Push, Alarms) {
		out = append(out, Item{Key: "alarm " + a.ID})
	}
	if w := f.Vitals.AroundAlarm; w > 0 && a.Kind == vigil.KindAlarm && a.State != vigil.AlarmResolved {
		from := a.Onset.Add(-w).Truncate(time.Second)
		out = append(out, Item{Key: vitalsKey(a.Subject, from, 2*w), Due: a.Onset.Add(w + lateness/5)})
	}
	return out
}

// told reports whether a peer is told of an alarm: a patient's, about his state or because he called.
func told(a *vigil.Alarm) bool {
	return a.Subject.IsPatient() && (a.Kind == vigil.KindAlarm && a.Class == vigil.Physiological || a.Kind == vigil.KindCall)
}

// followHours asks for the hours that are over.
func (f *feeder) followHours(ctx context.Context) error {
	now := f.d.cfg.Now()
	if f.hour == 0 {
		at, ok, err := f.number(ctx, markVitals)
		if err != nil {
			return err
		}
		if f.hour = at; !ok {
			f.hour = now.Truncate(time.Hour).Unix()
			return f.enqueue(ctx, nil, markVitals, f.hour)
		}
	}
	f.hour = max(f.hour, now.Add(-vitalsBack*time.Hour).Truncate(time.Hour).Unix())
	for {
		from := time.Unix(f.hour, 0)
		if now.Before(from.Add(time.Hour + lateness)) {
			return nil
		}
		var items []Item
		for _, s := range f.d.cfg.Telemetry.Subjects(ctx) {
			if s.IsPatient() {
				items = append(items, Item{Key: vitalsKey(s, from, time.Hour)})
			}
		}
		if err := f.enqueue(ctx, items, markVitals, f.hour+3600); err != nil {
			return err
		}
		f.hour += 3600
	}
}

func vitalsKey(s vigil.Subject, from time.Time, span time.Duration) string {
	return "vitals " + string(s) + " " + strconv.FormatInt(from.Unix(), 10) + " " + strconv.Itoa(int(span.Seconds()))
}

// parseVitals reads what vitalsKey wrote, without its first word.
func parseVitals(rest string) (s vigil.Subject, from time.Time, span time.Duration, ok bool) {
	parts := strings.Fields(rest)
	if len(parts) != 3 {
		return "", from, 0, false
	}
	at, err1 := strconv.ParseInt(parts[1], 10, 64)
	seconds, err2 := strconv.Atoi(parts[2])
	s = vigil.Subject(parts[0])
	return s, time.Unix(at, 0), time.Duration(seconds) * time.Second, err1 == nil && err2 == nil && seconds > 0 && s.IsPatient()
}
