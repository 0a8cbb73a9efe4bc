package gate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/gate"
)

// house is a gate with a clock and a disk that the test moves.
type house struct {
	*gate.Gate
	now   time.Time
	away  []*gate.Ticket // had their turn, oldest first
	order []string       // of the turns, "device/number"
}

func newHouse(cfg gate.Config) *house {
	h := &house{now: time.Unix(1_790_000_000, 0)}
	cfg.Now = func() time.Time { return h.now }
	if cfg.Quota == nil {
		cfg.Quota = func(vigil.DeviceID) *gate.Quota { return &gate.Quota{} }
	}
	if cfg.Connection == nil {
		cfg.Connection = &gate.Quota{}
	}
	h.Gate = gate.New(cfg)
	return h
}

// send puts a message at the gate and reports whether it was taken.
func (h *house) send(id vigil.DeviceID, n int, c gate.Class) error {
	t := &gate.Ticket{Device: id, Class: c, Cost: gate.Cost{Messages: 1, Values: 5, Bytes: 100}, Refuse: true}
	t.Go = func() {
		h.away = append(h.away, t)
		h.order = append(h.order, fmt.Sprintf("%s/%d", id, n))
	}
	now, err := h.Enter(t)
	if now {
		t.Go()
	}
	return err
}

// commit lets everything on the way arrive and gives the turns that follow.
func (h *house) commit() {
	away := h.away
	h.away = nil
	for _, t := range away {
		h.Leave(t)
	}
	h.Turn()
}

func (h *house) of(id string) (n int) {
	for _, o := range h.order {
		if len(o) > len(id) && o[:len(id)] == id {
			n++
		}
	}
	return n
}

func TestNobodyWaitsWithoutNeed(t *testing.T) {
	h := newHouse(gate.Config{})
	for n := range 100 {
		if err := h.send("a", n, gate.Vitals); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.order) != 100 || h.State().Held["vitals"] != 0 {
		t.Errorf("%d went at once, state %+v", len(h.order), h.State())
	}
}

func TestQuotaIsHeldAndPaidBack(t *testing.T) {
	h := newHouse(gate.Config{FlowCount: 20, Quota: func(vigil.DeviceID) *gate.Quota { return &gate.Quota{Messages: 10, Burst: time.Second} }})
	refused := 0
	for n := range 100 {
		var over *gate.Limited
		if err := h.send("mad", n, gate.Vitals); errors.As(err, &over) {
			if refused++; over.After <= 0 || vigil.KindOf(err) != vigil.Unavailable {
				t.Fatalf("%v, again after %s", err, over.After)
			}
		}
		h.commit()
	}
	if got := h.of("mad"); got != 11 || refused != 100-11-20 {
		t.Errorf("%d went within the burst, %d were refused", got, refused)
	}
	if l := h.Line("mad"); !l.Over || l.Waiting != 20 || l.Refused != 69 {
		t.Errorf("%+v", l)
	}
	for range 10 { // a second
		h.now = h.now.Add(100 * time.Millisecond)
		h.commit()
	}
	if got := h.of("mad"); got != 21 {
		t.Errorf("%d after a second, want ten more", got)
	}
	want := slices.Clone(h.order)
	slices.SortFunc(want, func(a, b string) int { return len(a) - len(b) })
	if fmt.Sprint(want) != fmt.Sprint(h.order) {
		t.Errorf("out of order: %v", h.order)
	}
	h.now = h.now.Add(time.Minute)
	h.commit()
	if over := h.Over(); len(over) != 0 {
		t.Errorf("still over after a quiet minute: %+v", over)
	}
}

// A mad device beside good ones: every good message has its turn within two rounds, whatever the mad one brings.
func TestMadDeviceStarvesNobody(t *testing.T) {
	const good, room = 50, 8
	h := newHouse(gate.Config{WindowCount: room, FlowCount: 1000})
	for n := range 500 {
		h.send("mad", n, gate.Vitals) //nolint:errcheck // what is refused is its own affair
	}
	for i := range good {
		if err := h.send(vigil.DeviceID(fmt.Sprintf("good-%02d", i)), 0, gate.Vitals); err != nil {
			t.Fatal(err)
		}
	}
	before, turns := h.of("mad"), 0
	for ; h.of("good") < good && turns < 100; turns++ {
		h.commit()
	}
	mad := h.of("mad") - before
	if perRound := 2048/356 + 1; mad > 2*perRound {
		t.Errorf("the mad device had %d turns while %d others waited for one", mad, good)
	}
	if want := (good+mad)/room + 2; turns > want {
		t.Errorf("%d commits of %d until everybody had his turn, want at most %d", turns, room, want)
	}
}

