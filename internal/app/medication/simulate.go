package medication

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// simulate plays the pill dispensers: each opens at a dose's time and most people take it within half an hour.
func (m *Medication) simulate(ctx context.Context, w app.Ward) error {
	ctx = access.AsSystem(ctx, "medication")
	at := w.Now()
	for _, d := range w.Devices("pill-dispenser") {
		if err := m.play(ctx, w, d, latest(d.Since, m.midnight(at.AddDate(0, 0, -m.cfg.Days))), at); err != nil {
			return err
		}
	}
	for {
		next := at.Add(time.Minute)
		if err := w.Wait(ctx, next); err != nil {
			return nil //nolint:nilerr // the ward closes
		}
		for _, d := range w.Devices("pill-dispenser") {
			if err := m.play(ctx, w, d, at, next); err != nil {
				return err
			}
		}
		at = next
	}
}

// play sends what a dispenser says in [from, to). The same dose has the same fate each time it is played.
func (m *Medication) play(ctx context.Context, w app.Ward, d app.WardDevice, from, to time.Time) error {
	for _, o := range m.ordersOf(d.Patient) {
		if o.OnHold {
			continue
		}
		o.From = time.Time{}
		for _, x := range o.doses(from.Add(-m.cfg.MissedAfter), to, m.cfg) {
			fate := fnv.New32a()
			fate.Write([]byte(x.ID)) //nolint:errcheck // never fails
			dice := fate.Sum32()
			taken := x.Due.Add(time.Duration(dice%30+1) * time.Minute)
			recent := w.Now().Sub(x.Due) < 3*24*time.Hour // the demonstration begins with a good week's end
			for _, e := range []struct {
				at   time.Time
				what string
				ok   bool
			}{{x.Due, "dispensed", true}, {taken, "taken", dice%9 != 0 || recent}} {
				if !e.ok || e.at.Before(from) || !e.at.Before(to) {
					continue
				}
				text, err := json.Marshal(map[string]any{"ts": e.at.UnixMilli(), "event": e.what, "medication": o.Code, "slot": strconv.Itoa(int(1 + dice%28))})
				if err != nil {
					return err
				}
				if err := w.Send(ctx, d.ID, text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
