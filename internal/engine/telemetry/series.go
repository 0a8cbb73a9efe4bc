package telemetry

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// subject is all that is known in memory about one patient or place.
type subject struct {
	name    vigil.Subject
	devices map[vigil.DeviceID]*device
	spoke   *device   // the last to report, mostly the next too
	series  []*series // by metric, then device
	waves   []*wave   // by metric, then device
	dirty   bool      // something below differs from the store
}

type device struct {
	id     vigil.DeviceID
	series []*series
	next   int // where the next sample of an ordered report is looked for first
	waves  []*wave
}

// series is one numeric series: its newest value and the chunks being written.
type series struct {
	key      vigil.SeriesKey
	prefix   []byte // of its chunk keys
	has      bool
	last     lastSample
	lastNew  bool     // last differs from the store
	head     *chunk   // the newest chunk, nil until looked up
	late     []*chunk // older chunks that late samples opened
	sealed   int64    // summaries are kept of what lies before, 0 for none; see seal.go
	stale    []int64  // hours before sealed whose summaries were removed
	changes  uint32   // counts what happened behind the head
	class    uint8    // place among coding.Classes
	touched  int64
	received int64 // of the report being applied
}

type lastSample struct {
	time, received int64
	value          float64
	quality        vigil.Quality
}

const firstRoom = 16 // samples that a new chunk has room for
const lateChunks = 4 // open late chunks a series, more are written out

// editor changes series of one shard: it holds the writes of a batch until flush.
type editor struct {
	store   Series
	pending []Entry
	scratch scratch
	columns columns
	now     int64
	damaged func() // counts a chunk that could not be read
	floors  *floors

	protocol string // of the report being applied
}

func (e *editor) flush(ctx context.Context) error {
	if len(e.pending) == 0 {
		return nil
	}
	err := e.store.Write(ctx, e.pending)
	clear(e.pending)
	e.pending = e.pending[:0]
	return err
}

// writeChunk puts the chunk among the pending writes and returns its coded form, nil when the store has it.
func (e *editor) writeChunk(s *series, c *chunk) []byte {
	if !c.dirty || c.count() == 0 {
		return nil
	}
	all, err := c.whole(&e.columns, &e.scratch)
	if err != nil { // what was coded by this process a minute ago
		e.damaged()
		return nil
	}
	value := encodeChunk(make([]byte, 0, 64+len(all.t)*2), all, &e.scratch)
	e.pending = append(e.pending, Entry{timeKey(s.prefix, c.start), value})
	e.unseal(s, all.t[0], all.t[len(all.t)-1])
	if c != s.head {
		s.changes++
	}
	c.dirty = false
	return value
}

// add applies one sample.
func (e *editor) add(ctx context.Context, s *series, x *vigil.Sample) error {
	if s.head == nil {
		if err := e.load(ctx, s, x.Time); err != nil {
			return err
		}
	}
	c := s.head
	if x.Time < c.start {
		var err error
		if c, err = e.lateChunk(ctx, s, x.Time); err != nil {
			return err
		}
	}
	if c.closedTo(x.Time) {
		c = e.roll(s, c, x.Time)
	}
	if c.frozen != nil && x.Time <= c.iceEnd {
		if err := c.thaw(&e.scratch); err != nil {
			return vigil.Errorf(vigil.Internal, "telemetry.apply", "a chunk in memory is damaged: %w", err)
		}
	}
	quality := x.Quality
	switch result, i := c.put(x.Time, x.Value, x.Quality); result {
	case putDuplicate:
		return nil
	case putDiffers:
		if ok, err := e.correct(ctx, s, c, i, x); err != nil || !ok {
			return err
		}
		quality |= vigil.QualityCorrected
	}
	c.touched, s.touched = e.now, e.now
	if c.count() >= chunkMax && c.frozen == nil {
		e.split(s, c)
	}
	if !s.has || x.Time >= s.last.time {
		s.has, s.lastNew = true, true
		s.last = lastSample{x.Time, s.received, x.Value, quality}
	}
	return nil
}

// load makes the newest stored chunk the head, or an empty one that can hold t.
func (e *editor) load(ctx context.Context, s *series, t int64) error {
	c, err := e.before(ctx, s, openEnd)
	if err != nil {
		return err
	}
	if c == nil {
		c = &chunk{start: spanFloor(t)}
	}
	c.end = openEnd
	s.head = c
	return nil
}

// before reads the stored chunk with the greatest start below end, or nil.
func (e *editor) before(ctx context.Context, s *series, end int64) (*chunk, error) {
	if err := e.flush(ctx); err != nil {
		return nil, err
	}
	from, to := timeKey(s.prefix, math.MinInt64), timeKey(s.prefix, end)
	for {
		key, value, err := e.store.Last(ctx, from, to)
		if err != nil || key == nil {
			return nil, err
		}
		start := keyTime(key[len(s.prefix):])
		c := &chunk{start: start}
		var cols columns
		h, err := decodeHead(value, start)
		if err == nil {
			err = decodeChunk(&h, &cols, &e.scratch)
		}
		if err == nil {
			c.t, c.v = cols.t, cols.v
			if h.quality != 0 {
				c.q = cols.q
			}
			return c, nil
		}
		e.damaged()
		to = key // the damaged chunk stays where it is; new samples go beside it
	}
}

