package ingest

import (
	"context"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Usable reports whether a value measured at a time (Unix nanoseconds) can be a measurement: it lies within what a body or
// a room can show, and not ahead of the server's clock by more than a clock may be.
func (p *Pipeline) Usable(m vigil.Metric, value float64, at int64) bool {
	c, ok := coding.Lookup(m)
	return ok && value >= c.Low && value <= c.High && at <= p.cfg.Now().UnixNano()+int64(maxAhead)
}

// AcceptCoded takes measurements that came coded, in canonical units and with their subject, from another system or from
// hand. It stamps them as received now, flags what is late, and returns once all are on disk, or Unavailable when they
// could not be stored and must be sent again. It is the last step of the path of a sample: the steps before are the
// sender's.
func (p *Pipeline) AcceptCoded(ctx context.Context, reports []*vigil.Report) error {
	now := p.cfg.Now().UnixNano()
	values := 0
	for _, r := range reports {
		r.Received = now
		for i := range r.Samples {
			if r.Samples[i].Time < now-int64(lateAfter) {
				r.Samples[i].Quality |= vigil.QualityLate
			}
		}
		values += len(r.Samples)
	}
	last := &p.counts[len(p.counts)-1]
	stored := make(chan error, 1)
	p.cfg.Telemetry.AppendAll(reports, func(err error) { stored <- err })
	select {
	case err := <-stored:
		if err != nil {
			last.Failed.Add(1)
			return err
		}
	case <-ctx.Done():
		return vigil.Errorf(vigil.Unavailable, "ingest.coded", "gave up waiting for the disk: %w", ctx.Err())
	}
	last.Passed.Add(1)
	p.values.Add(uint64(values))
	return nil
}
