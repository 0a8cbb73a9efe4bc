package alarm

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
)

// Promote gives a demoted alarm that still stands the priority of its rule again, because the reason for the demotion is
// gone. The chain of that priority begins anew: who acknowledged the lesser alarm is paged with the others. An alarm that
// is not open, not active or not demoted is left as it is. It returns Unavailable when not stored.
func (d *Desk) Promote(ctx context.Context, id, reason string) error {
	e := d.find(id)
	if e == nil {
		return nil
	}
	_, err := d.change(ctx, e, func(a *vigil.Alarm) ([]Page, error) {
		if a.Demoted == nil || !a.Active() {
			return nil, errUnchanged
		}
		d.promote(a, a.Demoted.From, reason)
		d.hush(a)
		return d.advance(ctx, a, d.cfg.Now())
	})
	return err
}

// promote raises the priority and puts the alarm at the beginning of its chain.
func (d *Desk) promote(a *vigil.Alarm, to vigil.Priority, reason string) {
	if a.Chain == a.Priority.String() {
		a.Chain = to.String()
	}
	a.Priority, a.Demoted = to, nil
	d.note(a, "promoted", "", to.String()+" again: "+reason)
	a.State, a.AckedBy, a.AckedInitials, a.AckedAt, a.AudioPausedTil = vigil.AlarmRaised, "", "", time.Time{}, time.Time{}
	d.begin(a, d.cfg.Now())
}
