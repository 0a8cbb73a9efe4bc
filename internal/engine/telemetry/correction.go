package telemetry

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Correction tells that a value was replaced by a later report of the same device for the same time. The series shows
// the new value, flagged vigil.QualityCorrected; the old one stays here for as long as the samples do.
type Correction struct {
	vigil.SeriesKey
	Time        time.Time // of the measurement
	Old         float64
	OldQuality  vigil.Quality
	OldReceived time.Time // zero when the server no longer knew when it got the old value
	New         float64
	NewQuality  vigil.Quality
	Received    time.Time // when the server got the report that replaced it
	Protocol    string    // by which that report came
}

// Corrections returns what was replaced of the subject's metric in [from, to), by device, then in order of time and of
// receipt; an empty metric means all. It returns Denied for a subject that ctx may not see.
func (s *Store) Corrections(ctx context.Context, name vigil.Subject, metric vigil.Metric, from, to time.Time) ([]Correction, error) {
	if err := access.CheckSubject(ctx, name); err != nil {
		return nil, err
	}
	var out []Correction
	for _, src := range s.sources(&Query{Subject: name}, 0, 0) {
		if metric != "" && src.key.Metric != metric {
			continue
		}
		prefix := src.otherPrefix(kindCorrection)
		err := s.cfg.Series.Scan(ctx, timeKey(prefix, nanos(from)), timeKey(prefix, nanos(to)), func(key, value []byte) error {
			c, ok := decodeCorrection(value)
			if rest := key[len(prefix):]; ok && len(rest) == 16 {
				c.SeriesKey, c.Time, c.Received = src.key, at(keyTime(rest)), at(keyTime(rest[8:]))
				out = append(out, c)
			} else {
				s.quarantined.Add(1)
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// otherPrefix returns what stands before the time in the series' keys of another kind.
func (src *source) otherPrefix(kind byte) []byte {
	p := append(make([]byte, 0, len(src.prefix)+17), src.prefix...)
	p[1+len(src.key.Subject)+1] = kind // after table, subject and zero
	return p
}

// correct replaces the i-th value of the chunk and notes what stood there. The report with the later receipt wins, so
// that a replay, which applies the first report once more, changes nothing: it returns false then.
func (e *editor) correct(ctx context.Context, s *series, c *chunk, i int, x *vigil.Sample) (bool, error) {
	old := Correction{Old: c.v[i], New: x.Value, NewQuality: x.Quality, Protocol: e.protocol}
	received := int64(0)
	if c.q != nil {
		old.OldQuality = c.q[i]
	}
	src := source{key: s.key, prefix: s.prefix}
	prefix := timeKey(src.otherPrefix(kindCorrection), x.Time)
	if old.OldQuality&vigil.QualityCorrected != 0 {
		if err := e.flush(ctx); err != nil {
			return false, err
		}
		key, _, err := e.store.Last(ctx, timeKey(prefix, openStart), timeKey(prefix, openEnd))
		if err != nil {
			return false, err
		}
		if key != nil {
			received = keyTime(key[len(prefix):])
		}
	} else if s.has && s.last.time == x.Time {
		received = s.last.received
	}
	if received >= s.received && received != 0 && old.OldQuality&vigil.QualityCorrected != 0 {
		return false, nil
	}
	if received != 0 {
		old.OldReceived = at(received)
	}
	e.pending = append(e.pending, Entry{timeKey(prefix, s.received), encodeCorrection(&old)})
	c.v[i], c.dirty = x.Value, true
	c.setQuality(i, x.Quality|vigil.QualityCorrected)
	return true, nil
}

const correctionVersion = 1

// encodeCorrection writes version, old receipt (0 unknown), both values and flags, protocol; times are in the key.
func encodeCorrection(c *Correction) []byte {
	received := int64(0)
	if !c.OldReceived.IsZero() {
		received = c.OldReceived.UnixNano()
	}
	b := binary.AppendVarint([]byte{correctionVersion}, received)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.Old))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.New))
	return appendString(append(b, byte(c.OldQuality), byte(c.NewQuality)), c.Protocol)
}

func decodeCorrection(b []byte) (c Correction, ok bool) {
	in := input{b: bytes.Clone(b)}
	if in.byte() != correctionVersion {
		return c, false
	}
	if received := in.varint(); received != 0 {
		c.OldReceived = at(received)
	}
	c.Old, c.New = math.Float64frombits(in.fixed64()), math.Float64frombits(in.fixed64())
	c.OldQuality, c.NewQuality = vigil.Quality(in.byte()), vigil.Quality(in.byte())
	c.Protocol = in.string()
	return c, !in.bad && len(in.b) == 0
}
