package alarm_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// offs keeps what is turned off until the test ends.
type offs struct {
	mu   sync.Mutex
	list []alarm.Off
}

func newOffs() *offs { return &offs{} }

func (o *offs) Put(_ context.Context, off alarm.Off) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.IndexFunc(o.list, func(x alarm.Off) bool { return x.ID == off.ID }); i >= 0 {
		o.list[i] = off
		return nil
	}
	o.list = append(o.list, off)
	return nil
}

func (o *offs) Get(_ context.Context, id string) (alarm.Off, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.IndexFunc(o.list, func(x alarm.Off) bool { return x.ID == id }); i >= 0 {
		return o.list[i], nil
	}
	return alarm.Off{}, vigil.Errorf(vigil.NotFound, "offs.get", "nothing")
}

func (o *offs) List(_ context.Context, standing bool) ([]alarm.Off, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.list), func(x alarm.Off) bool { return standing && !x.Ended.IsZero() }), nil
}

func offSara(minutes int) alarm.Off {
	return alarm.Off{ID: "off-1", Subject: "Patient/sara", Priority: vigil.PriorityHigh, Reason: "suction, arterial line flushed", Until: time.Now().Add(time.Duration(minutes) * time.Minute)}
}

func chainsOf(t *testing.T) []catalog.Chain {
	t.Helper()
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	return chains
}

func get(t *testing.T, h *house, id string) vigil.Alarm {
	t.Helper()
	a, err := h.desk.Get(access.AsSystem(t.Context(), "test"), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTurnedOffPagesNobodyAndArmsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		kim := as(t, "dr-kim", access.Physician)
		if _, err := h.desk.TurnOff(kim, offSara(20)); err != nil {
			t.Fatal(err)
		}
		a := raise(t, h, mapLow())
		if a.Off == nil || a.Off.By != "dr-kim" || a.Next != nil || whats(a) != "raised off" {
			t.Fatalf("raised while off: %+v", a)
		}
		time.Sleep(10 * time.Minute)
		if got := h.page.got(); got != "" {
			t.Fatalf("paged %s while off", got)
		}
		time.Sleep(10*time.Minute + 2*time.Second)
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@20m0s" {
			t.Errorf("after the end paged %q, want the chain from its beginning", got)
		}
		if a = get(t, h, a.ID); a.Off != nil || whats(a) != "raised off on_again paged" {
			t.Errorf("after the end: off %v, history %q", a.Off, whats(a))
		}
		if list, _, _ := h.desk.Offs(kim); len(list) != 0 {
			t.Errorf("%v stands after its end", list)
		}
	})
}

func TestTurningOffStopsAChainUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := raise(t, h, mapLow())
		time.Sleep(time.Minute)
		kim := as(t, "dr-kim", access.Physician)
		if _, err := h.desk.TurnOff(kim, offSara(10)); err != nil {
			t.Fatal(err)
		}
		again, err := h.desk.TurnOff(kim, offSara(10)) // the answer was lost, the client asks again
		if list, _, _ := h.desk.Offs(kim); err != nil || again.ID != "off-1" || len(list) != 1 {
			t.Fatalf("asked twice: %+v, %v, standing %v", again, err, list)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@0s" {
			t.Errorf("paged %s", got)
		}
		if _, err := h.desk.TurnOn(as(t, "nurse", access.Nurse), "off-1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if got := h.page.got(); got != "dr-lee@0s dr-lee@6m0s" {
			t.Errorf("turned on again, paged %s", got)
		}
		if a = get(t, h, a.ID); a.Off != nil {
			t.Errorf("still off: %+v", a.Off)
		}
	})
}

