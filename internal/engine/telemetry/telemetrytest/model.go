package telemetrytest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// agreesOnEverything plays random interleavings of samples, waveforms and events of two devices about two patients, with
// repeats, corrections and whatever comes late, over checkpoints, restarts and power cuts, and compares every way of reading.
func agreesOnEverything(t *testing.T, d Disk) {
	disk := d
	h := open(t, disk)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		m := newModel(round)
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			var reports []*vigil.Report
			for range rapid.IntRange(1, 60).Draw(rt, "reports") {
				reports = append(reports, m.draw(rt))
			}
			h.add(rt, reports...)
			switch rapid.IntRange(0, 5).Draw(rt, "then") {
			case 0:
				if err := h.Checkpoint(context.Background()); err != nil {
					rt.Fatal(err)
				}
			case 1:
				if err := h.Store.Close(); err != nil {
					rt.Fatal(err)
				}
				h.open(rt)
			case 2: // everything was acknowledged: it is on what is left of the disk
				left := disk.PowerCut(t, rapid.IntRange(0, 100).Draw(rt, "kept"))
				h.stop(t)
				disk = left
				h = open(t, disk)
			}
		}
		m.compare(rt, h)
	})
	h.stop(t)
}

// model is what a store must hold after any order of reports, repeats and corrections: the newest value of each place.
type model struct {
	subjects [2]vigil.Subject
	samples  map[place]float64
	waves    map[place]vigil.Waveform
	events   map[place]string
	sent     []*vigil.Report
}

// place is where one thing lies.
type place struct {
	subject vigil.Subject
	device  vigil.DeviceID
	metric  vigil.Metric
	at      int64
}

func newModel(round int) *model {
	return &model{
		subjects: [2]vigil.Subject{vigil.Subject(fmt.Sprintf("Patient/x%d", round)), vigil.Subject(fmt.Sprintf("Patient/y%d", round))},
		samples:  map[place]float64{}, waves: map[place]vigil.Waveform{}, events: map[place]string{},
	}
}

// draw returns a new report, or one again that was sent before.
func (m *model) draw(t *rapid.T) *vigil.Report {
	if len(m.sent) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 {
		return rapid.SampledFrom(m.sent).Draw(t, "which") // what was received later stands
	}
	at := start.Add(time.Duration(rapid.IntRange(-5000, 5000).Draw(t, "at")) * time.Second).UnixNano()
	r := &vigil.Report{
		Subject:  rapid.SampledFrom(m.subjects[:]).Draw(t, "subject"),
		Device:   rapid.SampledFrom([]vigil.DeviceID{"patch", "monitor"}).Draw(t, "device"),
		Received: start.UnixNano() + int64(len(m.sent))*1e6, Protocol: "mqtt",
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "samples") {
		metric := rapid.SampledFrom([]vigil.Metric{"heart-rate", "spo2"}).Draw(t, "metric")
		value := float64(rapid.IntRange(40, 180).Draw(t, "value"))
		r.Samples = append(r.Samples, vigil.Sample{Metric: metric, Time: at + int64(i)*1e9, Value: value})
	}
	if rapid.IntRange(0, 3).Draw(t, "wave") == 0 {
		w := vigil.Waveform{Metric: "ecg-ii", Start: at, Period: 4e6, Scale: 0.01, Data: make([]int16, 25)}
		for i := range w.Data {
			w.Data[i] = int16(at/1e9*7 + int64(i)) // a block that comes again is the same block
		}
		r.Waveforms = append(r.Waveforms, w)
	}
	if rapid.IntRange(0, 3).Draw(t, "event") == 0 {
		r.Events = append(r.Events, vigil.Event{Kind: "dose-taken", Time: at, Data: map[string]string{"medication": fmt.Sprint(at)}})
	}
	m.take(r)
	m.sent = append(m.sent, r)
	return r
}

func (m *model) take(r *vigil.Report) {
	for _, s := range r.Samples {
		m.samples[place{r.Subject, r.Device, s.Metric, s.Time}] = s.Value
	}
	for _, w := range r.Waveforms {
		m.waves[place{r.Subject, r.Device, w.Metric, w.Start}] = w
	}
	for _, e := range r.Events {
		m.events[place{r.Subject, r.Device, vigil.Metric(e.Kind), e.Time}] = e.Data["medication"]
	}
}

