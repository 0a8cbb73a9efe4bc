package telemetry

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// shard holds the subjects whose hash falls on it. Its goroutine applies reports in log order; readers share the lock.
type shard struct {
	mu       sync.RWMutex
	subjects map[vigil.Subject]*subject
	edit     editor
	in       chan batch
	applied  atomic.Uint64 // offset of the last record whose reports are in
	expired  atomic.Uint64 // what arrived older than what is kept
}

type batch struct {
	offset  uint64
	reports []*vigil.Report
}

const shardQueue = 4 // records waiting for a shard; then the commit waits

func newShard(store Series, damaged func()) *shard {
	return &shard{
		subjects: map[vigil.Subject]*subject{},
		edit:     editor{store: store, damaged: damaged, floors: new(floors)},
		in:       make(chan batch, shardQueue),
	}
}

func (s *Store) shardOf(sub vigil.Subject) *shard {
	if len(s.shards) == 1 {
		return s.shards[0]
	}
	return s.shards[maphash.String(s.seed, string(sub))%uint64(len(s.shards))]
}

// apply puts the reports into the series. Applying a report twice has no further effect.
func (sh *shard) apply(ctx context.Context, reports []*vigil.Report, now int64) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.edit.now = now
	for _, r := range reports {
		if err := sh.applyReport(ctx, r); err != nil {
			return err
		}
	}
	return sh.edit.flush(ctx)
}

func (sh *shard) applyReport(ctx context.Context, r *vigil.Report) error {
	if r.Subject == "" {
		return nil // a heartbeat, or a repeat
	}
	sub := sh.subject(r.Subject)
	dev := sub.spoke
	if dev == nil || dev.id != r.Device {
		if dev = sub.devices[r.Device]; dev == nil {
			dev = &device{id: r.Device}
			sub.devices[r.Device] = dev
		}
		sub.spoke = dev
	}
	sub.dirty = true
	sh.edit.protocol = r.Protocol
	for i := range r.Samples {
		s := dev.find(r.Samples[i].Metric)
		if s == nil {
			s = sub.newSeries(dev, r.Samples[i].Metric)
		}
		if r.Samples[i].Time < sh.edit.floors[s.class].Load() {
			sh.expired.Add(1)
			continue
		}
		s.received = r.Received
		if err := sh.edit.add(ctx, s, &r.Samples[i]); err != nil {
			return err
		}
	}
	for i := range r.Waveforms {
		x := &r.Waveforms[i]
		if x.End() <= sh.edit.floors.of(coding.ClassWaveforms) {
			sh.expired.Add(1)
			continue
		}
		if x.Period > 0 {
			if err := sh.edit.addWave(ctx, sub.wave(dev, x.Metric), x, r.Received); err != nil {
				return err
			}
		}
	}
	for i := range r.Events {
		x := &r.Events[i]
		if x.Time < sh.edit.floors.of(coding.ClassEvents) {
			sh.expired.Add(1)
			continue
		}
		sh.edit.pending = append(sh.edit.pending, Entry{eventKey(r.Subject, r.Device, x), encodeEvent(x)})
	}
	return nil
}

func (sh *shard) subject(name vigil.Subject) *subject {
	sub := sh.subjects[name]
	if sub == nil {
		sub = &subject{name: name, devices: map[vigil.DeviceID]*device{}}
		sh.subjects[name] = sub
	}
	return sub
}

// find looks where the last report had its next sample first: reports of a device look alike.
func (d *device) find(m vigil.Metric) *series {
	for range d.series {
		if d.next >= len(d.series) {
			d.next = 0
		}
		s := d.series[d.next]
		d.next++
		if s.key.Metric == m {
			return s
		}
	}
	return nil
}

func (sub *subject) newSeries(dev *device, m vigil.Metric) *series {
	s := &series{key: vigil.SeriesKey{Subject: sub.name, Device: dev.id, Metric: m}}
	s.class = uint8(classNumber(coding.ClassOf(m)))
	s.prefix = seriesPrefix(sub.name, kindNumeric, m, dev.id)
	dev.series = append(dev.series, s)
	i, _ := slices.BinarySearchFunc(sub.series, s, compareSeries)
	sub.series = slices.Insert(sub.series, i, s)
	return s
}

func compareSeries(a, b *series) int {
	return cmp.Or(cmp.Compare(metricNumbers[a.key.Metric], metricNumbers[b.key.Metric]),
		cmp.Compare(a.key.Metric, b.key.Metric), cmp.Compare(a.key.Device, b.key.Device))
}

func (sub *subject) wave(dev *device, m vigil.Metric) *wave {
	for _, w := range dev.waves {
		if w.metric == m {
			return w
		}
	}
	w := &wave{metric: m, device: dev.id, prefix: seriesPrefix(sub.name, kindWave, m, dev.id)}
	dev.waves = append(dev.waves, w)
	i, _ := slices.BinarySearchFunc(sub.waves, w, func(a, b *wave) int {
		return cmp.Or(cmp.Compare(metricNumbers[a.metric], metricNumbers[b.metric]),
			cmp.Compare(a.metric, b.metric), cmp.Compare(a.device, b.device))
	})
	sub.waves = slices.Insert(sub.waves, i, w)
	return w
}

// restore takes one row of the last table.
func (sh *shard) restore(k vigil.SeriesKey, kind byte, value []byte) bool {
	sub := sh.subject(k.Subject)
	dev := sub.devices[k.Device]
	if dev == nil {
		dev = &device{id: k.Device}
		sub.devices[k.Device] = dev
	}
	if kind == kindWave {
		return decodeWaveInfo(value, sub.wave(dev, k.Metric))
	}
	last, sealed, ok := decodeLast(value)
	if !ok {
		return false
	}
	s := sub.newSeries(dev, k.Metric)
	s.last, s.has, s.sealed = last, true, sealed
	return true
}

const saveTogether = 64 // subjects written under one hold of the lock

// save writes what memory holds and the store does not, a few subjects at a time so that ingestion goes on.
func (sh *shard) save(ctx context.Context, now int64) error {
	sh.mu.RLock()
	var names []vigil.Subject
	for name, sub := range sh.subjects {
		if sub.dirty {
			names = append(names, name)
		}
	}
	sh.mu.RUnlock()
	for group := range slices.Chunk(names, saveTogether) {
		if err := sh.saveGroup(ctx, group, now); err != nil {
			return err
		}
	}
	return nil
}

func (sh *shard) saveGroup(ctx context.Context, names []vigil.Subject, now int64) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.edit.now = now
	for _, name := range names {
		if sub := sh.subjects[name]; sub != nil {
			sh.edit.save(sub)
		}
	}
	return sh.edit.flush(ctx)
}