// lateChunk returns the chunk for t, which lies before the head: an open one, a stored one, or a new one.
func (e *editor) lateChunk(ctx context.Context, s *series, t int64) (*chunk, error) {
	end := s.head.start
	for _, c := range s.late {
		if t >= c.start && t < c.end {
			return c, nil
		}
		if c.start > t {
			end = min(end, c.start)
		}
	}
	c, err := e.before(ctx, s, t+1)
	if err != nil {
		return nil, err
	}
	// The next stored chunk bounds this one.
	err = e.store.Scan(ctx, timeKey(s.prefix, t+1), timeKey(s.prefix, end), func(key, _ []byte) error {
		end = keyTime(key[len(s.prefix):])
		return ErrStop
	})
	if err != nil {
		return nil, err
	}
	start := spanFloor(t)
	if c != nil {
		start = max(start, c.last()+1)
		if t <= c.last() || c.count() < chunkSamples && t-c.start <= int64(chunkSpan) {
			start = c.start
		} else {
			c = nil
		}
	}
	if c == nil {
		c = &chunk{start: start}
	}
	c.end = end
	e.keepLate(s, c)
	return c, nil
}

func (e *editor) keepLate(s *series, c *chunk) {
	if len(s.late) >= lateChunks {
		e.writeChunk(s, s.late[0])
		s.late = slices.Delete(s.late, 0, 1)
	}
	c.touched = e.now
	s.changes++
	s.late = append(s.late, c)
}

// roll closes c and opens its successor for t.
func (e *editor) roll(s *series, c *chunk, t int64) *chunk {
	next := &chunk{start: max(spanFloor(t), c.last()+1), end: c.end, touched: e.now}
	next.t, next.v = make([]int64, 0, firstRoom), make([]float64, 0, firstRoom)
	c.end = next.start
	if c == s.head {
		e.writeChunk(s, c)
		s.head = next
		return next
	}
	e.keepLate(s, next)
	return next
}

// split halves a chunk and writes both halves at once: one of them alone would lose the other's samples in a crash.
func (e *editor) split(s *series, c *chunk) {
	up := c.split()
	e.writeChunk(s, c)
	e.writeChunk(s, up)
	if c == s.head {
		s.head = up
		return
	}
	e.keepLate(s, up)
}

func spanFloor(t int64) int64 {
	f := t - t%int64(chunkSpan)
	if f > t {
		f -= int64(chunkSpan)
	}
	return f
}

// save puts everything of the subject that the store does not hold among the pending writes. Chunks that nobody touched
// for chunkSpan leave the memory.
func (e *editor) save(sub *subject) {
	waits := false
	for _, s := range sub.series {
		for _, c := range s.late {
			e.writeChunk(s, c)
		}
		s.late = nil
		if s.head != nil {
			if value := e.writeChunk(s, s.head); value != nil {
				s.head.freeze(value)
			}
			if e.now-s.touched > int64(chunkSpan) {
				s.head = nil
			}
			waits = waits || s.head != nil
		}
		if s.lastNew {
			e.writeLast(s)
		}
	}
	for _, w := range sub.waves {
		if e.saveWave(w); e.now-w.touched > int64(idleWave) {
			w.open = nil
		}
		waits = waits || w.open != nil
		if w.dirty {
			e.pending = append(e.pending, Entry{lastKey(sub.name, kindWave, w.metric, w.device), encodeWaveInfo(w)})
			w.dirty = false
		}
	}
	sub.dirty = waits // until the heads have left the memory
}

func (e *editor) writeLast(s *series) {
	e.pending = append(e.pending, Entry{lastKey(s.key.Subject, kindNumeric, s.key.Metric, s.key.Device), encodeLast(s.last, s.sealed)})
	s.lastNew = false
}

func encodeLast(l lastSample, sealed int64) []byte {
	b := binary.AppendVarint(make([]byte, 0, 40), l.time)
	b = binary.AppendVarint(b, l.received)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(l.value))
	return binary.AppendVarint(append(b, byte(l.quality)), sealed)
}

// decodeLast reads a row of the last table; rows from before summaries were kept end with the quality.
func decodeLast(b []byte) (l lastSample, sealed int64, ok bool) {
	in := input{b: b}
	l = lastSample{in.varint(), in.varint(), math.Float64frombits(in.fixed64()), vigil.Quality(in.byte())}
	if len(in.b) > 0 {
		sealed = in.varint()
	}
	return l, sealed, !in.bad
}

func encodeWaveInfo(w *wave) []byte {
	b := binary.AppendVarint(make([]byte, 0, 40), w.end)
	b = binary.AppendVarint(b, w.received)
	b = binary.AppendVarint(b, w.period)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(w.scale))
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(w.offset))
}

func decodeWaveInfo(b []byte, w *wave) bool {
	in := input{b: b}
	w.end, w.received, w.period = in.varint(), in.varint(), in.varint()
	w.scale, w.offset = math.Float64frombits(in.fixed64()), math.Float64frombits(in.fixed64())
	return !in.bad
}

// Times outside of these (years 1896 to 2116) are not stored and need not be looked for.
const (
	earliest = -1 << 61
	latest   = 1 << 62
)

// nanos returns t in Unix nanoseconds, kept within what can be stored.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, earliest)):
		return earliest
	case t.After(time.Unix(0, latest)):
		return latest
	}
	return t.UnixNano()
}

func storableTime(t int64) bool { return t >= earliest && t < latest }

// at returns t as a time in UTC.
func at(t int64) time.Time { return time.Unix(0, t).UTC() }
