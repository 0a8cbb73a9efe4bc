package torture_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

var (
	rounds = flag.Int("torture.rounds", 5, "rounds of kill -9 under load")
	seed   = flag.Uint64("torture.seed", 0, "of the moments of the kills; 0 takes one from the clock")
)

const (
	fleets          = 2
	patchesPerFleet = 4
	alarmsPerRound  = 4
)

// counts is what the rounds found. Everything from samplesLost on must be zero.
type counts struct {
	kills, earlyKills, samples, crossings, alarms, deadlines, acks, pages, repeats int

	samplesLost, alarmsLost, alarmsDoubled, notRaised, unacknowledged, deadlinesMoved, pagesMissing, pagesDoubled int
}

func (c *counts) String() string {
	return fmt.Sprintf(`kills -9 under load                                   %d
kills -9 during the start that followed               %d
acknowledged samples looked up by value               %d
  lost or different                                   %d
limit crossings acknowledged to the device            %d
  without an alarm after the restart                  %d
alarms on the desk                                    %d
  seen on a screen and lost                           %d
  raised twice                                        %d
deadlines of open alarms compared                     %d
  moved by the restart                                %d
acknowledgements answered to the nurse                %d
  lost                                                %d
pages delivered                                       %d
  alarms about which nobody was paged                 %d
  delivered again with the same id (dropped by it)    %d
  delivered again with another id                     %d`,
		c.kills, c.earlyKills, c.samples, c.samplesLost, c.crossings, c.notRaised, c.alarms, c.alarmsLost, c.alarmsDoubled, c.deadlines, c.deadlinesMoved,
		c.acks, c.unacknowledged, c.pages, c.pagesMissing, c.repeats, c.pagesDoubled)
}

// TestTorture kills the real program again and again while devices send and alarms are raised, and holds after every
// restart that nothing acknowledged is lost, no alarm is lost or doubled, no page is sent anew and no deadline moved.
func TestTorture(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	rnd := rand.New(rand.NewPCG(*seed, 1))
	pages := newPager(t)
	patches := fleets * patchesPerFleet
	h := newHouse(t, sim.LoadSize{Gateways: fleets + 1, Patches: patches, Cuffs: *rounds * alarmsPerRound}, pages.URL)
	devices := make([]*fleet, fleets)
	for i := range devices {
		devices[i] = &fleet{gateway: h.ward.Gateways[i], token: h.ward.Tokens[i]}
		for k := range patchesPerFleet {
			devices[i].patches = append(devices[i].patches, &patch{id: h.ward.Devices[i*patchesPerFleet+k]})
		}
	}
	w := newWard(h, patches)
	var c counts
	since := time.Now().UnixMilli()
	h.start(t)
	for round := range *rounds {
		live(t, h, devices, w, life{round: round, span: 100*time.Millisecond + rand32(rnd, 900*time.Millisecond), rnd: rnd})
		c.kills++
		if rnd.IntN(3) == 0 { // again while it recovers
			h.launch(t)
			time.Sleep(rand32(rnd, 300*time.Millisecond))
			h.kill()
			c.earlyKills++
		}
		h.start(t)
		c.samplesLost += lookUp(t, h, devices, since).lost
		open := w.check(t, h, &c)
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
	c.samples, c.samplesLost = all.checked, c.samplesLost+all.lost
	w.check(t, h, &c)
	c.acks = len(w.acknowledged)
	c.pages, c.repeats, c.pagesDoubled = pages.check(t)
	t.Logf("%d rounds\n%s", *rounds, &c)
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

type looked struct{ checked, lost int }

func lookUp(t *testing.T, h *house, devices []*fleet, since int64) (out looked) {
	t.Helper()
	for _, f := range devices {
		for _, p := range f.patches {
			checked, lost := p.check(t, h, since)
			out.checked, out.lost = out.checked+checked, out.lost+lost
		}
	}
	return out
}
