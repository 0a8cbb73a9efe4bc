// Package pebble keeps the telemetry log and the series in two Pebble databases, one directory each.
//
// Log syncs every record before it answers; Series has no log of its own and is durable at Flush only, because the store
// replays the log. After the first failed write a database takes nothing more: Pebble's goroutine that met the failure is
// parked, so that nothing is retried and no file is removed in the belief that the write succeeded.
// The package decides nothing about content (engine/telemetry). Start at OpenLog and OpenSeries.
package pebble

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vigil-health/vigil"
)

// Options say where and how a database lives. The zero value is the real disk with modest memory.
type Options struct {
	FS        vfs.FS       // the real one when nil
	CacheSize int64        // default 16 MB for the log, 64 MB for the series
	MemTable  uint64       // default 32 MB
	Logger    *slog.Logger // discards when nil
}

// db is what both stores share: one Pebble database, its fault, and a count of who is inside.
type db struct {
	op      string
	p       *pebble.DB
	log     *slog.Logger
	stuck   chan struct{} // closed at the first fatal failure
	once    sync.Once
	fault   atomic.Pointer[vigil.Error]
	trouble atomic.Pointer[string] // background work that is being retried
	lost    atomic.Uint64
	bytes   atomic.Int64

	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

func openDB(op, dir string, o Options, tune func(*pebble.Options)) (*db, error) {
	d := &db{op: op, log: o.Logger, stuck: make(chan struct{})}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	opts := &pebble.Options{
		FS: o.FS, FormatMajorVersion: pebble.FormatNewest, MemTableSize: o.MemTable, CacheSize: o.CacheSize,
		MemTableStopWritesThreshold: 4, LBaseMaxBytes: 64 << 20, MaxOpenFiles: 1000, Logger: fatalLogger{d},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				msg := err.Error()
				d.trouble.Store(&msg)
			},
			// Pebble's own answer to damage is fatal; here it is counted where it is read, and the rest is served.
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				d.log.Warn("stored telemetry is damaged", "op", op, "file", i.Path, "error", i.Details)
			},
			FlushEnd: func(i pebble.FlushInfo) {
				if i.Err == nil {
					d.trouble.Store(nil)
				}
			},
		},
	}
	for i := range opts.Levels {
		opts.Levels[i] = pebble.LevelOptions{BlockSize: 32 << 10, Compression: func() *sstable.CompressionProfile { return sstable.SnappyCompression }}
	}
	tune(opts)
	err := d.guard(func() (err error) {
		d.p, err = pebble.Open(dir, opts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", op, err)
	}
	d.measure()
	return d, nil
}

// fatalLogger turns Pebble's fatal failures into the database's fault.
type fatalLogger struct{ d *db }

func (l fatalLogger) Infof(string, ...any) {}
func (l fatalLogger) Errorf(f string, a ...any) {
	l.d.log.Debug("pebble", "text", fmt.Sprintf(f, a...))
}
func (l fatalLogger) Fatalf(f string, a ...any) {
	l.d.fail(fmt.Errorf(f, a...))
	select {} // returning would let Pebble go on as if the write had succeeded
}

func (d *db) fail(err error) {
	d.once.Do(func() {
		d.fault.Store(vigil.Errorf(vigil.Unavailable, d.op, "the disk failed: %w", err))
		close(d.stuck)
	})
}

// guard runs fn, which may never come back once the database has failed.
func (d *db) guard(fn func() error) error {
	if f := d.fault.Load(); f != nil {
		return f
	}
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		if f := d.fault.Load(); f != nil {
			return f
		}
		return d.wrap(err)
	case <-d.stuck:
		return d.fault.Load()
	}
}

// write is guard for what changes the database: an error is final.
func (d *db) write(fn func() error) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.inside.Done()
	err := d.guard(fn)
	if err != nil {
		d.fail(err)
	}
	return err
}

func (d *db) wrap(err error) error {
	if err == nil {
		return nil
	}
	if pebble.IsCorruptionError(err) {
		return vigil.Errorf(vigil.Internal, d.op, "stored data is damaged: %w", err)
	}
	return vigil.Errorf(vigil.Unavailable, d.op, "the disk failed: %w", err)
}

// enter keeps the database open until inside.Done.
func (d *db) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return vigil.Errorf(vigil.Unavailable, d.op, "closed")
	}
	d.inside.Add(1)
	return nil
}

// Close waits for who is inside. After a fault the database is left as it is: only a restart knows what is on disk.
func (d *db) Close() error {
	d.mu.Lock()
	was := d.closed
	d.closed = true
	d.mu.Unlock()
	if was {
		return nil
	}
	if d.fault.Load() != nil {
		return nil
	}
	d.inside.Wait()
	return d.guard(d.p.Close)
}

func (d *db) measure() { d.bytes.Store(int64(d.p.Metrics().DiskSpaceUsage())) }

// scan calls fn for every key in [from, to). A damaged stretch is left out: what lies after it is found from the end.
func (d *db) scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.inside.Done()
	for {
		damage, err := d.scanOnce(ctx, from, to, fn)
		if damage == nil {
			return err
		}
		d.lost.Add(1)
		d.log.Warn("stored telemetry is damaged and left out", "op", d.op, "error", damage)
		if from = d.after(from, to); from == nil {
			return nil
		}
	}
}

// scanOnce returns a damage that ended it apart from the errors of fn and of the disk.
func (d *db) scanOnce(ctx context.Context, from, to []byte, fn func(key, value []byte) error) (damage, err error) {
	it, err := d.p.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, d.wrap(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			if pebble.IsCorruptionError(err) {
				return err, nil
			}
			return nil, d.wrap(err)
		}
		if err := fn(it.Key(), value); err != nil {
			return nil, err
		}
	}
	if err := it.Error(); pebble.IsCorruptionError(err) {
		return err, nil
	} else if err != nil {
		return nil, d.wrap(err)
	}
	return nil, nil
}

// after returns the first key of the sound stretch that reaches to the end of [from, to), or nil.
func (d *db) after(from, to []byte) []byte {
	it, err := d.p.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil
	}
	defer it.Close()
	var key []byte
	for ok := it.Last(); ok; ok = it.Prev() {
		key = append(key[:0], it.Key()...)
	}
	if it.Error() == nil {
		return nil // the damage was met once only; do not go round in circles
	}
	return key
}

// troubled says what background work is being retried, for example because the disk is full.
func (d *db) troubled() string {
	if p := d.trouble.Load(); p != nil {
		return *p
	}
	return ""
}
