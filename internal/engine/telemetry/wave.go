package telemetry

import (
	"cmp"
	"context"
	"slices"

	"github.com/vigil-health/vigil"
)

// wave is one waveform as last seen, with the block that grows. Devices send a second at a time; the store keeps half a
// minute together, which codes and reads better. The log covers what has not been written yet.
type wave struct {
	metric        vigil.Metric
	device        vigil.DeviceID
	prefix        []byte
	end, period   int64
	received      int64
	scale, offset float64
	dirty         bool

	open    *vigil.Waveform // nil until looked up; stands for the stored block of the same start
	unsaved bool            // open holds what the store does not
	touched int64           // when open last grew, server clock
}

const (
	mergeSpan = 30e9 // nanoseconds in a merged block
	idleWave  = 60e9 // an open block leaves the memory after
	driftPart = 100  // a piece belongs to a block when its start is off the block's grid by at most a sample's hundredth
)

// addWave puts one waveform into its series. Doing it twice has no further effect; where a piece overlaps what is there,
// the later piece wins.
func (e *editor) addWave(ctx context.Context, w *wave, x *vigil.Waveform, received int64) error {
	piece := *x
	longest := int(max(1, min(int64(mergeSpan)/x.Period, maxWave)))
	for len(piece.Data) > 0 {
		rest := piece.Data
		piece.Data = rest[:min(longest, len(rest))]
		if err := e.addPiece(ctx, w, &piece, longest); err != nil {
			return err
		}
		piece.Start = piece.End()
		piece.Data = rest[len(piece.Data):]
	}
	if end := x.End(); end > w.end {
		w.end, w.period, w.received, w.scale, w.offset, w.dirty = end, x.Period, received, x.Scale, x.Offset, true
	}
	return nil
}

func (e *editor) addPiece(ctx context.Context, w *wave, p *vigil.Waveform, longest int) error {
	w.touched = e.now
	if w.open != nil && splice(w.open, p, longest) {
		w.unsaved = true
		return nil
	}
	e.saveWave(w)
	stored, err := e.waveBefore(ctx, w, p.Start+1)
	if err != nil {
		return err
	}
	if stored != nil && splice(stored, p, longest) {
		w.open, w.unsaved = stored, true
		return nil
	}
	w.open = &vigil.Waveform{Metric: p.Metric, Start: p.Start, Period: p.Period, Scale: p.Scale, Offset: p.Offset}
	w.open.Data = append(make([]int16, 0, longest), p.Data...)
	w.unsaved = true
	if stored != nil && stored.Start == p.Start && len(stored.Data) > len(p.Data) {
		// Another period or scale from the same instant on: the longer block keeps its place, beside the shorter one.
		w.open.Start++
	}
	return nil
}

// splice writes the piece into the block where it lies on the block's grid and begins within the block or at its end.
func splice(b, p *vigil.Waveform, longest int) bool {
	if b.Period != p.Period || b.Scale != p.Scale || b.Offset != p.Offset || p.Start < b.Start-b.Period/2 {
		return false
	}
	i := (p.Start - b.Start + b.Period/2) / b.Period
	off := p.Start - b.Start - i*b.Period
	if max(off, -off) > b.Period/driftPart || i > int64(len(b.Data)) || int(i)+len(p.Data) > longest {
		return false
	}
	n := copy(b.Data[i:], p.Data)
	b.Data = append(b.Data, p.Data[n:]...)
	return true
}

// waveBefore reads the stored block with the greatest start at or before t, or nil.
func (e *editor) waveBefore(ctx context.Context, w *wave, t int64) (*vigil.Waveform, error) {
	if err := e.flush(ctx); err != nil {
		return nil, err
	}
	key, value, err := e.store.Last(ctx, timeKey(w.prefix, t-int64(maxWaveSpan)), timeKey(w.prefix, t+1))
	if err != nil || key == nil {
		return nil, err
	}
	block, err := decodeWave(value, &e.scratch)
	if err != nil {
		e.damaged() // it stays where it is; what comes goes beside it
		return nil, nil
	}
	block.Metric, block.Start = w.metric, keyTime(key[len(w.prefix):])
	return &block, nil
}

func (e *editor) saveWave(w *wave) {
	if w.open == nil || !w.unsaved {
		return
	}
	value := encodeWave(make([]byte, 0, 48+len(w.open.Data)), w.open, &e.scratch)
	e.pending = append(e.pending, Entry{timeKey(w.prefix, w.open.Start), value})
	w.unsaved = false
}

// untangle orders the blocks of one waveform and cuts off what an earlier one of the same grid holds already, as pieces
// that came out of order leave it.
func untangle(blocks []vigil.Waveform) []vigil.Waveform {
	slices.SortStableFunc(blocks, func(a, b vigil.Waveform) int { return cmp.Compare(a.Start, b.Start) })
	out := blocks[:0]
	for _, b := range blocks {
		if n := len(out); n == 0 || cutBehind(&b, &out[n-1]) {
			out = append(out, b)
		}
	}
	return out
}

// cutBehind takes off what the block before holds already; false when nothing is left.
func cutBehind(b, before *vigil.Waveform) bool {
	over := (before.End() - b.Start + b.Period/2) / b.Period
	if same := before.Period == b.Period && before.Scale == b.Scale && before.Offset == b.Offset; !same || over <= 0 {
		return true
	}
	if over >= int64(len(b.Data)) {
		return false
	}
	b.Data = b.Data[over:]
	b.Start += over * b.Period
	return true
}

// openWave copies the block that grows when it overlaps [lo, hi), for a reader.
func (w *wave) openWave(lo, hi int64) *vigil.Waveform {
	if w.open == nil || w.open.Start >= hi || w.open.End() <= lo {
		return nil
	}
	block := *w.open
	block.Data = slices.Clone(block.Data)
	return &block
}
