package torture_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

const (
	fleets          = 3 // the last one posts its messages over HTTP
	patchesPerFleet = 4
	alarmsPerRound  = 4
	campaign        = 100 // rounds on one data directory
)

// killed is what the rounds of TestKill found. Everything from samplesLost on must be zero.
type killed struct {
	kills, earlyKills, crossings, alarms, deadlines, acks, pages, repeats, notes int

	looked
	notesLost, alarmsLost, alarmsDoubled, notRaised, unacknowledged, deadlinesMoved, pagesMissing, pagesDoubled int
}

func (c *killed) rows() []row {
	return []row{
		{"kills -9 under load", c.kills},
		{"kills -9 during the start that followed", c.earlyKills},
		{"acknowledged samples looked up by value", c.samples},
		{"acknowledged waveform blocks looked up by value", c.waves},
		{"acknowledged events looked up by value", c.events},
		{"  samples, blocks and events lost or different", c.lost},
		{"FHIR resources written and looked up", c.notes},
		{"  lost or in an older version", c.notesLost},
		{"limit crossings acknowledged to the device", c.crossings},
		{"  without an alarm after the restart", c.notRaised},
		{"alarms on the desk", c.alarms},
		{"  seen on a screen and lost", c.alarmsLost},
		{"  raised twice", c.alarmsDoubled},
		{"deadlines of open alarms compared", c.deadlines},
		{"  moved by the restart", c.deadlinesMoved},
		{"acknowledgements answered to the nurse", c.acks},
		{"  lost", c.unacknowledged},
		{"pages delivered", c.pages},
		{"  alarms about which nobody was paged", c.pagesMissing},
		{"  delivered again with the same id (dropped by it)", c.repeats},
		{"  delivered again with another id", c.pagesDoubled},
	}
}

// TestKill kills the real program again and again while devices send and alarms are raised, and holds after every
// restart that nothing acknowledged is lost, no alarm is lost or doubled, no page is sent anew and no deadline moved.
func TestKill(t *testing.T) {
	rnd := random(t)
	var c killed
	for left := *kills; left > 0 && !t.Failed(); left -= campaign {
		var part killed
		runKills(t, rnd, min(left, campaign), &part)
		c.add(&part)
		t.Logf("%d rounds so far", c.kills)
	}
	publish(t, "Kill -9 under load", c.rows())
}

// add sums what a campaign found.
func (c *killed) add(o *killed) {
	for _, p := range [][2]*int{
		{&c.kills, &o.kills}, {&c.earlyKills, &o.earlyKills}, {&c.crossings, &o.crossings}, {&c.alarms, &o.alarms},
		{&c.deadlines, &o.deadlines}, {&c.acks, &o.acks}, {&c.pages, &o.pages}, {&c.repeats, &o.repeats}, {&c.notes, &o.notes},
		{&c.notesLost, &o.notesLost}, {&c.alarmsLost, &o.alarmsLost}, {&c.alarmsDoubled, &o.alarmsDoubled}, {&c.notRaised, &o.notRaised},
		{&c.unacknowledged, &o.unacknowledged}, {&c.deadlinesMoved, &o.deadlinesMoved}, {&c.pagesMissing, &o.pagesMissing}, {&c.pagesDoubled, &o.pagesDoubled},
	} {
		*p[0] += *p[1]
	}
	c.looked.add(o.looked)
}

