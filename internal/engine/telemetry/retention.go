package telemetry

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Retention drops what the policy no longer keeps, a few series at a time between two checkpoints:
//
//	new day ─► note the floors (nothing older is taken any more) ─► each subject that is not held:
//	           make the summaries that stay ─► drop ranges of samples, waveforms, events, corrections, old summaries
//
// Every step may be repeated, so a kill at any moment costs time only. Floors never go back.

const (
	classCount   = 5
	retainSeries = 2000                   // a step looks at so many series
	retainAtOnce = 31 * day               // of one series in one go
	retainTime   = 500 * time.Millisecond // a step ends, the next goes on
)

// floors hold for each class the time before which nothing is taken and samples may be gone already.
type floors [classCount]atomic.Int64

func (f *floors) of(c coding.Class) int64 { return f[classNumber(c)].Load() }

// retentionRound is one walk over all subjects.
type retentionRound struct {
	day   int64
	names []vigil.Subject
	done  int       // of names
	ahead time.Time // when a day was first seen that does not follow on the last one; zero when none is
	seen  time.Time // when the clock was last looked at
}

// RetentionHealth says what retention did since the start.
type RetentionHealth struct {
	Subjects int // of the round that runs, 0 for none
	Done     int // of them
	Held     int // legal holds
	Dropped  map[coding.Class]Dropped
	Expired  uint64 // samples, waveforms and events that arrived older than what is kept, and were not stored
}

// Dropped counts what was dropped of a class.
type Dropped struct {
	Blocks uint64 // chunks of samples, blocks of waveforms and summaries, events, corrections
	Bytes  uint64
}

// expiry counts; it is read by Health while a step runs.
type expiry struct{ blocks, bytes [classCount]atomic.Uint64 }

func (s *Store) retentionHealth() RetentionHealth {
	h := RetentionHealth{Dropped: map[coding.Class]Dropped{}, Subjects: int(s.roundSize.Load()), Done: int(s.roundDone.Load())}
	for i, c := range coding.Classes() {
		if n := s.expiry.blocks[i].Load(); n > 0 {
			h.Dropped[c] = Dropped{n, s.expiry.bytes[i].Load()}
		}
	}
	s.holdMu.RLock()
	h.Held = len(s.holds)
	s.holdMu.RUnlock()
	for _, sh := range s.shards {
		h.Expired += sh.expired.Load()
	}
	return h
}

func floorKey(i int) []byte { return append(slices.Clone(keyFloor), byte(i)) }

