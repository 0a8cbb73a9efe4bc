package subscription

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Names of positions.
const (
	inRecords   = "records"
	inTelemetry = "telemetry"
)

// follower goes along records and telemetry.
type follower struct {
	d         *Desk
	records   uint64 // newest commit that was looked at
	telemetry uint64 // offset that is looked at next
}

// open reads the Subscriptions and the positions; the very first time everything begins now.
func (d *Desk) open(ctx context.Context) (*follower, error) {
	f := &follower{d: d}
	var err error
	if f.records, err = d.cfg.Book.Position(ctx, inRecords); err != nil {
		return nil, err
	}
	if f.records == 0 {
		last, err := d.cfg.Changes.Last(ctx)
		if err != nil {
			return nil, err
		}
		f.records = uint64(last)
	}
	if f.telemetry, err = d.cfg.Book.Position(ctx, inTelemetry); err != nil {
		return nil, err
	}
	if f.telemetry == 0 {
		f.telemetry = d.cfg.Telemetry.Health().LogPosition + 1
	}
	if err := d.cfg.Book.Append(ctx, nil, inRecords, f.records); err != nil {
		return nil, err
	}
	if err := d.cfg.Book.Append(ctx, nil, inTelemetry, f.telemetry); err != nil {
		return nil, err
	}
	states, err := d.cfg.Book.States(ctx)
	if err != nil {
		return nil, err
	}
	params := url.Values{"_count": {"1000"}}
	for params != nil {
		page, err := d.cfg.Records.Search(ctx, "Subscription", params)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			if i := slices.IndexFunc(states, func(s State) bool { return s.ID == rec.ID }); i >= 0 {
				d.take(rec, states[i])
			}
		}
		params = page.Next
	}
	return f, nil
}

// round looks at what is new and keeps its events; it reports whether more waits.
func (f *follower) round(ctx context.Context) (more bool, err error) {
	if err := f.followRecords(ctx); err != nil {
		return false, err
	}
	return f.followTelemetry(ctx)
}

func (f *follower) followRecords(ctx context.Context) error {
	last, err := f.d.cfg.Changes.Last(ctx)
	if err != nil || uint64(last) <= f.records {
		return err
	}
	var list []record.Record
	q := record.HistoryQuery{Limit: 500}
	for {
		page, err := f.d.cfg.Changes.History(ctx, q)
		if err != nil {
			return err
		}
		for _, rec := range page {
			if q.After = rec.Seq; uint64(rec.Seq) > f.records {
				list = append(list, rec)
			}
		}
		if len(page) < q.Limit || uint64(q.After) <= f.records {
			break
		}
	}
	if len(list) == 0 {
		return nil
	}
	var events []Event
	slices.Reverse(list)
	for _, rec := range list {
		if rec.Type == "Subscription" {
			if err := f.d.load(ctx, rec.ID); err != nil {
				return err
			}
			continue
		}
		wishes := f.d.list(rec.Type)
		if len(wishes) == 0 {
			continue
		}
		r, was, err := f.spokenOf(ctx, rec)
		if err != nil {
			return err
		}
		for i := range wishes {
			if wishes[i].filter.Matches(r) {
				events = append(events, Event{Subscription: wishes[i].id, At: rec.Updated, Focus: rec.Ref(), Deleted: was})
			}
		}
	}
	to := uint64(list[len(list)-1].Seq)
	if err := f.keep(ctx, events, inRecords, to); err != nil {
		return err
	}
	f.records = to
	return nil
}

// spokenOf returns what filters are asked about: the resource, of a deletion its last version, whose number is was.
func (f *follower) spokenOf(ctx context.Context, rec record.Record) (r fhir.Resource, was int64, err error) {
	if rec.Deleted {
		was = rec.Version - 1
		if rec, err = f.d.cfg.Records.VRead(ctx, rec.Type, rec.ID, was); err != nil {
			return nil, 0, err
		}
	}
	r, err = rec.Resource()
	return r, was, err
}

var errFull = errors.New("enough for one round")

func (f *follower) followTelemetry(ctx context.Context) (more bool, err error) {
	wishes := f.d.list("Observation")
	if len(wishes) == 0 { // nobody is told: what is said now is past
		end := f.d.cfg.Telemetry.Health().LogPosition + 1
		if end == f.telemetry {
			return false, nil
		}
		f.telemetry = end
		return false, f.keep(ctx, nil, inTelemetry, end)
	}
	var events []Event
	now := f.d.cfg.Now()
	next, err := f.d.cfg.Telemetry.Follow(ctx, f.telemetry, func(_ uint64, reports []*vigil.Report) error {
		if len(events) >= 5000 {
			return errFull
		}
		for _, r := range reports {
			for _, o := range f.d.cfg.Observations(r) {
				for i := range wishes {
					if wishes[i].filter.Matches(o) {
						events = append(events, Event{Subscription: wishes[i].id, At: now, Focus: o.Ref(), JSON: fhir.Encode(o)})
					}
				}
			}
		}
		return nil
	})
	more = errors.Is(err, errFull)
	if err != nil && !more || next == f.telemetry {
		return false, err
	}
	if err := f.keep(ctx, events, inTelemetry, next); err != nil {
		return false, err
	}
	f.telemetry = next
	return more, nil
}

func (f *follower) keep(ctx context.Context, events []Event, name string, at uint64) error {
	if err := f.d.cfg.Book.Append(ctx, events, name, at); err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	for _, e := range events {
		if a := f.d.active[e.Subscription]; a != nil {
			a.state.Events++
		}
	}
	return nil
}
