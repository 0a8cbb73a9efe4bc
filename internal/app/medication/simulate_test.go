package medication_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/app/apptest"
	"github.com/vigil-health/vigil/internal/app/medication"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// ward plays a few minutes and closes; what devices send is stored as their profile would map it.
type ward struct {
	h     *apptest.House
	turns int
	sent  int
}

func (w *ward) Now() time.Time { return w.h.Clock.Now() }

func (w *ward) Wait(_ context.Context, until time.Time) error {
	if w.turns--; w.turns < 0 {
		return context.Canceled
	}
	w.h.Advance(until.Sub(w.h.Clock.Now()), time.Minute)
	return nil
}

func (w *ward) Devices(profile string) []app.WardDevice {
	if profile != "pill-dispenser" {
		return nil
	}
	return []app.WardDevice{{ID: "pill-1", Patient: apptest.Vera, Since: at("00:00").AddDate(0, 0, -20)}}
}

func (w *ward) Send(_ context.Context, device string, payload []byte) error {
	var p struct {
		TS                      int64
		Event, Medication, Slot string
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return err
	}
	w.sent++
	w.h.Report(apptest.Vera, device, &vigil.Report{Events: []vigil.Event{{Kind: vigil.EventKind("dose-" + p.Event), Time: p.TS * 1e6, Data: map[string]string{"medication": p.Medication}}}})
	return nil
}

func TestSimulate(t *testing.T) {
	m := medication.New(utc())
	h := apptest.Open(t, t.TempDir(), at("07:50"), m.App(), apptest.Prescription(apptest.Otto, met, "Metoprolol 25 mg", "08:00").With("status", "cancelled"))
	w := &ward{h: h, turns: 60}
	if err := m.App().Simulate(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if w.sent < 2*20*2*8/10 {
		t.Errorf("%d messages of 20 days", w.sent)
	}
	same(t, list(h)) // nobody is called in a calm demonstration
	out, err := h.Call(apptest.As(access.Nurse, apptest.Nurse), "GET /day", apptest.Input{Params: map[string]string{"patient": apptest.Vera}})
	same(t, states(t, out, err), "given dispenser Dispenser ", "upcoming   ")
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var day struct{ PDC medication.PDC }
	if err := json.Unmarshal(text, &day); err != nil || day.PDC.Days < 19 || day.PDC.Value < 0.6 || day.PDC.Value > 1 {
		t.Errorf("%+v, %v", day.PDC, err)
	}
}
