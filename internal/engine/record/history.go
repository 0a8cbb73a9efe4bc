package record

import (
	"context"

	"github.com/vigil-health/vigil"
)

// History returns versions of one resource, of all of a type, or of everything, deletions too, newest first, and
// whether more follow. NotFound when a resource is asked for whose id was never used. A patient sees the versions
// within his own compartment; q.Patient can only narrow that.
func (s *Store) History(ctx context.Context, q HistoryQuery) (recs []Record, more bool, err error) {
	if q.Type != "" {
		if err := checkType(q.Type); err != nil {
			return nil, false, err
		}
	}
	only, err := checkRead(ctx, q.Type)
	if err != nil || only != "" && q.Patient != "" && q.Patient != only {
		s.denied(ctx, "record.history", q.Type, q.ID)
		return nil, false, vigil.Errorf(vigil.Denied, "record.history", "your role does not give access to this history")
	}
	if only != "" {
		q.Patient = only
	}
	limit := q.Limit
	if limit > 0 {
		q.Limit++
	}
	if recs, err = s.cfg.Backend.History(ctx, q); err != nil {
		return nil, false, err
	}
	if len(recs) == 0 && q.ID != "" {
		if _, err := s.guarded(ctx, "record.history", q.Type, q.ID, func() (Record, error) { return s.cfg.Backend.Current(ctx, q.Type, q.ID) }); err != nil {
			return nil, false, err
		}
	}
	if more = limit > 0 && len(recs) > limit; more {
		recs = recs[:limit]
	}
	what := q.Type
	if q.ID != "" {
		what += "/" + q.ID
	}
	return recs, more, s.noted(ctx, "record.history", what, "", touched(Page{Records: recs}))
}
