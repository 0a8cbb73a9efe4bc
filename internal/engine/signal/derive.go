package signal

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Config is what a Deriver needs from outside.
type Config struct {
	// Append queues a report for the durable log and calls done once it is on disk or cannot be: telemetry.Store.Append.
	Append func(r *vigil.Report, done func(error))
	Now    func() time.Time
	Log    *slog.Logger
}

// Deriver makes metrics from waveforms as they stream, and hands them to the log as reports of the same device with the
// protocol vigil.ProtocolDerived: rules, screens and FHIR meet them like any other.
//
//	log ─► Observe ─► stream (beats, rhythm, quality) ─► queue ─► Run ─► Append ─► log
//
// What it says follows from the samples and their times alone: after a restart CatchUp reads the newest minutes of the
// log again and tells only what the log does not hold yet. Observe may be called concurrently for different subjects.
type Deriver struct {
	cfg      Config
	patients sync.Map // vigil.Subject → *patient

	mu    sync.Mutex
	queue []*vigil.Report
	wake  chan struct{}

	derived, lost atomic.Uint64
}

const (
	queueMost  = 50_000           // reports that wait for the log; more are lost and counted
	leadWait   = 10 * time.Second // a better lead may be silent so long before another speaks
	lateAfter  = 30 * time.Second // what is told later than this raises no alarm
	idleAfter  = 10 * time.Minute // a stream that is silent so long is forgotten
	sweepEvery = time.Minute
)

// patient is what is known of one subject's waveforms.
type patient struct {
	mu      sync.Mutex
	devices map[vigil.DeviceID]*device
}

type device struct {
	heard   int64 // receive clock
	lead    int   // rank of the ECG lead that speaks
	leadAt  int64 // when it last did, receive clock
	streams map[vigil.Metric]*stream
	told    map[vigil.Metric]int64 // time of the newest sample of each derived metric
}

// leads are the ECG leads in the order in which they are trusted; one of a device speaks at a time.
func leads() []vigil.Metric { return []vigil.Metric{"ecg-ii", "ecg-patch", "ecg-v", "ecg-avr"} }

const pleth = vigil.Metric("pleth")

