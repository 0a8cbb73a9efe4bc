package server

import (
	"context"
	"time"

	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

const reviewEvery = 5 * time.Second

// reviewAgain looks again at alarms that were demoted: what still stands once its signal is good is urgent again.
func (e *Engines) reviewAgain(ctx context.Context) error {
	ctx = access.AsSystem(ctx, "review")
	t := time.NewTicker(reviewEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			e.promoteRedeemed(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engines) promoteRedeemed(ctx context.Context) {
	open, err := e.Desk.Open(ctx, alarm.Filter{})
	if err != nil {
		e.logger.Error("review.alarms_not_readable", "error", err)
		return
	}
	for _, a := range open {
		reason, ok := e.Signals.Redeemed(a)
		if !ok {
			continue
		}
		if err := e.Desk.Promote(ctx, a.ID, reason); err != nil {
			e.logger.Error("review.alarm_not_promoted", "alarm", a.ID, "error", err)
		}
	}
}