func TestWhoMayTurnOffWhat(t *testing.T) {
	h := start(t, newMemory())
	for name, c := range map[string]struct {
		who  context.Context
		edit func(o *alarm.Off)
		want vigil.Kind
	}{
		"NurseHigh":           {as(t, "nurse", access.Nurse), func(*alarm.Off) {}, vigil.Denied},
		"NurseMedium":         {as(t, "nurse", access.Nurse), func(o *alarm.Off) { o.Priority = vigil.PriorityMedium }, ""},
		"NurseHighTechnical":  {as(t, "nurse", access.Nurse), func(o *alarm.Off) { o.Class = vigil.Technical }, ""},
		"AdminHigh":           {as(t, "admin", access.Admin), func(*alarm.Off) {}, vigil.Denied},
		"EngineerMedium":      {as(t, "eng", access.Engineer), func(o *alarm.Off) { o.Priority = vigil.PriorityMedium }, vigil.Denied},
		"EngineerTechnical":   {as(t, "eng", access.Engineer), func(o *alarm.Off) { o.Priority, o.Class = vigil.PriorityMedium, vigil.Technical }, ""},
		"Patient":             {as(t, "sara", access.Patient), func(o *alarm.Off) { o.Priority = vigil.PriorityLow }, vigil.Denied},
		"TooLong":             {as(t, "dr-kim", access.Physician), func(o *alarm.Off) { o.Until = time.Now().Add(31 * time.Minute) }, vigil.Invalid},
		"LongerForLow":        {as(t, "dr-kim", access.Physician), func(o *alarm.Off) { o.Priority, o.Until = vigil.PriorityLow, time.Now().Add(11*time.Hour) }, ""},
		"NoReason":            {as(t, "dr-kim", access.Physician), func(o *alarm.Off) { o.Reason = "  " }, vigil.Invalid},
		"NoScope":             {as(t, "dr-kim", access.Physician), func(o *alarm.Off) { o.Subject = "" }, vigil.Invalid},
		"Past":                {as(t, "dr-kim", access.Physician), func(o *alarm.Off) { o.Until = time.Now().Add(-time.Second) }, vigil.Invalid},
		"NoPriority":          {as(t, "dr-kim", access.Physician), func(o *alarm.Off) { o.Priority = vigil.PriorityNone }, vigil.Invalid},
		"Nobody":              {t.Context(), func(*alarm.Off) {}, vigil.Denied},
		"PhysicianHighByUnit": {as(t, "dr-kim", access.Physician), func(o *alarm.Off) { o.Subject, o.Unit = "", "icu-north" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := offSara(20)
			o.ID = name
			c.edit(&o)
			if _, err := h.desk.TurnOff(c.who, o); c.want == "" && err != nil || c.want != "" && vigil.KindOf(err) != c.want {
				t.Errorf("%v, want kind %q", err, c.want)
			}
		})
	}
}

func TestOffCoversItsScopeOnly(t *testing.T) {
	for name, c := range map[string]struct {
		off  alarm.Off
		want bool
	}{
		"Subject":      {alarm.Off{Subject: "Patient/sara", Priority: vigil.PriorityHigh}, true},
		"OtherSubject": {alarm.Off{Subject: "Patient/omar", Priority: vigil.PriorityHigh}, false},
		"Bed":          {alarm.Off{Bed: "bed-sara", Priority: vigil.PriorityHigh}, true},
		"OtherBed":     {alarm.Off{Bed: "bed-omar", Priority: vigil.PriorityHigh}, false},
		"Unit":         {alarm.Off{Unit: "icu-north", Priority: vigil.PriorityHigh}, true},
		"Rule":         {alarm.Off{Rule: "map-low", Priority: vigil.PriorityHigh}, true},
		"OtherRule":    {alarm.Off{Rule: "spo2-low", Priority: vigil.PriorityHigh}, false},
		"LessUrgent":   {alarm.Off{Subject: "Patient/sara", Priority: vigil.PriorityMedium}, false},
		"Technical":    {alarm.Off{Subject: "Patient/sara", Priority: vigil.PriorityHigh, Class: vigil.Technical}, false},
		"BothMustFit":  {alarm.Off{Unit: "icu-north", Rule: "spo2-low", Priority: vigil.PriorityHigh}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, newMemory())
			o := c.off
			o.ID, o.Reason, o.Until = "o", "being examined", time.Now().Add(time.Minute)
			if _, err := h.desk.TurnOff(as(t, "dr-kim", access.Physician), o); err != nil {
				t.Fatal(err)
			}
			if a := raise(t, h, mapLow()); (a.Off != nil) != c.want {
				t.Errorf("off %v, want %v", a.Off, c.want)
			}
			call, err := h.desk.Call(access.AsSystem(t.Context(), "test"), alarm.CallRequest{Kind: "code", Subject: "Patient/sara", Unit: "icu-north"})
			if err != nil || call.Off != nil {
				t.Errorf("a call was turned off: %+v, %v", call.Off, err)
			}
		})
	}
}

