package telemetry

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
)

// Config is what a store is made of. Log, Series and Now are needed; who opened the ports closes them, after the store.
type Config struct {
	Log    Log
	Series Series
	Now    func() time.Time
	Logger *slog.Logger // discards when nil

	Shards          int           // goroutines that apply reports; default 2
	Retention       time.Duration // how far back Recent reaches; default 24 h, at least 1 h
	CheckpointEvery time.Duration // default 1 min
	CheckpointBytes int64         // of log since the last checkpoint, default 32 MB; at twice that commits wait for the checkpoint: bounds the replay at start
	// Policy says how long what is kept while no administrator has decided; nil keeps everything.
	Policy Policy
	// ClockTrust is how long the clock must run on before retention believes that days have gone by at once; default 6 h.
	ClockTrust time.Duration
	// Audit, when set, is told who changed the policy or a hold.
	Audit func(ctx context.Context, action string, subject vigil.Subject)

	BatchBytes   int // most that waits for a commit, default 1 MB; then Append blocks
	BatchReports int // likewise in reports, default 8192
}

func (c *Config) fill() error {
	if c.Log == nil || c.Series == nil || c.Now == nil {
		return vigil.Errorf(vigil.Invalid, "telemetry.open", "a store needs a log, a series store and a clock")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := c.Policy.Check(); err != nil {
		return err
	}
	orDefault(&c.Shards, 2)
	orDefault(&c.Retention, 24*time.Hour)
	c.Retention = max(c.Retention, time.Hour)
	orDefault(&c.CheckpointEvery, time.Minute)
	orDefault(&c.ClockTrust, 6*time.Hour)
	orDefault(&c.CheckpointBytes, 32<<20)
	orDefault(&c.BatchBytes, 1<<20)
	orDefault(&c.BatchReports, 8192)
	return nil
}

func orDefault[T int | int64 | time.Duration](p *T, def T) {
	if *p <= 0 {
		*p = def
	}
}

// Store keeps telemetry. What Append acknowledged survives a power cut.
//
//	Append ─► waiting ─► commit (Log.Append, fsync) ─► done ─► shard by subject ─► series ─► consumers ─► subscribers
//	                                                              └── checkpoint: save, flush, note the offset, truncate
type Store struct {
	cfg       Config
	seed      maphash.Seed
	shards    []*shard
	consumers []consumer
	scratches *sync.Pool

	queue queue
	subs  atomic.Pointer[[]*Subscription]
	// subsMu serialises changes of subs.
	subsMu sync.Mutex

	started    atomic.Bool
	closing    sync.Once
	commits    sync.WaitGroup
	applies    sync.WaitGroup
	keeper     sync.WaitGroup
	stopKeeper chan struct{}
	due        chan struct{}
	keeping    atomic.Pointer[chan struct{}] // closed when the checkpoint that runs is through
	keepMu     sync.Mutex                    // one checkpoint, step of retention or erasure at a time

	policy    atomic.Pointer[PolicyState]
	floors    floors
	round     retentionRound // under keepMu
	roundSize atomic.Int64
	roundDone atomic.Int64
	expiry    expiry
	holdMu    sync.RWMutex
	holds     map[vigil.Subject]*Hold

	fault       atomic.Pointer[string] // why nothing is acknowledged
	appended    atomic.Uint64
	bytes       atomic.Uint64
	committed   atomic.Uint64 // offset
	checkpoint  atomic.Uint64 // offset
	quarantined atomic.Uint64
	keptBytes   atomic.Uint64 // of bytes at the last checkpoint
	replayed    uint64
}

type consumer struct {
	name string
	fn   func([]*vigil.Report)
}

// Health says how the store is.
type Health struct {
	Acknowledging bool
	Reason        string // in plain words, when something is wrong
	Appended      uint64 // reports acknowledged since start
	Bytes         uint64 // logged since start
	QueueLen      int    // reports waiting for the disk
	LogPosition   uint64 // offset of the newest record
	Applied       uint64 // offset up to which series, consumers and subscribers have everything
	Checkpoint    uint64 // offset up to which the series are on disk by themselves
	Replayed      uint64 // reports replayed at start
	Quarantined   uint64 // damaged reports, chunks and blocks met and left out
	Log           LogStats
	Series        SeriesStats
	Retention     RetentionHealth
}

// Open makes the series complete: it reads the last values and replays the log from the checkpoint. Nothing is accepted
// before Start. It returns Invalid for an incomplete config and the ports' errors.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, seed: maphash.MakeSeed(), scratches: newScratchPool(), stopKeeper: make(chan struct{}), due: make(chan struct{}, 1)}
	s.queue.init(cfg.BatchBytes, cfg.BatchReports)
	for range cfg.Shards {
		sh := newShard(cfg.Series, func() { s.quarantined.Add(1) })
		sh.edit.floors = &s.floors
		s.shards = append(s.shards, sh)
	}
	if err := s.readRetention(ctx); err != nil {
		return nil, err
	}
	if err := s.readLast(ctx); err != nil {
		return nil, err
	}
	if err := s.replay(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) readLast(ctx context.Context) error {
	return s.cfg.Series.Scan(ctx, []byte{tableLast}, []byte{tableLast + 1}, func(key, value []byte) error {
		k, kind, ok := splitLastKey(key)
		if !ok || !s.shardOf(k.Subject).restore(k, kind, value) {
			s.quarantined.Add(1)
		}
		return nil
	})
}

// replay applies what the log holds after the checkpoint.
func (s *Store) replay(ctx context.Context) error {
	checkpoint, err := s.readCheckpoint(ctx)
	if err != nil {
		return err
	}
	stats := s.cfg.Log.Stats()
	if checkpoint >= stats.Next { // another log than the one the series were written from
		s.cfg.Logger.Warn("telemetry log is behind the series; replaying all of it", "checkpoint", checkpoint, "next", stats.Next)
		checkpoint = 0
		if err := s.forgetCheckpoint(ctx); err != nil {
			return err
		}
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	parts := make([][]*vigil.Report, len(s.shards))
	err = s.cfg.Log.Read(ctx, checkpoint+1, func(rec Record) error {
		damaged, _ := decodeRecord(rec.Data, work, func(r *vigil.Report, _ []byte) error {
			for i, sh := range s.shards {
				if s.shardOf(r.Subject) == sh {
					parts[i] = append(parts[i], r)
				}
			}
			s.replayed++
			return nil
		})
		s.quarantined.Add(uint64(damaged))
		for i, sh := range s.shards {
			if err := sh.apply(ctx, parts[i], s.cfg.Now().UnixNano()); err != nil {
				return err
			}
			clear(parts[i])
			parts[i] = parts[i][:0]
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	s.checkpoint.Store(checkpoint)
	s.committed.Store(stats.Next - 1)
	for _, sh := range s.shards {
		sh.applied.Store(stats.Next - 1)
	}
	return nil
}

// forgetCheckpoint makes durable that the series cover nothing of this log: after a crash its offsets may have passed those
// of the log before.
func (s *Store) forgetCheckpoint(ctx context.Context) error {
	if err := s.cfg.Series.Write(ctx, []Entry{{keyCheckpoint, make([]byte, 8)}}); err != nil {
		return err
	}
	return s.cfg.Series.Flush(ctx)
}

func (s *Store) readCheckpoint(ctx context.Context) (uint64, error) {
	_, value, err := s.cfg.Series.Last(ctx, keyCheckpoint, prefixEnd(keyCheckpoint))
	if err != nil || len(value) != 8 {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

// Consume registers fn for every report after its commit and after the series hold it: in log order per subject, from
// one goroutine a shard, so fn is called concurrently for different subjects. Nothing is dropped: a slow fn slows
// ingestion. It must be called before Start; reports replayed at start are read with Recent. The slice is reused.
func (s *Store) Consume(name string, fn func([]*vigil.Report)) {
	if s.started.Load() {
		panic("telemetry: Consume after Start: " + name)
	}
	s.consumers = append(s.consumers, consumer{name, fn})
}

// Start begins to accept reports. It ends with Close or, for new reports, when ctx ends.
func (s *Store) Start(ctx context.Context) {
	if s.started.Swap(true) {
		return
	}
	stop := context.AfterFunc(ctx, s.queue.shut)
	work := context.WithoutCancel(ctx)
	s.commits.Go(func() {
		defer stop()
		s.commitLoop(work)
	})
	for _, sh := range s.shards {
		s.applies.Go(func() { s.applyLoop(work, sh) })
	}
	s.keeper.Go(func() { s.keepLoop(work) })
}

// Close accepts nothing more, finishes what was accepted, writes a checkpoint and waits for every goroutine.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.queue.shut()
		close(s.stopKeeper)
		if !s.started.Load() {
			return
		}
		s.commits.Wait() // closes the shards' channels
		s.applies.Wait()
		s.keeper.Wait()
		if s.fault.Load() == nil {
			s.keepMu.Lock()
			err = s.keep(context.Background())
			s.keepMu.Unlock()
		}
		for _, sub := range s.subscriptions() {
			sub.Close()
		}
	})
	return err
}

func (s *Store) applyLoop(ctx context.Context, sh *shard) {
	for b := range sh.in {
		if len(b.reports) == 0 {
			sh.applied.Store(b.offset)
			continue
		}
		if s.fault.Load() != nil {
			continue // the log has it; it is replayed at the next start
		}
		if err := sh.apply(ctx, b.reports, s.cfg.Now().UnixNano()); err != nil {
			s.fail("the series store does not take writes", err)
			continue
		}
		for _, c := range s.consumers {
			c.fn(b.reports)
		}
		s.publish(b.reports)
		sh.applied.Store(b.offset)
	}
}

// applied returns the offset up to which every shard is through.
func (s *Store) applied() uint64 {
	offset := s.shards[0].applied.Load()
	for _, sh := range s.shards[1:] {
		offset = min(offset, sh.applied.Load())
	}
	return offset
}

// Settle returns once everything acknowledged so far can be read, or with Unavailable when ctx ends first or the series
// take no writes. What it waits for takes a millisecond.
func (s *Store) Settle(ctx context.Context) error {
	end := s.committed.Load()
	for wait := 100 * time.Microsecond; s.applied() < end; wait = min(2*wait, 20*time.Millisecond) {
		if s.fault.Load() != nil {
			return s.refusal()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return vigil.Errorf(vigil.Unavailable, "telemetry.settle", "gave up waiting for the series: %w", ctx.Err())
		}
	}
	return nil
}

// fail stops acknowledging for good: only a restart, which replays the log, makes the store whole again.
func (s *Store) fail(what string, err error) {
	reason := what + ": " + err.Error() + "; nothing more is accepted until the program is restarted"
	if s.fault.CompareAndSwap(nil, &reason) {
		s.cfg.Logger.Error("telemetry stops acknowledging", "reason", reason)
		s.queue.fail()
	}
}

// Health returns how the store is. It does not touch the disk.
func (s *Store) Health() Health {
	h := Health{
		Appended: s.appended.Load(), Bytes: s.bytes.Load(), QueueLen: s.queue.len(), LogPosition: s.committed.Load(),
		Checkpoint: s.checkpoint.Load(), Replayed: s.replayed, Quarantined: s.quarantined.Load(),
		Log: s.cfg.Log.Stats(), Series: s.cfg.Series.Stats(), Retention: s.retentionHealth(),
	}
	h.Applied = s.applied()
	switch fault := s.fault.Load(); {
	case fault != nil:
		h.Reason = *fault
	case h.Log.Fault != nil:
		h.Reason = "the log does not take writes: " + h.Log.Fault.Error()
	case h.Series.Fault != nil:
		h.Reason = "the series store does not take writes: " + h.Series.Fault.Error()
	case !s.started.Load():
		h.Reason = "not started"
	case s.queue.isShut():
		h.Reason = "closed"
	default:
		h.Acknowledging = true
		if trouble := h.Log.Trouble + h.Series.Trouble; trouble != "" {
			h.Reason = "the disk gives trouble and is tried again: " + trouble
		} else if h.Quarantined+h.Log.Lost+h.Series.Lost > 0 {
			h.Reason = "some stored data is damaged and was left out; everything else is served"
		}
	}
	return h
}
