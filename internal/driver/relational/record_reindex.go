package relational

import (
	"context"
	"fmt"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// stale is a resource whose search rows are made anew.
type stale struct {
	res int64
	old []byte
	rec record.Record
}

// Reindex replaces the search rows of the next resources of a type, in the order of their numbers.
func (r *records) Reindex(ctx context.Context, typ string, after int64, limit int, index func(fhir.Resource) []fhir.Value) (next int64, count int, err error) {
	num, err := r.symbol(ctx, typ)
	if err != nil {
		return 0, 0, err
	}
	n := &naming{r: r}
	err = r.db.Write(ctx, func(tx *Tx) error {
		n.tx, n.fresh, count = tx, map[string]int64{}, 0
		list, err := staleRows(tx, typ, num, after, limit)
		if err != nil {
			return err
		}
		for _, s := range list {
			doc, err := s.rec.Resource()
			if err != nil {
				return err
			}
			rows, err := n.rows(&record.Change{Record: s.rec, Values: index(doc)})
			if err != nil {
				return err
			}
			if err := writeRows(tx, s.res, decodeRows(s.old), rows); err != nil {
				return err
			}
			if err := tx.Later(`UPDATE resource SET idx = ? WHERE res = ?`, encodeRows(rows), s.res); err != nil {
				return fmt.Errorf("reindex %s: %w", s.rec.Ref(), err)
			}
			next = s.res
		}
		count = len(list)
		return nil
	})
	if err == nil {
		r.publish(n.fresh)
	}
	return next, count, err
}

func staleRows(tx *Tx, typ string, num, after int64, limit int) ([]stale, error) {
	rows, err := tx.Query(`SELECT `+versionColumns+`, r.res, r.idx FROM resource r JOIN resource_version v ON v.seq = r.seq
		WHERE r.type = ? AND r.deleted = 0 AND r.res > ? ORDER BY r.res LIMIT ?`, num, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reindex %s: %w", typ, err)
	}
	defer rows.Close()
	var out []stale
	for rows.Next() {
		var s stale
		if s.rec, err = scanRecord(rows, typ, &s.res, &s.old); err != nil {
			return nil, fmt.Errorf("reindex %s: %w", typ, about(err, typ))
		}
		out = append(out, s)
	}
	return out, about(rows.Err(), typ)
}