// readRetention reads policy, floors and holds at start.
func (s *Store) readRetention(ctx context.Context) error {
	state := PolicyState{Policy: s.cfg.Policy}
	_, value, err := s.cfg.Series.Last(ctx, keyPolicy, prefixEnd(keyPolicy))
	if err != nil {
		return err
	}
	if value != nil {
		if err := json.Unmarshal(value, &state); err != nil || state.Policy.Check() != nil {
			return vigil.Errorf(vigil.Internal, "telemetry.retention", "the stored policy cannot be read: %w", err)
		}
	}
	s.policy.Store(&state)
	for i := range s.floors {
		s.floors[i].Store(earliest)
	}
	err = s.cfg.Series.Scan(ctx, keyFloor, prefixEnd(keyFloor), func(key, value []byte) error {
		if i := int(key[len(key)-1]); len(key) == len(keyFloor)+1 && i < classCount && len(value) == 8 {
			s.floors[i].Store(keyTime(value))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.readHolds(ctx)
}

// retain does one step; the caller holds keepMu.
func (s *Store) retain(ctx context.Context) error {
	now := s.cfg.Now()
	today := floorTo(now.UnixNano(), day)
	if s.round.day != today && s.believes(now, today) {
		if err := s.beginRound(ctx, today); err != nil {
			return err
		}
	}
	looked := 0
	for s.round.done < len(s.round.names) && looked < retainSeries && s.cfg.Now().Sub(now) < retainTime {
		name := s.round.names[s.round.done]
		n, whole, err := s.retainSubject(ctx, name)
		if err != nil {
			return err
		}
		if looked += n + 1; whole {
			s.round.done++
		}
	}
	s.roundSize.Store(int64(len(s.round.names)))
	s.roundDone.Store(int64(s.round.done))
	if s.round.done == len(s.round.names) && len(s.round.names) > 0 {
		s.round.names, s.round.done = nil, 0
		s.roundSize.Store(0)
	}
	return nil
}

// believes says whether the clock may move the floors. One that is suddenly days ahead may have been set wrong, and what it
// would drop does not come back: it has to run on for a while first. Subtracting uses the clock that nobody sets.
func (s *Store) believes(now time.Time, today int64) bool {
	jumped := now.Sub(s.round.seen) > s.cfg.ClockTrust || now.Before(s.round.seen)
	s.round.seen = now
	last, policy := int64(earliest), s.policy.Load().Policy
	for i, c := range coding.Classes() {
		if floor := s.floors[i].Load(); floor != earliest {
			last = max(last, floor+int64(policy[c].Raw))
		}
	}
	if today <= last+2*int64(day) {
		s.round.ahead = time.Time{}
		return true
	}
	if s.round.ahead.IsZero() || jumped {
		s.round.ahead = now
	}
	return now.Sub(s.round.ahead) >= s.cfg.ClockTrust
}

// beginRound moves the floors to where the policy has them today and lists the subjects.
func (s *Store) beginRound(ctx context.Context, today int64) error {
	policy := s.policy.Load().Policy
	var entries []Entry
	for i, c := range coding.Classes() {
		k, named := policy[c]
		if !named || k.Raw == 0 {
			continue
		}
		if floor := today - int64(k.Raw); floor > s.floors[i].Load() {
			s.floors[i].Store(floor)
			entries = append(entries, Entry{floorKey(i), appendTime(nil, floor)})
		}
	}
	if len(entries) > 0 {
		if err := s.cfg.Series.Write(ctx, entries); err != nil {
			return err
		}
	}
	s.round = retentionRound{day: today, seen: s.round.seen}
	for _, sh := range s.shards {
		sh.mu.RLock()
		for name := range sh.subjects {
			s.round.names = append(s.round.names, name)
		}
		sh.mu.RUnlock()
	}
	slices.Sort(s.round.names)
	return nil
}

// retainSubject drops what is due of one subject and returns how many series it looked at and whether all is done.
func (s *Store) retainSubject(ctx context.Context, name vigil.Subject) (looked int, whole bool, err error) {
	if s.held("telemetry.retention", name) != nil {
		return 0, true, nil
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	sources := s.sources(&Query{Subject: name}, openStart, openEnd)
	whole = true
	for i := range sources {
		done, err := s.retainSeries(ctx, &sources[i], work)
		if err != nil {
			return 0, false, err
		}
		whole = whole && done
	}
	waves := s.waves(name, 0, 0)
	floor := s.floors.of(coding.ClassWaveforms)
	for i := range waves {
		if err := s.dropBefore(ctx, coding.ClassWaveforms, waves[i].prefix, floor-int64(maxWaveSpan)); err != nil {
			return 0, false, err
		}
	}
	events := append(subjectPrefix(tableData, name), kindEvent)
	err = s.dropBefore(ctx, coding.ClassEvents, events, s.floors.of(coding.ClassEvents))
	if err == nil && whole {
		err = s.forgetEmpty(ctx, name)
	}
	return len(sources) + len(waves), whole, err
}

// retainSeries makes the summaries that stay and drops the samples; false when there is more to do.
func (s *Store) retainSeries(ctx context.Context, src *source, work *scratch) (bool, error) {
	class := coding.ClassOf(src.key.Metric)
	floor := s.floors.of(class)
	first, err := s.firstChunk(ctx, src)
	if err != nil {
		return false, err
	}
	done := true
	if before := floor - int64(chunkSpan); first < before {
		from := floorTo(first, day)
		to := floor
		if to-from > retainAtOnce {
			to, done = from+retainAtOnce, false
		}
		if src.changes(from, to) {
			return true, nil // samples of that time wait in memory; the next round comes again
		}
		if keep := s.policy.Load().Policy[class]; keep.Summaries != nil {
			if err := s.keepSummaries(ctx, src, Span{from, to}, work); err != nil {
				return false, err
			}
		}
		before = to - int64(chunkSpan)
		if err := s.dropBefore(ctx, class, src.prefix, before); err != nil {
			return false, err
		}
		if err := s.dropBefore(ctx, class, src.otherPrefix(kindCorrection), before); err != nil {
			return false, err
		}
	}
	return done, s.dropSummaries(ctx, src, class)
}

// keepSummaries makes every block of the range that is not there yet, however few samples it stands for.
func (s *Store) keepSummaries(ctx context.Context, src *source, in Span, work *scratch) error {
	all := *src
	all.sparse = true
	for k := range levels {
		reader := levelReader{store: s, src: src, work: work}
		lo, hi := floorTo(in.From, levels[k].span), floorTo(in.To, levels[k].span)
		if lo >= hi {
			continue
		}
		kept, err := reader.blocks(ctx, k, lo, hi)
		if err != nil {
			return err
		}
		var entries []Entry
		at := lo
		for _, b := range append(kept, stretch{from: hi, to: hi}) {
			made, err := s.summarise(ctx, &all, k, Span{at, b.from}, work)
			if err != nil {
				return err
			}
			entries, at = append(entries, made...), b.to
		}
		if len(entries) > 0 {
			if err := s.cfg.Series.Write(ctx, entries); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropSummaries drops the blocks that the policy no longer keeps.
func (s *Store) dropSummaries(ctx context.Context, src *source, class coding.Class) error {
	keep, named := s.policy.Load().Policy[class]
	if !named || keep.Raw == 0 || keep.Summaries != nil && *keep.Summaries == 0 {
		return nil
	}
	end := s.floors.of(class)
	if keep.Summaries != nil {
		end = s.round.day - int64(*keep.Summaries)
	}
	for k := range levels {
		if err := s.dropBefore(ctx, class, src.blockPrefix(k), floorTo(end, levels[k].span)); err != nil {
			return err
		}
	}
	return nil
}

// dropBefore drops the keys with the prefix whose time is before t, and counts them.
func (s *Store) dropBefore(ctx context.Context, class coding.Class, prefix []byte, t int64) error {
	from, to := timeKey(prefix, openStart), timeKey(prefix, max(t, earliest))
	blocks, bytes := uint64(0), uint64(0)
	err := s.cfg.Series.Scan(ctx, from, to, func(key, value []byte) error {
		blocks++
		bytes += uint64(len(key) + len(value))
		return ctx.Err()
	})
	if err != nil || blocks == 0 {
		return err
	}
	if err := s.cfg.Series.Drop(ctx, from, to); err != nil {
		return err
	}
	s.expiry.blocks[classNumber(class)].Add(blocks)
	s.expiry.bytes[classNumber(class)].Add(bytes)
	return nil
}

// forgetEmpty takes the last values of which nothing is kept out of memory and store.
func (s *Store) forgetEmpty(ctx context.Context, name vigil.Subject) error {
	sh := s.shardOf(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sub := sh.subjects[name]
	if sub == nil {
		return nil
	}
	gone, lost := map[*series]bool{}, map[*wave]bool{}
	for _, x := range sub.series {
		class := coding.ClassOf(x.key.Metric)
		end, keep := s.floors.of(class), s.policy.Load().Policy[class]
		if keep.Summaries != nil {
			end = s.round.day - int64(*keep.Summaries)
		}
		if keep.Summaries != nil && *keep.Summaries == 0 || !x.has || x.last.time >= end || x.head != nil && x.head.dirty {
			continue
		}
		gone[x] = true
		sh.edit.pending = append(sh.edit.pending, Entry{lastKey(name, kindNumeric, x.key.Metric, x.key.Device), nil})
	}
	for _, w := range sub.waves {
		if w.end < s.floors.of(coding.ClassWaveforms)-int64(maxWaveSpan) && !w.unsaved {
			lost[w] = true
			sh.edit.pending = append(sh.edit.pending, Entry{lastKey(name, kindWave, w.metric, w.device), nil})
		}
	}
	if len(gone)+len(lost) == 0 {
		return nil
	}
	sub.waves = slices.DeleteFunc(sub.waves, func(w *wave) bool { return lost[w] })
	sub.series = slices.DeleteFunc(sub.series, func(x *series) bool { return gone[x] })
	for _, d := range sub.devices {
		d.series = slices.DeleteFunc(d.series, func(x *series) bool { return gone[x] })
		d.waves = slices.DeleteFunc(d.waves, func(w *wave) bool { return lost[w] })
	}
	return sh.edit.flush(ctx)
}
