package telemetry

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Digest is what a store holds, apart from how it is laid out: two stores with equal digests answer every question alike.
type Digest struct {
	Subjects map[vigil.Subject]SubjectDigest `json:"subjects"`
	Rules    string                          `json:"rules"`   // SHA-256 of the retention policy and the legal holds
	Damaged  uint64                          `json:"damaged"` // stretches that could not be read and are not counted
}

// SubjectDigest is what is kept about one subject.
type SubjectDigest struct {
	Samples     uint64 `json:"samples"`
	Corrected   uint64 `json:"corrected"` // values that were replaced and are kept
	WaveSamples uint64 `json:"wave_samples"`
	Events      uint64 `json:"events"`
	Summaries   uint64 `json:"summaries"` // blocks that stand for samples no longer kept
	SHA256      string `json:"sha256"`
}

// String says it in a line.
func (d SubjectDigest) String() string {
	return fmt.Sprintf("%d samples, %d replaced, %d of waveforms, %d events, %d summaries, %.16s", d.Samples, d.Corrected, d.WaveSamples, d.Events, d.Summaries, d.SHA256)
}

// Digest reads everything. It holds a chunk at a time; what is written meanwhile may or may not be in it. Only the house
// itself may call it: it is Denied to others.
func (s *Store) Digest(ctx context.Context) (Digest, error) {
	out := Digest{Subjects: map[vigil.Subject]SubjectDigest{}}
	if p, ok := access.From(ctx); !ok || !p.Has(access.System) {
		return out, vigil.Errorf(vigil.Denied, "telemetry.digest", "only the house itself counts everything")
	}
	for _, name := range s.Subjects(ctx) {
		d, err := s.digestSubject(ctx, name)
		if err != nil {
			return out, err
		}
		out.Subjects[name] = d
	}
	rules := sha256.New()
	for _, prefix := range [][]byte{{tableHold}, keyPolicy} {
		if _, err := s.digestRange(ctx, rules, prefix, prefixEnd(prefix)); err != nil {
			return out, err
		}
	}
	out.Rules = hex.EncodeToString(rules.Sum(nil))
	err := s.cfg.Log.Read(ctx, 0, func(rec Record) error { // the log is read for its sums; its content is in the series
		damaged, err := decodeRecord(rec.Data, new(scratch), func(*vigil.Report, []byte) error { return ctx.Err() })
		s.quarantined.Add(uint64(damaged))
		return err
	})
	out.Damaged = s.quarantined.Load() + s.cfg.Log.Stats().Lost + s.cfg.Series.Stats().Lost
	return out, err
}

func (s *Store) digestSubject(ctx context.Context, name vigil.Subject) (d SubjectDigest, err error) {
	h := sha256.New()
	for _, src := range s.sources(&Query{Subject: name}, openStart, openEnd) {
		text(h, string(src.key.Metric), string(src.key.Device))
		if err := s.Iterate(ctx, src.key, at(openStart), at(openEnd), func(b Block) error {
			for i, t := range b.Times {
				numbers(h, uint64(t), math.Float64bits(b.Values[i]), uint64(b.Qualities[i]))
			}
			d.Samples += uint64(len(b.Times))
			return ctx.Err()
		}); err != nil {
			return d, err
		}
		// Behind the floor the blocks are all that is left; before it they follow from the samples.
		floor := s.floors.of(coding.ClassOf(src.key.Metric))
		for k := range levels {
			prefix := src.blockPrefix(k)
			n, err := s.digestRange(ctx, h, timeKey(prefix, openStart), timeKey(prefix, max(floor, earliest)))
			if err != nil {
				return d, err
			}
			d.Summaries += n
		}
	}
	for _, w := range s.waves(name, openStart, openEnd) {
		text(h, string(w.metric), string(w.device))
		key := vigil.SeriesKey{Subject: name, Metric: w.metric, Device: w.device}
		if err := s.IterateWaveform(ctx, key, at(openStart+int64(maxWaveSpan)), at(openEnd), func(b vigil.Waveform) error {
			numbers(h, uint64(b.Start), uint64(b.Period), math.Float64bits(b.Scale), math.Float64bits(b.Offset), uint64(len(b.Data)))
			for _, v := range b.Data {
				h.Write([]byte{byte(v), byte(v >> 8)}) //nolint:errcheck // never fails
			}
			d.WaveSamples += uint64(len(b.Data))
			return ctx.Err()
		}); err != nil {
			return d, err
		}
	}
	events := append(subjectPrefix(tableData, name), kindEvent)
	if d.Events, err = s.digestRange(ctx, h, events, prefixEnd(events)); err != nil {
		return d, err
	}
	replaced := append(subjectPrefix(tableData, name), kindCorrection)
	if d.Corrected, err = s.digestRange(ctx, h, replaced, prefixEnd(replaced)); err != nil {
		return d, err
	}
	d.SHA256 = hex.EncodeToString(h.Sum(nil))
	return d, nil
}

// digestRange takes keys and values as they are stored and returns how many there were.
func (s *Store) digestRange(ctx context.Context, h hash.Hash, from, to []byte) (n uint64, err error) {
	err = s.cfg.Series.Scan(ctx, from, to, func(key, value []byte) error {
		n++
		text(h, string(key), string(value))
		return ctx.Err()
	})
	return n, err
}

// text takes strings with their lengths, so that no two lists look alike.
func text(h hash.Hash, list ...string) {
	for _, s := range list {
		numbers(h, uint64(len(s)))
		h.Write([]byte(s)) //nolint:errcheck // never fails
	}
}

func numbers(h hash.Hash, list ...uint64) {
	var b [8]byte
	for _, n := range list {
		binary.BigEndian.PutUint64(b[:], n)
		h.Write(b[:]) //nolint:errcheck // never fails
	}
}