func TestWeight(t *testing.T) {
	h := newHouse(gate.Config{WindowCount: 8, FlowCount: 2000, FlowBytes: 1 << 30, Quota: func(id vigil.DeviceID) *gate.Quota {
		if id == "icu" {
			return &gate.Quota{Weight: 3}
		}
		return &gate.Quota{Weight: 1}
	}})
	for n := range 1500 {
		for _, id := range []vigil.DeviceID{"icu", "lab"} {
			if err := h.send(id, n, gate.Vitals); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		h.commit()
	}
	if r := float64(h.of("icu")) / float64(h.of("lab")); r < 2.7 || r > 3.3 {
		t.Errorf("weight 3 has %.2f times the turns of weight 1", r)
	}
}

func TestClassesAreServedByShareAndEventsFirst(t *testing.T) {
	h := newHouse(gate.Config{WindowCount: 4, FlowCount: 1000, FlowBytes: 1 << 30})
	for n := range 400 {
		h.send("bulk", n, gate.Bulk)     //nolint:errcheck // looked at below
		h.send("wave", n, gate.Waves)    //nolint:errcheck // looked at below
		h.send("vitals", n, gate.Vitals) //nolint:errcheck // looked at below
	}
	if err := h.send("bell", 0, gate.Events); err != nil {
		t.Fatal(err)
	}
	h.commit()
	if h.of("bell") != 1 {
		t.Error("a call waited for others")
	}
	for range 60 {
		h.commit()
	}
	if v, w, b := h.of("vitals"), h.of("wave"), h.of("bulk"); v < 3*w || w < 3*b || b == 0 {
		t.Errorf("vitals %d, waveforms %d, bulk %d", v, w, b)
	}
}

// A call of a device that is far over its quota, with as much waiting as may, goes through at once.
func TestCallOfAMadDevice(t *testing.T) {
	h := newHouse(gate.Config{WindowCount: 4, FlowCount: 10, Quota: func(vigil.DeviceID) *gate.Quota { return &gate.Quota{Messages: 1, Burst: time.Second} }})
	for n := range 100 {
		h.send("mad", n, gate.Vitals) //nolint:errcheck // most are refused
	}
	h.commit()
	if err := h.send("mad", 1000, gate.Events); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(h.order, "mad/1000") {
		t.Error("the call waits behind its own device's flood")
	}
	for n := range 1000 { // but a flood of calls is a flood
		h.send("mad", 2000+n, gate.Events) //nolint:errcheck // most are refused
	}
	if n := h.of("mad"); n > 60 {
		t.Errorf("%d messages of a device with one a second went through as calls", n)
	}
}

func TestLevelsRiseShedAndSettle(t *testing.T) {
	h := newHouse(gate.Config{WindowCount: 1, FlowCount: 100})
	h.send("a", 0, gate.Vitals) //nolint:errcheck // it is on the way, and the disk stands still
	step := func(d time.Duration) string {
		h.now = h.now.Add(d)
		h.Assess()
		s := h.State()
		return s.Level + fmt.Sprint(s.Shedding)
	}
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{100 * time.Millisecond, "healthy[]"}, {200 * time.Millisecond, "busy[bulk]"}, {time.Second, "overloaded[bulk dashboards]"},
		{time.Second, "overloaded[bulk dashboards]"}, {time.Second, "overloaded[bulk dashboards waveforms]"},
	} {
		if got := step(c.after); got != c.want {
			t.Fatalf("%s, want %s", got, c.want)
		}
	}
	if !h.Crowded() {
		t.Error("dashboards are not told")
	}
	for n := range 101 {
		h.send("w", n, gate.Waves) //nolint:errcheck // the last is looked at
	}
	if err := h.send("w", 101, gate.Waves); err == nil {
		t.Error("waveforms without bound")
	}
	h.send("v", 0, gate.Vitals) //nolint:errcheck // looked at below
	h.commit()
	if h.of("v") != 1 || h.of("w") != 0 {
		t.Errorf("vitals %d, waveforms %d while waveforms are shed", h.of("v"), h.of("w"))
	}
	h.commit()
	var levels []string
	for range 40 {
		for range 20 {
			h.commit()
		}
		if l := step(500 * time.Millisecond); len(levels) == 0 || levels[len(levels)-1] != l {
			levels = append(levels, l)
		}
	}
	if want := "[overloaded[bulk dashboards waveforms] overloaded[bulk dashboards] busy[bulk] healthy[]]"; fmt.Sprint(levels) != want {
		t.Errorf("it settles as %v, want %s", levels, want)
	}
	if h.of("w") == 0 {
		t.Error("what was shed never went on")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	h := newHouse(gate.Config{WindowCount: 1, WaitBytes: 5000})
	taken := 0
	for i := range 1000 {
		if h.send(vigil.DeviceID(fmt.Sprint("d", i)), 0, gate.Vitals) == nil {
			taken++
		}
	}
	if s := h.State(); s.Waiting > 5000 || taken != 51 {
		t.Errorf("%d taken, %d bytes wait", taken, s.Waiting)
	}
	if err := h.send("bell", 0, gate.Events); err != nil {
		t.Errorf("a call is refused for want of room: %v", err)
	}
}

func TestConnectionsArePaced(t *testing.T) {
	h := newHouse(gate.Config{Connection: &gate.Quota{Bytes: 1000, Burst: time.Second}})
	if d := h.Pace("gw", gate.Cost{Messages: 1, Bytes: 1000}); d != 0 {
		t.Errorf("paused for %s within the burst", d)
	}
	if d := h.Pace("gw", gate.Cost{Messages: 1, Bytes: 500}); d != 500*time.Millisecond {
		t.Errorf("paused for %s, want half a second", d)
	}
	if err := h.Admit("gw", false, "a"); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("admitted while over: %v", err)
	}
	if err := h.Admit("other", false, "a"); err != nil {
		t.Errorf("another connection: %v", err)
	}
	h.now = h.now.Add(time.Second)
	if err := h.Admit("gw", false, "a"); err != nil {
		t.Errorf("after a second: %v", err)
	}
}

