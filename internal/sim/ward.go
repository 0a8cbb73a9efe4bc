package sim

import (
	"context"
	"math"
	"time"
)

// Send hands one message of a device to its connection. It may wait for room, and returns an error only when the
// message could not be sent at all.
type Send func(ctx context.Context, device string, payload []byte) error

// Ward is the living ward: every device of the hospital says what its patient's body does. It sends through Send alone.
type Ward struct {
	hospital *Hospital
	send     Send
	now      func() time.Time
	opened   time.Time
	lives    []*life
}

// life is one patient in the ward.
type life struct {
	*Patient
	body    *Body
	battery float64
	ticks   int
}

const ecgRate = 250

// NewWard opens a ward at the present time of the clock.
func NewWard(h *Hospital, now func() time.Time, send Send) *Ward {
	w := &Ward{hospital: h, send: send, now: now, opened: now()}
	for i := range h.Patients {
		p := &h.Patients[i]
		w.lives = append(w.lives, &life{Patient: p, body: p.Body(uint64(i) + 1), battery: 64 + float64(i%4)*9})
	}
	return w
}

// Backfill sends the past of every patient, one value of each vital sign a minute from -since to now, and progress in
// [0, 1] as it goes. It is sent late, as a device does that was cut off, and raises no alarm.
func (w *Ward) Backfill(ctx context.Context, since time.Duration, progress func(float64)) error {
	steps := int(since / time.Minute)
	for i := range steps {
		t := -since + time.Duration(i)*time.Minute
		for _, l := range w.lives {
			if l.Standby != "" && t > -20*time.Minute {
				continue
			}
			m := course(l.Patient, t)
			l.body.Target = m.target
			l.body.Step(time.Minute)
			if err := w.past(ctx, l, w.opened.Add(t), i); err != nil {
				return err
			}
		}
		if progress != nil && i%16 == 0 {
			progress(float64(i) / float64(steps))
		}
	}
	return nil
}

func (w *Ward) past(ctx context.Context, l *life, at time.Time, i int) error {
	if l.Home {
		if i%5 != 0 || l.Patch == "" {
			return nil
		}
		return w.send(ctx, l.Patch, patchMessage(at, l.body.Vitals(), l.battery, nil))
	}
	if err := w.send(ctx, l.Monitor(), monitorMessage(at, l.body, nil, l.Line, true)); err != nil {
		return err
	}
	if !l.Line && i%15 == l.Bed%15 {
		if err := w.send(ctx, l.Monitor(), cuffMessage(at.Add(time.Second), l.body.Vitals())); err != nil {
			return err
		}
	}
	if i%240 == 1 {
		return w.send(ctx, l.Monitor(), nurseMessage(at.Add(2*time.Second), 0, l.Oxygen))
	}
	return nil
}

// Run lets the ward live until ctx ends: a second of it every second.
func (w *Ward) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for second := 0; ; second++ {
		at := w.now()
		for i, l := range w.lives {
			if err := w.second(ctx, l, at, second+i); err != nil {
				return err
			}
		}
		if second%60 == 0 {
			if err := w.rooms(ctx, at); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *Ward) second(ctx context.Context, l *life, at time.Time, n int) error {
	m := course(l.Patient, at.Sub(w.opened))
	l.body.Target, l.body.LeadOff = m.target, m.leadOff
	l.body.Step(time.Second)
	strip := l.body.Record(time.Second, ecgRate)
	if n%600 == 0 {
		l.battery = math.Max(15, l.battery-1)
	}
	switch {
	case m.silent || l.Standby != "":
		return nil
	case l.Home:
		return w.patch(ctx, l, at, n, strip.ECG)
	}
	first := l.ticks == 0 // whoever opens the ward finds it measured
	l.ticks++
	start := at.Add(-time.Second) // the strip ends now
	if err := w.send(ctx, l.Monitor(), monitorMessage(start, l.body, &strip, l.Line, first || n%30 == 0)); err != nil {
		return err
	}
	if l.Patch != "" && n%10 == 0 {
		if err := w.send(ctx, l.Patch, newMessage(at).num("skin", l.body.Vitals().Temp-3.1, 1).num("bat", l.battery, 0).num("rssi", -58, 0).end()); err != nil {
			return err
		}
	}
	if !l.Line && (first || n%300 == l.Bed*7%300) {
		if err := w.send(ctx, l.Monitor(), cuffMessage(at, l.body.Vitals())); err != nil {
			return err
		}
	}
	if first || n%14400 == 0 {
		return w.send(ctx, l.Monitor(), nurseMessage(at, 0, l.Oxygen))
	}
	return nil
}

// patch sends the vital signs every five seconds and the ECG every second.
func (w *Ward) patch(ctx context.Context, l *life, at time.Time, n int, ecg []float64) error {
	if l.Patch == "" {
		return nil
	}
	if n%5 == 0 {
		return w.send(ctx, l.Patch, patchMessage(at.Add(-time.Second), l.body.Vitals(), l.battery, ecg))
	}
	return w.send(ctx, l.Patch, newMessage(at.Add(-time.Second)).ints("ecg", ecg, 0.005).end())
}

func (w *Ward) rooms(ctx context.Context, at time.Time) error {
	for _, r := range w.hospital.Rooms {
		swing := math.Sin(2 * math.Pi * at.Sub(w.opened).Hours())
		m := newMessage(at).num("t", r.Temperature+0.2*swing, 1).num("rh", r.Humidity+swing, 0).num("co2", r.CO2+30*swing, 0).num("dp", r.Pressure, 1)
		if err := w.send(ctx, r.Device, m.end()); err != nil {
			return err
		}
	}
	return nil
}
