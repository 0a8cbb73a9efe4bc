package pebble

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Series is a telemetry.Series in a Pebble database without write-ahead log.
type Series struct{ *db }

var _ telemetry.Series = (*Series)(nil)

// OpenSeries opens or creates the series store in the directory.
func OpenSeries(dir string, o Options) (*Series, error) {
	if o.CacheSize <= 0 {
		o.CacheSize = 64 << 20
	}
	if o.MemTable == 0 {
		o.MemTable = 32 << 20
	}
	d, err := openDB("telemetry.series", dir, o, func(p *pebble.Options) { p.DisableWAL = true })
	if err != nil {
		return nil, err
	}
	return &Series{d}, nil
}

// Write applies the entries as one batch to memory.
func (s *Series) Write(_ context.Context, entries []telemetry.Entry) error {
	return s.write(func() error {
		b := s.p.NewBatch()
		for _, e := range entries {
			var err error
			if e.Value == nil {
				err = b.Delete(e.Key, nil)
			} else {
				err = b.Set(e.Key, e.Value, nil)
			}
			if err != nil {
				return err
			}
		}
		return b.Commit(pebble.NoSync)
	})
}

// Scan calls fn for every key in [from, to).
func (s *Series) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	if bytes.Compare(from, to) >= 0 {
		return nil
	}
	err := s.scan(ctx, from, to, fn)
	if errors.Is(err, telemetry.ErrStop) {
		return nil
	}
	return err
}

// Last returns the greatest key in [from, to) and its value.
func (s *Series) Last(ctx context.Context, from, to []byte) (key, value []byte, err error) {
	if bytes.Compare(from, to) >= 0 {
		return nil, nil, nil
	}
	if err := s.enter(); err != nil {
		return nil, nil, err
	}
	defer s.inside.Done()
	it, err := s.p.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, nil, s.wrap(err)
	}
	defer it.Close()
	if !it.Last() {
		return nil, nil, s.damaged(it.Error())
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return nil, nil, s.damaged(err)
	}
	return bytes.Clone(it.Key()), bytes.Clone(v), nil
}

// damaged counts damage and lets the caller go on as if nothing were there; other errors stay.
func (s *Series) damaged(err error) error {
	if pebble.IsCorruptionError(err) {
		s.lost.Add(1)
		return nil
	}
	return s.wrap(err)
}

// DeleteRange removes the keys and flushes the removal to disk.
func (s *Series) DeleteRange(_ context.Context, from, to []byte) error {
	return s.write(func() error {
		if err := s.p.DeleteRange(from, to, pebble.NoSync); err != nil {
			return err
		}
		return s.p.Flush()
	})
}

// Drop removes the keys in memory.
func (s *Series) Drop(_ context.Context, from, to []byte) error {
	return s.write(func() error { return s.p.DeleteRange(from, to, pebble.NoSync) })
}

// Flush writes what is in memory to disk.
func (s *Series) Flush(context.Context) error {
	return s.write(func() error {
		defer s.measure()
		return s.p.Flush()
	})
}

// Stats says what the store holds.
func (s *Series) Stats() telemetry.SeriesStats {
	out := telemetry.SeriesStats{Bytes: s.bytes.Load(), Lost: s.lost.Load(), Trouble: s.troubled()}
	if f := s.fault.Load(); f != nil {
		out.Fault = f
	}
	return out
}
