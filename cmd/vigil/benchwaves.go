package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

type benchWavesCmd struct {
	benchFlags  `embed:""`
	Streams     int `help:"Waveforms of 250 Hz, each of a patch on a patient of its own, a message a second." default:"1000"`
	Connections int `help:"Gateway connections." default:"20"`
	Seconds     int `help:"Length of the measurement, after three seconds of warming up." default:"30"`
}

// waveFigures is what vigil bench waves reports.
type waveFigures struct {
	Streams int         `json:"streams"`
	Bytes   int         `json:"bytes_per_message"`
	Load    loadFigures `json:"load"`
	Checked int         `json:"samples_checked"`
	Missing int         `json:"samples_missing"`
}

// Run implements the command.
func (c *benchWavesCmd) Run(ctx context.Context) error {
	if c.Connections < 1 || c.Streams < c.Connections || c.Seconds < 1 {
		return vigil.Errorf(vigil.Invalid, "bench.waves", "needs at least one connection, a stream for each and a second")
	}
	line := newProgress()
	line.say("admitting %d patients with their patches", c.Streams)
	h, err := openBenchHouse(ctx, c.benchFlags, sim.LoadSize{Gateways: c.Connections, Patches: c.Streams})
	var out *waveFigures
	if err == nil {
		out, err = c.measure(ctx, h, line)
	}
	line.end()
	if h != nil {
		err = errors.Join(err, h.close())
	}
	if err != nil {
		return err
	}
	return c.show(out, func() {
		fmt.Printf("%d waveforms of %d Hz, messages of %d bytes, default rules on\n", out.Streams, sim.LoadWaveRate, out.Bytes)
		out.Load.print("one message a second each")
		fmt.Printf("looked up afterwards: %d acknowledged samples, %d missing\n", out.Checked, out.Missing)
	})
}

func (c *benchWavesCmd) measure(ctx context.Context, h *benchHouse, line progress) (*waveFigures, error) {
	l, err := openLoad(ctx, h, loadSpec{connections: c.Connections, devices: c.Streams, values: 1, window: 128})
	if err != nil {
		return nil, err
	}
	defer l.close()
	for i, s := range l.senders {
		s.waves = sim.NewLoadWaves(uint64(i + 1))
	}
	out := &waveFigures{Streams: c.Streams, Bytes: l.messageBytes()}
	out.Load, err = l.run(ctx, loadRun{name: "streaming", rate: float64(c.Streams), span: time.Duration(c.Seconds) * time.Second}, line)
	if err != nil {
		return nil, err
	}
	line.say("looking up what was acknowledged")
	out.Checked, out.Missing, err = l.checkWaves(ctx)
	return out, err
}

// checkWaves counts the stored samples of some streams.
func (l *load) checkWaves(ctx context.Context) (checked, missing int, err error) {
	for i, s := range l.senders {
		want, have := int(s.count[0])*sim.LoadWaveRate, 0
		id := l.house.ward.Devices[l.spec.first+i]
		begin, end := s.last[0]-int64(s.count[0]-1)*1000, s.last[0]+1000
		for from := begin; from < end; from += 60_000 {
			q := url.Values{"metric": {"ecg-patch"}, "from_ms": {fmt.Sprint(from)}, "to_ms": {fmt.Sprint(min(from+60_000, end))}}
			var wave struct{ Samples []*int }
			if err := l.house.get(ctx, "/api/patients/"+id+"/waveform?"+q.Encode(), &wave); err != nil {
				return checked, missing, err
			}
			for _, v := range wave.Samples {
				if v != nil {
					have++
				}
			}
		}
		checked, missing = checked+want, missing+max(want-have, 0)
	}
	return checked, missing, nil
}