// runKills does rounds on one fresh data directory.
func runKills(t *testing.T, rnd *rand.Rand, rounds int, c *killed) {
	t.Helper()
	pages := newPager(t)
	patches := fleets * patchesPerFleet
	h := newHouse(t, sim.LoadSize{Gateways: fleets + 1, Patches: patches, Cuffs: rounds * alarmsPerRound}, fleets, pages.URL)
	defer h.kill()
	devices := newFleets(h)
	w, notes := newWard(h, patches), &chart{patient: h.ward.Devices[0]}
	since := time.Now().UnixMilli()
	h.start(t)
	for round := range rounds {
		first := max(0, len(notes.notes)-1)
		notes.connect(t.Context(), h)
		live(t, h, devices, w, life{round: round, span: 50*time.Millisecond + rand32(rnd, 600*time.Millisecond), rnd: rnd})
		notes.disconnect()
		c.kills++
		if rnd.IntN(3) == 0 { // again while it recovers
			h.launch(t)
			time.Sleep(rand32(rnd, 300*time.Millisecond))
			h.kill()
			c.earlyKills++
		}
		h.start(t)
		c.lost += lookUp(t, h, devices, since).lost
		_, lost := notes.check(t, h, first)
		c.notesLost += lost
		open := w.check(t, h, c)
		since = time.Now().UnixMilli()
		c.pagesMissing += pages.untilPaged(t, open)
		for _, id := range open {
			w.acknowledge(t.Context(), h, id)
		}
		if t.Failed() {
			break
		}
	}
	all := lookUp(t, h, devices, 0)
	all.lost += c.lost
	c.looked = all
	checked, lost := notes.check(t, h, 0)
	c.notes, c.notesLost = checked, c.notesLost+lost
	w.check(t, h, c)
	c.acks = len(w.acknowledged)
	c.pages, c.repeats, c.pagesDoubled = pages.check(t)
}

func newFleets(h *house) (out []*fleet) {
	for i := range fleets {
		f := &fleet{gateway: h.ward.Gateways[i], token: h.ward.Tokens[i], posts: i == fleets-1}
		for k := range patchesPerFleet {
			id := h.ward.Devices[i*patchesPerFleet+k]
			f.patches = append(f.patches, &patch{id: id, patient: id})
		}
		f.patches = append(f.patches, &patch{id: dispenserName(i), patient: sim.LoadName(i), dispenser: true})
		out = append(out, f)
	}
	return out
}

func rand32(rnd *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rnd.Int64N(int64(most)))
}

func newWard(h *house, firstCuff int) *ward {
	return &ward{gateway: h.ward.Gateways[fleets], token: h.ward.Tokens[fleets], unused: h.ward.Devices[firstCuff:],
		fresh: make(chan struct{}, 1), shown: map[string]vigil.Alarm{}, acknowledged: map[string]bool{}}
}

// life is one life of the program under load, ended at a random moment.
type life struct {
	round int
	span  time.Duration
	rnd   *rand.Rand
}

func live(t *testing.T, h *house, devices []*fleet, w *ward, l life) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, f := range devices {
		if err := f.connect(ctx, h); err != nil {
			t.Fatalf("round %d: %v: %s", l.round, err, h.lastWords)
		}
	}
	if err := w.connect(ctx, h); err != nil {
		t.Fatalf("round %d: %v: %s", l.round, err, h.lastWords)
	}
	end := time.After(l.span)
	provoked := make(chan struct{})
	pauses := rand.New(rand.NewPCG(l.rnd.Uint64(), 2))
	go func() {
		defer close(provoked)
		w.provoke(l.round, alarmsPerRound, func() { time.Sleep(rand32(pauses, l.span/alarmsPerRound)) })
	}()
	if l.rnd.IntN(2) == 0 { // as soon as one of the crossings is acknowledged: its alarm is hardly raised
		for range 1 + l.rnd.IntN(alarmsPerRound) {
			select {
			case <-w.fresh:
			case <-end:
			}
		}
		time.Sleep(rand32(l.rnd, 2*time.Millisecond))
	} else {
		<-end
	}
	h.kill()
	for _, f := range devices {
		f.disconnect()
	}
	w.conn.Close() //nolint:errcheck // wakes provoke
	<-provoked
	w.disconnect()
}

func lookUp(t *testing.T, h *house, devices []*fleet, since int64) (out looked) {
	t.Helper()
	for _, f := range devices {
		for _, p := range f.patches {
			out.add(p.check(t, h, since))
		}
	}
	return out
}