// TestOffSurvivesRestartAndClock restarts the desk while alarms are off, its wall clock somewhere else.
func TestOffSurvivesRestartAndClock(t *testing.T) {
	from := time.Date(2025, 10, 9, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		jump time.Duration
		left time.Duration // of twenty minutes; negative: it has ended and the alarm pages
	}{
		"None": {0, 20 * time.Minute}, "TenForward": {10 * time.Minute, 10 * time.Minute}, "HourForward": {time.Hour, -1}, "HourBack": {-time.Hour, 20 * time.Minute}, "DayBack": {-24 * time.Hour, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			book, kept, now := newMemory(), newOffs(), from
			open := func() (*alarm.Desk, *paged) {
				page := &paged{ids: map[string]int{}}
				d := alarm.NewDesk(alarm.Config{Book: book, Offs: kept, Chains: chainsOf(t), OnCall: ward(), Pager: page, Now: func() time.Time { return now }})
				if err := d.Restore(t.Context()); err != nil {
					t.Fatal(err)
				}
				return d, page
			}
			d, _ := open()
			o := offSara(0)
			o.Until = now.Add(20 * time.Minute)
			if _, err := d.TurnOff(as(t, "dr-kim", access.Physician), o); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Raise(access.AsSystem(t.Context(), "rule"), mapLow()); err != nil {
				t.Fatal(err)
			}
			now = from.Add(c.jump)
			d, page := open()
			d.Tick(t.Context())
			d.Flush(t.Context())
			list, _, err := d.Offs(as(t, "dr-kim", access.Physician))
			switch {
			case err != nil:
				t.Fatal(err)
			case c.left < 0 && (len(list) != 0 || !strings.HasPrefix(page.got(), "dr-lee@")):
				t.Errorf("past its end: standing %v, paged %q", list, page.got())
			case c.left > 0 && (len(list) != 1 || list[0].Until.Sub(now) != c.left || page.got() != ""):
				t.Errorf("standing %v, paged %q, want %s left", list, page.got(), c.left)
			}
		})
	}
}

// TestKilledBetweenOffAndAlarm has what is turned off on disk and the alarm not yet told: the restart tells it.
func TestKilledBetweenOffAndAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, kept := newMemory(), newOffs()
		first := alarm.NewDesk(alarm.Config{Book: book, Chains: chainsOf(t), OnCall: ward(), Pager: &paged{ids: map[string]int{}}, Now: time.Now})
		if _, err := first.Raise(access.AsSystem(t.Context(), "rule"), mapLow()); err != nil {
			t.Fatal(err)
		}
		o := offSara(20)
		o.From = time.Now()
		if err := kept.Put(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		h := startWith(t, book, kept, chainsOf(t))
		time.Sleep(10 * time.Minute)
		if a := get(t, h, mapLow().ID); a.Off == nil || h.page.got() != "dr-lee@0s" { // the page of before the kill
			t.Errorf("off %v, paged %q", a.Off, h.page.got())
		}
	})
}
