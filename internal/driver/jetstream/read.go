package jetstream

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	stream "github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Read merges the stream with what stands aside, in the order of offsets:
//
//	stream    1 2 _ 4 5 _ 7      a gap is a record that was replaced, or lost
//	aside         3     6
func (l *Log) Read(ctx context.Context, from uint64, fn func(telemetry.Record) error) error {
	if err := l.enter(); err != nil {
		return err
	}
	from = max(from, l.first.Load())
	m := &merge{log: l, ctx: ctx, fn: fn, at: from, end: l.next.Load() - 1}
	l.mu.RLock()
	i, _ := slices.BinarySearch(l.replaced, from)
	m.aside = slices.Clone(l.replaced[i:])
	l.mu.RUnlock()
	err := m.run()
	if errors.Is(err, telemetry.ErrStop) {
		return nil
	}
	return err
}

// merge is one reading.
type merge struct {
	log     *Log
	ctx     context.Context
	fn      func(telemetry.Record) error
	at, end uint64   // the next offset, and the last one to read
	aside   []uint64 // offsets still to come from there
}

func (m *merge) run() error {
	if m.at > m.end {
		return nil
	}
	l := m.log
	consumer, err := l.js.OrderedConsumer(m.ctx, l.cfg.Stream, stream.OrderedConsumerConfig{
		DeliverPolicy: stream.DeliverByStartSequencePolicy, OptStartSeq: m.at, InactiveThreshold: 30 * time.Second, MaxResetAttempts: 3,
	})
	if err != nil {
		return l.wrap(err)
	}
	if consumer.CachedInfo().NumPending == 0 { // everything from here on stands aside
		return m.gap(m.end + 1)
	}
	list, err := consumer.Messages(stream.PullMaxMessages(256))
	if err != nil {
		return l.wrap(err)
	}
	defer list.Stop()
	for m.at <= m.end {
		msg, err := list.Next(stream.NextContext(m.ctx))
		if err != nil {
			if m.ctx.Err() != nil {
				return m.ctx.Err()
			}
			return l.wrap(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return l.wrap(err)
		}
		seq := meta.Sequence.Stream
		if err := m.gap(min(seq, m.end+1)); err != nil {
			return err
		}
		if seq > m.end {
			return nil
		}
		if err := m.take(seq, msg.Data()); err != nil {
			return err
		}
		if meta.NumPending == 0 {
			return m.gap(m.end + 1)
		}
	}
	return nil
}

// take hands a message on, unless a record that stands aside has taken its place.
func (m *merge) take(seq uint64, data []byte) error {
	if len(m.aside) > 0 && m.aside[0] == seq { // the replacement was interrupted before the old one went
		return m.gap(seq + 1)
	}
	m.at = seq + 1
	r, ok := decode(seq, data)
	if !ok {
		m.log.lost.Add(1)
		return nil
	}
	return m.fn(r)
}

// gap hands on what stands aside before the offset; what does not is lost.
func (m *merge) gap(before uint64) error {
	for len(m.aside) > 0 && m.aside[0] < before {
		offset := m.aside[0]
		m.aside = m.aside[1:]
		m.log.lost.Add(offset - m.at)
		m.at = offset + 1
		r, ok, err := m.log.fromAside(m.ctx, offset)
		if err != nil {
			return err
		}
		if !ok {
			m.log.lost.Add(1)
			continue
		}
		if err := m.fn(r); err != nil {
			return err
		}
	}
	if before > m.at {
		m.log.lost.Add(before - m.at)
		m.at = before
	}
	return nil
}

func (l *Log) fromAside(ctx context.Context, offset uint64) (r telemetry.Record, ok bool, err error) {
	msg, err := l.aside.GetLastMsgForSubject(ctx, l.asideSubject(strconv.FormatUint(offset, 10)))
	if gone(err) {
		return r, false, nil
	}
	if err != nil {
		return r, false, l.wrap(err)
	}
	r, ok = decode(offset, msg.Data)
	return r, ok, nil
}

// Seek searches by halving: At never decreases.
func (l *Log) Seek(ctx context.Context, at int64) (uint64, error) {
	if err := l.enter(); err != nil {
		return 0, err
	}
	lo, hi := l.first.Load(), l.next.Load() // the answer lies in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		r, there, err := l.atOrAfter(ctx, mid)
		if err != nil {
			return 0, err
		}
		if there && r.Offset < hi && r.At < at {
			lo = r.Offset + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// atOrAfter returns the first record from the offset on that can be read.
func (l *Log) atOrAfter(ctx context.Context, offset uint64) (r telemetry.Record, there bool, err error) {
	for end := l.next.Load(); offset < end; offset++ {
		l.mu.RLock()
		i, _ := slices.BinarySearch(l.replaced, offset)
		aside := end
		if i < len(l.replaced) {
			aside = l.replaced[i]
		}
		l.mu.RUnlock()
		msg, err := l.main.GetMsg(ctx, offset, stream.WithGetMsgSubject(l.subject()))
		if err != nil && !gone(err) {
			return r, false, l.wrap(err)
		}
		ok := false
		if err == nil && msg.Sequence < aside {
			offset = msg.Sequence
			r, ok = decode(offset, msg.Data)
		} else if aside < end {
			offset = aside
			if r, ok, err = l.fromAside(ctx, aside); err != nil {
				return r, false, err
			}
		} else {
			return r, false, nil
		}
		if ok {
			return r, true, nil
		}
	}
	return r, false, nil
}
