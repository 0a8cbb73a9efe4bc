package webapi

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vigil-health/vigil/internal/engine/gate"
)

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// latency keeps the last values of a duration, for its percentiles.
type latency struct {
	mu   sync.Mutex
	ring [512]time.Duration
	n    int
}

func (l *latency) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.n%len(l.ring)] = d
	l.n++
}

func (l *latency) quantiles() (p50, p99 time.Duration) {
	l.mu.Lock()
	all := slices.Clone(l.ring[:min(l.n, len(l.ring))])
	l.mu.Unlock()
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// rateMeter turns a counter into a rate over the last seconds.
type rateMeter struct {
	mu    sync.Mutex
	at    time.Time
	count uint64
	rate  float64
}

func (m *rateMeter) read(now time.Time, count uint64) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if dt := now.Sub(m.at).Seconds(); dt >= 1 {
		if !m.at.IsZero() {
			m.rate = float64(count-m.count) / dt
		}
		m.at, m.count = now, count
	}
	return m.rate
}

type stepView struct {
	Name   string `json:"name"`
	Count  uint64 `json:"count"`
	Failed uint64 `json:"failed"`
}

func (a *API) status(c *call) (any, error) {
	now := a.cfg.Now()
	health := a.cfg.Telemetry.Health()
	online, total := a.deviceCounts()
	counts, err := a.cfg.Quarantine.Counts(c.ctx, "")
	if err != nil {
		return nil, err
	}
	waiting := 0
	for _, n := range counts {
		waiting += n.Count
	}
	steps := []stepView{}
	for _, s := range a.cfg.Ingest.Steps() {
		steps = append(steps, stepView{s.Name, s.Passed.Load(), s.Failed.Load()})
	}
	used, free := a.cfg.Disk()
	p50, p99 := a.screen.quantiles()
	checks := []Check{}
	if a.cfg.Checks != nil {
		checks = a.cfg.Checks(c.ctx)
	}
	peers, err := a.peerStates(c.ctx)
	if err != nil {
		return nil, err
	}
	load := gate.State{Level: "healthy", Shedding: []string{}}
	if a.cfg.Gate != nil {
		load = a.cfg.Gate.State()
	}
	return map[string]any{
		"version": a.cfg.Site.Version, "uptime_s": int(now.Sub(a.started).Seconds()), "acknowledging": health.Acknowledging, "reason": health.Reason,
		"devices": map[string]int{"online": online, "total": total}, "values_per_s": round(a.rate.read(now, a.cfg.Ingest.Values()), 0), "delay_ms": a.hub.delay(),
		"quarantine": waiting, "disk": map[string]uint64{"used_bytes": used, "free_bytes": free}, "steps": steps,
		"alarm_to_screen_ms": map[string]float64{"p50": round(p50.Seconds()*1000, 1), "p99": round(p99.Seconds()*1000, 1)}, "checks": checks, "load": load, "peers": peers,
	}, nil
}
