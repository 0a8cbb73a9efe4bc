package ingest

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/gate"
)

// turn asks the gate. False means that the message waits and goes on from here when its turn comes, or was refused; it
// belongs to somebody else then.
func (p *Pipeline) turn(w *work) bool {
	if p.cfg.Gate == nil || w.release {
		return true
	}
	t := &w.ticket
	*t = gate.Ticket{Device: w.Device, Speaker: w.Speaker, Class: w.class(), Cost: w.cost(), Refuse: w.Refuse, Go: func() {
		p.counts[p.turnAt].Passed.Add(1)
		p.run(w, p.turnAt+1)
	}}
	if w.device == nil {
		t.Device = "" // strangers share one line
	}
	answer := w.done
	w.done = func(err error) {
		p.cfg.Gate.Leave(t)
		answer(err)
	}
	now, err := p.cfg.Gate.Enter(t)
	if err != nil {
		p.counts[p.turnAt].Failed.Add(1)
		answer(err)
	}
	return now
}

// cost is what the message takes of the quotas.
func (w *work) cost() gate.Cost {
	c := gate.Cost{Messages: 1, Bytes: len(w.Payload)}
	for i := range w.mapped {
		r := &w.mapped[i].Report
		c.Values += len(r.Samples)
		for k := range r.Waveforms {
			c.Values += len(r.Waveforms[k].Data)
		}
	}
	return c
}

// class ranks the message by the most urgent thing in it.
func (w *work) class() gate.Class {
	out := gate.Bulk
	if !w.stopped && len(w.rejected) == 0 {
		out = gate.Vitals // a heartbeat says nothing, but that the device lives
	}
	late := w.Received.Add(-lateAfter)
	for i := range w.mapped {
		if c := classOf(&w.mapped[i].Report, late); i == 0 || c < out {
			out = c
		}
	}
	return out
}

func classOf(r *vigil.Report, late time.Time) gate.Class {
	switch {
	case len(r.Events) > 0:
		return gate.Events
	case len(r.Samples) > 0 && r.Samples[0].At().Before(late), len(r.Samples) == 0 && len(r.Waveforms) > 0 && time.Unix(0, r.Waveforms[0].Start).Before(late):
		return gate.Bulk
	case len(r.Samples) == 0 && len(r.Waveforms) > 0:
		return gate.Waves
	}
	return gate.Vitals
}
