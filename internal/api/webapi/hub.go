package webapi

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/consult"
)

// hub feeds every open screen. One goroutine each listens to telemetry, alarms, consults and the census:
//
//	telemetry ─► report ──┐
//	desk ──────► alarm ───┤
//	consults ──► consult ─┼─► clients that subscribed to the subject, the unit, the queue … ─► client.write
//	census ────► bed ─────┤
//	clock ─────► tick ────┘
type hub struct {
	api      *API
	mu       sync.RWMutex
	clients  map[*client]bool
	watched  sync.Map // vigil.Subject → *atomic.Int32: how many screens look at it
	delayNS  atomic.Int64
	changed  chan string // references of records that changed the census
	listened atomic.Uint64
	crowded  atomic.Bool    // the server is overloaded: screens show numbers and alarms, no waveforms
	newest   time.Time      // when the newest alarm told was raised; of the goroutine that tells alarms
	open     sync.WaitGroup // of clients
	stopped  bool
}

// stopping is what a screen reads when the server ends; it connects again by itself.
const stopping = "the server is stopping"

func newHub(a *API) *hub {
	return &hub{api: a, clients: map[*client]bool{}, changed: make(chan string, 256)}
}

// Run feeds the live channel until ctx ends.
func (a *API) Run(ctx context.Context) error {
	h := a.hub
	a.cfg.Census.OnChange(func(ref, _ string) {
		select {
		case h.changed <- ref:
		default: // the screens read the ward again within the minute
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() { h.telemetry(ctx) })
	wg.Go(func() { h.alarms(ctx) })
	wg.Go(func() { h.consults(ctx) })
	wg.Go(func() { h.beds(ctx) })
	wg.Go(func() { h.ticks(ctx) })
	<-ctx.Done()
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.each(func(c *client) { c.close(stopping) })
	wg.Wait()
	h.open.Wait()
	return nil
}

// add takes a screen in; false once the hub has stopped.
func (h *hub) add(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return false
	}
	h.clients[c] = true
	h.open.Add(1)
	return true
}

func (h *hub) remove(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	h.open.Done()
}

func (h *hub) each(fn func(c *client)) {
	h.mu.RLock()
	list := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		list = append(list, c)
	}
	h.mu.RUnlock()
	for _, c := range list {
		fn(c)
	}
}

// look counts the screens that look at a subject, so that the path of a sample pays nothing for the others.
func (h *hub) look(s vigil.Subject, by int32) {
	n, _ := h.watched.LoadOrStore(s, &atomic.Int32{})
	n.(*atomic.Int32).Add(by)
}

func (h *hub) isWatched(r *vigil.Report) bool {
	n, ok := h.watched.Load(r.Subject)
	return ok && n.(*atomic.Int32).Load() > 0
}

func (h *hub) telemetry(ctx context.Context) {
	sub := h.api.cfg.Telemetry.Subscribe(4096, h.isWatched)
	defer sub.Close()
	for {
		select {
		case r := <-sub.C:
			if h.listened.Add(1)%16 == 0 {
				h.delayNS.Store(h.api.cfg.Now().UnixNano() - r.Received)
			}
			h.each(func(c *client) { c.report(r) })
		case <-ctx.Done():
			return
		}
	}
}

// delay is how long the last reports took from receipt to the live channel, in milliseconds.
func (h *hub) delay() float64 { return round(float64(h.delayNS.Load())/1e6, 1) }

func (h *hub) alarms(ctx context.Context) {
	sub := h.api.cfg.Desk.Subscribe(4096)
	defer sub.Close()
	for {
		select {
		case al := <-sub.C:
			h.alarm(al)
			if sub.Missed() {
				h.each((*client).rereadAttention)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (h *hub) alarm(al vigil.Alarm) {
	fresh := al.Raised.After(h.newest)
	if fresh {
		h.newest = al.Raised
	}
	h.each(func(c *client) {
		if !c.wantsAlarm(al) || access.CheckSubject(c.ctx, al.Subject) != nil && !(c.who.Has(access.Engineer) && al.Class == vigil.Technical) {
			return
		}
		c.send(map[string]any{"op": "alarm", "alarm": h.api.viewAlarm(c.who, al)})
		if fresh {
			h.api.screen.add(h.api.cfg.Now().Sub(al.Raised))
		}
		c.rereadAttention()
	})
}

func (h *hub) consults(ctx context.Context) {
	sub := h.api.cfg.Consults.Subscribe(1024)
	defer sub.Close()
	for {
		select {
		case e := <-sub.C:
			h.each(func(c *client) { h.consult(c, e) })
		case <-ctx.Done():
			return
		}
	}
}

func (h *hub) consult(c *client, e consult.Event) {
	if e.Consult == nil {
		if slices.Contains(e.To, c.who.ID) {
			c.send(map[string]any{"op": "signal", "consult": e.ID, "from": e.From, "data": e.Signal})
		}
		return
	}
	if access.CheckSubject(c.ctx, e.Consult.Patient) != nil || !c.wantsConsult(*e.Consult) {
		return
	}
	c.send(map[string]any{"op": "consult", "consult": h.api.viewConsult(c.who, consult.View(c.who, *e.Consult))})
	if c.who.Has(access.Patient) {
		c.send(map[string]any{"op": "portal"})
	}
}

// beds tells the screens of a unit when a bed's state or patient changed. Changes come in flocks: they are gathered.
func (h *hub) beds(ctx context.Context) {
	before := map[string]census.Bed{}
	for _, b := range h.api.cfg.Census.Beds("") {
		before[b.ID] = b
	}
	for {
		select {
		case <-h.changed:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return
		}
		for len(h.changed) > 0 {
			<-h.changed
		}
		for _, b := range h.api.cfg.Census.Beds("") {
			if before[b.ID] != b {
				before[b.ID] = b
				h.each(func(c *client) { c.bed(b) })
			}
		}
	}
}

func (h *hub) ticks(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var off uint64
	for {
		select {
		case <-t.C:
			h.crowded.Store(h.api.cfg.Gate != nil && h.api.cfg.Gate.Crowded())
			h.api.rate.read(h.api.cfg.Now(), h.api.cfg.Ingest.Values())
			now, ack := h.api.cfg.Now().UnixMilli(), h.api.cfg.Telemetry.Health().Acknowledging
			h.each(func(c *client) {
				if !c.allowed() {
					return
				}
				c.send(map[string]any{"op": "tick", "now_ms": now, "delay_ms": h.delay(), "acknowledging": ack})
				c.second()
			})
			off = h.tellOffs(off)
		case <-ctx.Done():
			return
		}
	}
}