func (m *model) compare(t *rapid.T, h *house) {
	ctx := system()
	from, to := start.Add(-2*time.Hour), start.Add(2*time.Hour)
	samples, waves, events := map[place]float64{}, map[place][]int16{}, map[place]string{}
	newest := map[place]int64{}
	for _, subject := range m.subjects {
		for _, l := range h.raw(t, telemetry.Query{Subject: subject}) {
			for _, p := range l.Points {
				samples[place{subject, p.Device, l.Metric, p.Time}] = p.Mean
			}
		}
		list, err := h.Events(ctx, subject, nil, from, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			events[place{subject, e.Device, vigil.Metric(e.Kind), e.Time}] = e.Data["medication"]
		}
		blocks, err := h.Waveform(ctx, subject, "ecg-ii", from, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range blocks {
			waves[place{subject, "", w.Metric, w.Start}] = w.Data
		}
		last, err := h.Last(ctx, subject)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range last {
			newest[place{subject, v.Device, v.Metric, 0}] = v.Time.UnixNano()
		}
	}
	agree(t, "sample", m.samples, samples)
	agree(t, "event", m.events, events)
	wantWaves := map[place]int16{}
	for k, w := range m.waves {
		wantWaves[place{k.subject, "", k.metric, k.at}] = w.Data[3]
	}
	gotWaves := map[place]int16{}
	for k, data := range waves {
		if len(data) == 25 {
			gotWaves[k] = data[3]
		}
	}
	agree(t, "waveform", wantWaves, gotWaves)
	wantNewest := map[place]int64{}
	for k := range m.samples {
		n := place{k.subject, k.device, k.metric, 0}
		if at, ok := wantNewest[n]; !ok || k.at > at {
			wantNewest[n] = k.at
		}
	}
	agree(t, "newest", wantNewest, newest)
}

// agree compares what is stored with the model, both ways.
func agree[V comparable](t *rapid.T, what string, want, got map[place]V) {
	t.Helper()
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			t.Fatalf("%s %+v is %v (there: %v), want %v", what, k, g, ok, v)
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			t.Fatalf("%s %+v = %v was never written", what, k, g)
		}
	}
}

// clockJumps sets the clock hours and days away and to 1970 and back, over checkpoints and restarts: order and content
// do not care.
func clockJumps(t *testing.T, d Disk) {
	var heard []int64
	listen := func(s *telemetry.Store) {
		s.Consume("order", func(reports []*vigil.Report) {
			for _, r := range reports {
				if r.Subject == sara {
					heard = append(heard, r.Samples[0].Time)
				}
			}
		})
	}
	h := open(t, d, listen)
	base := h.now.Load()
	var sent []int64
	at := start
	for i, jump := range []time.Duration{0, time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, 0} {
		h.now.Store(base + jump.Nanoseconds())
		if i == 5 {
			h.now.Store(time.Unix(3, 0).UnixNano())
		}
		for range 40 {
			at = at.Add(time.Second)
			r := report(sara, at, float64(60+len(sent)%100))
			r.Received = h.now.Load()
			h.add(t, r)
			sent = append(sent, at.UnixNano())
		}
		if i%2 == 1 {
			if err := h.Checkpoint(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if i == 3 || i == 5 { // far ahead, and in 1970
			if err := h.Store.Close(); err != nil {
				t.Fatal(err)
			}
			h.open(t, listen)
		}
	}
	h.now.Store(base)
	h.add(t, report(sara, at.Add(time.Second), 61))
	sent = append(sent, at.Add(time.Second).UnixNano())
	h.stop(t)
	if !slices.Equal(heard, sent) {
		t.Errorf("consumers heard %d of %d reports, or in another order", len(heard), len(sent))
	}
	h = open(t, d)
	defer h.stop(t)
	lines := h.raw(t, telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}})
	if len(lines) != 1 || len(lines[0].Points) != len(sent) {
		t.Fatalf("%d lines, want all %d samples", len(lines), len(sent))
	}
	for i, p := range lines[0].Points {
		if p.Time != sent[i] {
			t.Fatalf("point %d lies at %d, want %d", i, p.Time, sent[i])
		}
	}
}

// retentionWaits sets the clock years ahead for a moment: nothing is dropped and nothing that comes afterwards is taken
// for too old. A clock that stays there is believed in the end.
func retentionWaits(t *testing.T, d Disk) {
	h := &house{policy: shortPolicy(), trust: time.Hour}
	h.log, h.series = d.Open(t)
	h.now.Store(start.UnixNano())
	h.open(t)
	h.add(t, series(sara, 300)...)
	count := func() int {
		lines := h.raw(t, telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}})
		if len(lines) == 0 {
			return 0
		}
		return len(lines[0].Points)
	}
	for _, ahead := range []time.Duration{24 * time.Hour, 30 * 24 * time.Hour, 15 * 365 * 24 * time.Hour} {
		h.now.Store(start.Add(ahead).UnixNano())
		h.retire(t)
		h.now.Store(start.Add(ahead + time.Minute).UnixNano())
		h.retire(t)
		h.now.Store(start.UnixNano())
		h.retire(t)
	}
	at := start.Add(500 * time.Second)
	h.add(t, report(sara, at, 77))
	if n := count(); n != 301 || h.Health().Retention.Expired != 0 {
		t.Errorf("after the clock was ahead for a minute %d of 301 samples are there, %d were taken for too old", n, h.Health().Retention.Expired)
	}
	if err := h.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.now.Store(start.Add(365 * 24 * time.Hour).UnixNano())
	h.retire(t)
	for range 5 {
		h.now.Add(30 * time.Minute.Nanoseconds())
		h.retire(t)
	}
	if n := count(); n != 0 {
		t.Errorf("after a year and two hours %d samples are there", n)
	}
	h.stop(t)
}
