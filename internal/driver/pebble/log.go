package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Keys of the log: 'r' offset at crc32c, the first two eight bytes big-endian; the sum makes a key known in the raw bytes
// of a write-ahead log, see logscan.go. 'n' holds the offset that the next record gets, written
// when records are forgotten so that no offset is used twice.
const logRecord = 'r'

var logNext = []byte{'n'}

// Log is a telemetry.Log in a Pebble database. The keys ascend, so files move down the levels without being rewritten.
type Log struct {
	*db
	first, next atomic.Uint64
	mark        *logMark
	unmarked    bool // a mark could not be written, which was said once
}

var _ telemetry.Log = (*Log)(nil)

// OpenLog opens or creates the log in the directory. It returns Internal when what it held is damaged beyond the end.
func OpenLog(dir string, o Options) (*Log, error) {
	if o.CacheSize <= 0 {
		o.CacheSize = 16 << 20
	}
	if o.MemTable == 0 {
		o.MemTable = 32 << 20
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	seen, torn, err := newestWritten(dir, o)
	if err != nil {
		return nil, err
	}
	marked := readMark(o.FS, dir)
	d, err := openDB("telemetry.log", dir, o, func(*pebble.Options) {})
	if err != nil {
		return nil, err
	}
	l := &Log{db: d}
	if err := l.bounds(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	// Of what was written the last record may have been on its way and was never acknowledged; what stands before it was,
	// and so was what is marked.
	switch next, acked := l.next.Load(), max(seen, marked+1); {
	case acked > next:
		l.lost.Add(acked - next)
		l.log.Error("the end of the telemetry log is damaged: acknowledged records are lost", "records", acked-next)
	case torn:
		l.log.Warn("the last record of the telemetry log is there in part; unless the power was lost while it was written, the disk is damaged")
	}
	l.next.Store(max(l.next.Load(), seen+1, marked+1))
	if l.mark, err = openMark(o.FS, dir); err != nil {
		return nil, errors.Join(l.wrap(err), d.Close())
	}
	return l, nil
}

// Close closes the mark and the database.
func (l *Log) Close() error {
	l.mu.Lock()
	was := l.closed
	l.mu.Unlock()
	if was || l.fault.Load() != nil {
		return l.db.Close()
	}
	return errors.Join(l.db.Close(), l.wrap(l.mark.close()))
}

func (l *Log) bounds() error {
	next := uint64(1)
	value, closer, err := l.p.Get(logNext)
	if err == nil {
		if len(value) == 8 {
			next = max(next, binary.BigEndian.Uint64(value))
		}
		err = closer.Close()
	}
	if err != nil && !errors.Is(err, pebble.ErrNotFound) {
		return l.wrap(err)
	}
	it, err := l.p.NewIter(&pebble.IterOptions{LowerBound: logKey(0), UpperBound: []byte{logRecord + 1}, KeyTypes: pebble.IterKeyTypePointsOnly})
	if err != nil {
		return l.wrap(err)
	}
	defer it.Close()
	first := uint64(0)
	if it.Last() {
		next = max(next, binary.BigEndian.Uint64(it.Key()[1:])+1)
	}
	if it.Error() == nil && it.First() {
		first = binary.BigEndian.Uint64(it.Key()[1:])
	} else if it.Error() == nil {
		first = next
	}
	if err := it.Error(); pebble.IsCorruptionError(err) {
		if next, err = l.tableBounds(next); err != nil {
			return l.wrap(err)
		}
	} else if err != nil {
		return l.wrap(err)
	}
	l.first.Store(first)
	l.next.Store(next)
	return nil
}

// tableBounds returns an offset after every table that the manifest lists: what a damaged table held cannot be asked, and
// an offset must not be used twice.
func (l *Log) tableBounds(next uint64) (uint64, error) {
	levels, err := l.p.SSTables()
	if err != nil {
		return next, err
	}
	for _, level := range levels {
		for _, table := range level {
			if key := table.Largest.UserKey; len(key) >= 9 && key[0] == logRecord {
				next = max(next, binary.BigEndian.Uint64(key[1:])+1)
			}
		}
	}
	return next, nil
}

func logKey(offset uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{logRecord}, offset)
}

func recordKey(offset uint64, at int64) []byte {
	key := binary.BigEndian.AppendUint64(logKey(offset), uint64(at))
	return binary.BigEndian.AppendUint32(key, crc32.Checksum(key, castagnoli))
}

// Append writes one record, synced.
func (l *Log) Append(_ context.Context, at int64, data []byte) (uint64, error) {
	offset := l.next.Load()
	err := l.write(func() error {
		if offset%256 == 0 {
			l.measure()
		}
		return l.p.Set(recordKey(offset, at), data, pebble.Sync)
	})
	if err != nil {
		return 0, err
	}
	l.next.Store(offset + 1)
	if err := l.mark.note(offset); err != nil && !l.unmarked {
		l.unmarked = true
		l.log.Warn("the newest acknowledged record cannot be marked", "error", err)
	}
	return offset, nil
}

// Read calls fn for every record from the offset on.
func (l *Log) Read(ctx context.Context, from uint64, fn func(telemetry.Record) error) error {
	err := l.scan(ctx, logKey(from), []byte{logRecord + 1}, func(key, value []byte) error {
		if len(key) != recordKeyLen {
			l.lost.Add(1)
			return nil
		}
		return fn(telemetry.Record{Offset: binary.BigEndian.Uint64(key[1:]), At: int64(binary.BigEndian.Uint64(key[9:])), Data: value})
	})
	if errors.Is(err, telemetry.ErrStop) {
		return nil
	}
	return err
}

// Seek searches the keys by halving: At never decreases.
func (l *Log) Seek(ctx context.Context, at int64) (uint64, error) {
	if err := l.enter(); err != nil {
		return 0, err
	}
	defer l.inside.Done()
	it, err := l.p.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: logKey(0), UpperBound: []byte{logRecord + 1}})
	if err != nil {
		return 0, l.wrap(err)
	}
	defer it.Close()
	lo, hi := l.first.Load(), l.next.Load() // the answer lies in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		if it.SeekGE(logKey(mid)) && int64(binary.BigEndian.Uint64(it.Key()[9:])) < at {
			lo = binary.BigEndian.Uint64(it.Key()[1:]) + 1
		} else if it.Error() != nil {
			return l.first.Load(), nil // unreadable there: the caller filters what comes too early
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// Replace overwrites a record, synced.
func (l *Log) Replace(_ context.Context, r telemetry.Record) error {
	if r.Offset < l.first.Load() || r.Offset >= l.next.Load() {
		return vigil.Errorf(vigil.NotFound, l.op, "no record %d", r.Offset)
	}
	return l.write(func() error { return l.p.Set(recordKey(r.Offset, r.At), r.Data, pebble.Sync) })
}

// Truncate deletes the records before the offset in one range.
func (l *Log) Truncate(_ context.Context, before uint64) error {
	before = min(before, l.next.Load())
	if before <= l.first.Load() {
		return nil
	}
	err := l.write(func() error {
		b := l.p.NewBatch()
		if err := b.Set(logNext, binary.BigEndian.AppendUint64(nil, l.next.Load()), nil); err != nil {
			return err
		}
		if err := b.DeleteRange(logKey(0), logKey(before), nil); err != nil {
			return err
		}
		return b.Commit(pebble.Sync)
	})
	if err != nil {
		return err
	}
	l.first.Store(before)
	return nil
}

// Stats says what the log holds.
func (l *Log) Stats() telemetry.LogStats {
	s := telemetry.LogStats{First: l.first.Load(), Next: l.next.Load(), Bytes: l.bytes.Load(), Lost: l.lost.Load(), Trouble: l.troubled()}
	if f := l.fault.Load(); f != nil {
		s.Fault = f
	}
	return s
}