// Callers that wait for room hear of it, in order, and of the end.
func TestCallersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(gate.Config{Now: time.Now, FlowCount: 2, FlowCallers: 100, Connection: &gate.Quota{}, Quota: func(vigil.DeviceID) *gate.Quota {
			return &gate.Quota{Messages: 10, Burst: 100 * time.Millisecond}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { g.Run(ctx); close(ended) }() //nolint:errcheck // always nil
		went, answered := 0, make(chan error, 100)
		began := time.Now()
		go func() {
			for range 50 {
				tk := &gate.Ticket{Device: "d", Class: gate.Vitals, Cost: gate.Cost{Messages: 1, Bytes: 10}}
				tk.Go = func() { went++; g.Leave(tk) }
				now, err := g.Enter(tk)
				if now {
					tk.Go()
				}
				answered <- err
			}
		}()
		for range 50 {
			if err := <-answered; err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 4500*time.Millisecond || took > 5*time.Second {
			t.Errorf("50 messages at 10 a second took %s", took)
		}
		cancel()
		<-ended
		if went != 50 {
			t.Errorf("%d had their turn, also those that waited at the end", went)
		}
		if _, err := g.Enter(&gate.Ticket{Device: "d", Go: func() {}}); vigil.KindOf(err) != vigil.Unavailable {
			t.Errorf("after the end: %v", err)
		}
	})
}

func BenchmarkPass(b *testing.B) {
	g := gate.New(gate.Config{Now: time.Now, Connection: &gate.Quota{}, Quota: func(vigil.DeviceID) *gate.Quota { return &gate.Quota{Messages: 1e9, Values: 1e9, Bytes: 1e12} }})
	t := &gate.Ticket{Device: "d", Class: gate.Vitals, Cost: gate.Cost{Messages: 1, Values: 5, Bytes: 100}, Go: func() {}}
	for b.Loop() {
		if now, err := g.Enter(t); !now || err != nil {
			b.Fatal(err)
		}
		g.Leave(t)
	}
}

func BenchmarkTurnAmongThousands(b *testing.B) {
	g := gate.New(gate.Config{Now: time.Now, WindowCount: 1, WaitBytes: 1 << 40, Connection: &gate.Quota{}, Quota: func(vigil.DeviceID) *gate.Quota { return &gate.Quota{} }})
	away := []*gate.Ticket{}
	enter := func(id vigil.DeviceID) {
		t := &gate.Ticket{Device: id, Class: gate.Vitals, Cost: gate.Cost{Messages: 1, Bytes: 100}}
		t.Go = func() { away = append(away, t) }
		if now, _ := g.Enter(t); now {
			t.Go()
		}
	}
	for i := range 2000 {
		enter(vigil.DeviceID(fmt.Sprint(i)))
	}
	for b.Loop() {
		t := away[0]
		away = away[:0]
		g.Leave(t)
		enter(t.Device)
		g.Turn()
	}
}
