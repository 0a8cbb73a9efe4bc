package telemetry

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// keepLoop writes a checkpoint now and then.
func (s *Store) keepLoop(ctx context.Context) {
	tick := time.NewTicker(s.cfg.CheckpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stopKeeper:
			return
		case <-tick.C:
		case <-s.due:
		}
		if s.fault.Load() != nil {
			continue
		}
		if err := s.Checkpoint(ctx); err != nil {
			s.fail("the series cannot be written to disk", err)
			continue
		}
		if err := s.Retain(ctx); err != nil {
			s.cfg.Logger.Error("telemetry retention stopped and is tried again", "error", err)
		}
	}
}

// Checkpoint makes the series durable by themselves up to what is applied, notes the offset with them and forgets the
// log before it, except for what Recent may still ask for. The store does it by itself.
func (s *Store) Checkpoint(ctx context.Context) error {
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	if err := s.keep(ctx); err != nil {
		return err
	}
	if err := s.seal(ctx); err != nil { // what is missing costs readers time, nothing else
		s.cfg.Logger.Warn("summaries were not made and are tried again", "error", err)
	}
	return nil
}

// Freeze writes a checkpoint and calls fn while neither series nor log forget anything, for a copy of both: first the
// series, then the log, which then covers what the series do not have yet. Reports are taken and acknowledged meanwhile.
func (s *Store) Freeze(ctx context.Context, fn func() error) error {
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	if err := s.keep(ctx); err != nil {
		return err
	}
	return fn()
}

// Retain does one bounded step of retention. The store does it by itself after each checkpoint.
func (s *Store) Retain(ctx context.Context) error {
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	return s.retain(ctx)
}

func (s *Store) keep(ctx context.Context) error {
	bytes := s.bytes.Load()
	offset := s.applied()
	now := s.cfg.Now()
	if offset > s.checkpoint.Load() {
		through := make(chan struct{})
		s.keeping.Store(&through)
		defer func() {
			s.keeping.Store(nil)
			close(through)
		}()
		for _, sh := range s.shards {
			if err := sh.save(ctx, now.UnixNano()); err != nil {
				return err
			}
		}
		position := binary.BigEndian.AppendUint64(nil, offset)
		if err := s.cfg.Series.Write(ctx, []Entry{{keyCheckpoint, position}}); err != nil {
			return err
		}
		if err := s.cfg.Series.Flush(ctx); err != nil {
			return err
		}
		s.checkpoint.Store(offset)
		s.keptBytes.Store(bytes)
	}
	old, err := s.cfg.Log.Seek(ctx, now.Add(-s.cfg.Retention).UnixNano())
	if err != nil {
		return err
	}
	if before := min(s.checkpoint.Load()+1, old); before > s.cfg.Log.Stats().First {
		return s.cfg.Log.Truncate(ctx, before)
	}
	return nil
}

// Recent calls fn with every report received at or after the time that the log still holds, in log order, for consumers
// that rebuild their state at start. It reaches back Config.Retention. An error of fn ends it and is returned; ErrStop
// ends it without. It returns Denied at the first report of a subject that ctx may not see.
func (s *Store) Recent(ctx context.Context, since time.Time, fn func(*vigil.Report) error) error {
	if _, ok := access.From(ctx); !ok {
		return vigil.Errorf(vigil.Denied, "telemetry.recent", "not signed in")
	}
	from, err := s.cfg.Log.Seek(ctx, nanos(since))
	if err != nil {
		return err
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	return s.cfg.Log.Read(ctx, from, func(rec Record) error {
		damaged, err := decodeRecord(rec.Data, work, func(r *vigil.Report, _ []byte) error {
			if r.Received < nanos(since) {
				return nil
			}
			if err := access.CheckSubject(ctx, r.Subject); err != nil {
				return err
			}
			return fn(r)
		})
		s.quarantined.Add(uint64(damaged))
		return err
	})
}

// Newest returns when the newest report that the log holds was committed, by the server's clock; zero when it holds none.
func (s *Store) Newest(ctx context.Context) (time.Time, error) {
	stats := s.cfg.Log.Stats()
	if stats.Next <= stats.First {
		return time.Time{}, nil
	}
	var newest time.Time
	err := s.cfg.Log.Read(ctx, stats.Next-1, func(rec Record) error {
		newest = at(rec.At)
		return nil
	})
	return newest, err
}

// Erase removes everything kept about the subject: series, waveforms, events, last values and what the log still holds,
// then reads back to prove it. Reports about the subject that arrive while it runs may stay. Only the house and
// administrators may erase. It returns Conflict while a legal hold is set and Internal when anything is left.
func (s *Store) Erase(ctx context.Context, name vigil.Subject) error {
	const op = "telemetry.erase"
	if err := access.CheckSubject(ctx, name); err != nil {
		return err
	}
	if p, _ := access.From(ctx); !p.Has(access.Admin, access.System) {
		return vigil.Errorf(vigil.Denied, op, "only an administrator may erase")
	}
	if !name.Valid() {
		return vigil.Errorf(vigil.Invalid, op, "%q is no subject", name)
	}
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	if err := s.held(op, name); err != nil {
		return err
	}
	// The log first: after a crash in between, the replay must not bring anything back.
	if err := s.eraseLog(ctx, name); err != nil {
		return err
	}
	sh := s.shardOf(name)
	sh.mu.Lock()
	err := sh.edit.flush(ctx)
	for _, table := range []byte{tableData, tableLast} {
		prefix := subjectPrefix(table, name)
		if err == nil {
			err = s.cfg.Series.DeleteRange(ctx, prefix, prefixEnd(prefix))
		}
	}
	delete(sh.subjects, name)
	sh.mu.Unlock()
	if err != nil {
		return err
	}
	for _, table := range []byte{tableData, tableLast} {
		prefix := subjectPrefix(table, name)
		err := s.cfg.Series.Scan(ctx, prefix, prefixEnd(prefix), func(key, _ []byte) error {
			return vigil.Errorf(vigil.Internal, op, "something is left in table %q", key[0])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eraseLog rewrites the records that speak of the subject.
func (s *Store) eraseLog(ctx context.Context, name vigil.Subject) error {
	work := new(scratch)
	return s.cfg.Log.Read(ctx, 0, func(rec Record) error {
		kept, found := []byte{recordVersion}, false
		if _, err := decodeRecord(rec.Data, work, func(r *vigil.Report, raw []byte) error {
			if r.Subject == name {
				found = true
			} else {
				kept = append(kept, raw...)
			}
			return nil
		}); err != nil || !found {
			return err
		}
		return s.cfg.Log.Replace(ctx, Record{Offset: rec.Offset, At: rec.At, Data: kept})
	})
}