// NewDeriver returns a deriver that has heard nothing. Call CatchUp before the first Observe after a restart.
func NewDeriver(cfg Config) *Deriver {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Deriver{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Observe derives from reports in their order. It does not wait for the disk. Reports are not kept.
func (d *Deriver) Observe(reports []*vigil.Report) {
	for _, r := range reports {
		if len(r.Waveforms) == 0 || !r.Subject.IsPatient() || r.Protocol == vigil.ProtocolDerived {
			continue
		}
		d.Post(d.report(r, r.Received))
	}
}

// CatchUp reads the reports of the last minutes before a restart: each hands them to its function, oldest first. What they
// say and the log does not hold yet is queued.
func (d *Deriver) CatchUp(each func(fn func(*vigil.Report) error) error) error {
	var made []*vigil.Report
	held := map[vigil.SeriesKey]int64{}
	err := each(func(r *vigil.Report) error {
		if r.Protocol != vigil.ProtocolDerived {
			if made = append(made, d.report(r, r.Received)); made[len(made)-1] == nil {
				made = made[:len(made)-1]
			}
			return nil
		}
		for _, s := range r.Samples {
			k := vigil.SeriesKey{Subject: r.Subject, Device: r.Device, Metric: s.Metric}
			held[k] = max(held[k], s.Time)
		}
		return nil
	})
	for _, r := range made {
		r.Samples = slices.DeleteFunc(r.Samples, func(s vigil.Sample) bool {
			return s.Time <= held[vigil.SeriesKey{Subject: r.Subject, Device: r.Device, Metric: s.Metric}]
		})
		d.late(r)
		d.Post(r)
	}
	return err
}

// report takes the waveforms of one report and returns what follows from them, nil when nothing does.
func (d *Deriver) report(r *vigil.Report, received int64) *vigil.Report {
	if len(r.Waveforms) == 0 || !r.Subject.IsPatient() {
		return nil
	}
	v, _ := d.patients.LoadOrStore(r.Subject, &patient{devices: map[vigil.DeviceID]*device{}})
	p := v.(*patient)
	p.mu.Lock()
	defer p.mu.Unlock()
	dev := p.devices[r.Device]
	if dev == nil {
		dev = &device{lead: len(leads()), streams: map[vigil.Metric]*stream{}, told: map[vigil.Metric]int64{}}
		p.devices[r.Device] = dev
	}
	dev.heard = received
	var out []vigil.Sample
	for i := range r.Waveforms {
		w := &r.Waveforms[i]
		if !dev.speaks(w.Metric, received) {
			continue
		}
		s := dev.streams[w.Metric]
		if s == nil {
			s = &stream{ecg: w.Metric != pleth}
			dev.streams[w.Metric] = s
		}
		s.mu.Lock()
		out = s.feed(w, out)
		s.mu.Unlock()
	}
	out = slices.DeleteFunc(out, func(s vigil.Sample) bool { return s.Time <= dev.told[s.Metric] })
	for _, s := range out {
		dev.told[s.Metric] = max(dev.told[s.Metric], s.Time)
	}
	if len(out) == 0 {
		return nil
	}
	made := &vigil.Report{Device: r.Device, Subject: r.Subject, Received: d.cfg.Now().UnixNano(), Protocol: vigil.ProtocolDerived, Samples: out}
	d.late(made)
	return made
}

// speaks reports whether the waveform is one to derive from, and chooses among ECG leads.
func (dev *device) speaks(m vigil.Metric, received int64) bool {
	if m == pleth {
		return true
	}
	rank := slices.Index(leads(), m)
	if rank < 0 || rank > dev.lead && received-dev.leadAt < int64(leadWait) {
		return false
	}
	dev.lead, dev.leadAt = rank, received
	return true
}

// late marks what is told long after its time.
func (d *Deriver) late(r *vigil.Report) {
	limit := d.cfg.Now().Add(-lateAfter).UnixNano()
	for i := range r.Samples {
		if r.Samples[i].Time < limit {
			r.Samples[i].Quality |= vigil.QualityLate
		}
	}
}

// Post queues a derived report for the log. It does not wait; nil is nothing.
func (d *Deriver) Post(r *vigil.Report) {
	if r == nil || len(r.Samples) == 0 {
		return
	}
	d.mu.Lock()
	if len(d.queue) == queueMost {
		d.queue = d.queue[1:]
		d.lost.Add(1)
	}
	d.queue = append(d.queue, r)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run hands what was derived to the log, in order, and forgets streams that ended, until ctx ends.
func (d *Deriver) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		d.flush()
		select {
		case <-ctx.Done():
			d.flush()
			return nil
		case <-d.wake:
		case <-sweep.C:
			d.sweep()
		}
	}
}

func (d *Deriver) flush() {
	d.mu.Lock()
	list := d.queue
	d.queue = nil
	d.mu.Unlock()
	for _, r := range list {
		n := uint64(len(r.Samples))
		d.cfg.Append(r, func(err error) {
			if err != nil {
				d.lost.Add(1)
				d.cfg.Log.Warn("signal.derived_not_stored", "device", r.Device, "error", err)
				return
			}
			d.derived.Add(n)
		})
	}
}

func (d *Deriver) sweep() {
	limit := d.cfg.Now().Add(-idleAfter).UnixNano()
	d.patients.Range(func(key, v any) bool {
		p := v.(*patient)
		p.mu.Lock()
		for id, dev := range p.devices {
			if dev.heard < limit {
				delete(p.devices, id)
			}
		}
		empty := len(p.devices) == 0
		p.mu.Unlock()
		if empty {
			d.patients.Delete(key)
		}
		return true
	})
}

// Stats says how many samples were derived and how many reports were lost.
func (d *Deriver) Stats() (samples, lost uint64) { return d.derived.Load(), d.lost.Load() }

// Quality returns the worst verdict on the subject's ECG or pulse wave within a time, of the device that did best. It is
// false when there was none: no waveform, no judgement.
func (d *Deriver) Quality(s vigil.Subject, of coding.Signal, from, to time.Time) (best Verdict, ok bool) {
	v, found := d.patients.Load(s)
	if !found {
		return best, false
	}
	p := v.(*patient)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, dev := range p.devices {
		for m, st := range dev.streams {
			if (m == pleth) != (of == coding.SignalSpO2) {
				continue
			}
			if w, judged := st.worst(from.UnixNano(), to.UnixNano()); judged && (!ok || w.Score > best.Score) {
				best, ok = w, true
			}
		}
	}
	return best, ok
}
