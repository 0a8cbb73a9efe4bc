package registry

import (
	"time"

	"github.com/vigil-health/vigil"
)

// Health is what a device last let us know about itself.
type Health struct {
	LastSeen time.Time // zero when never heard since the start of the server
	Battery  float64   // percent; -1 unknown
	Signal   float64   // dBm; 0 unknown
	Protocol string
}

// Heard notes that the device spoke, and its battery and radio if the report carries them. It is cheap enough for
// every report.
func (r *Registry) Heard(rep *vigil.Report) {
	d, ok := r.Lookup(rep.Device)
	if !ok {
		return
	}
	h := d.health
	if h.lastSeen.Load() < rep.Received {
		h.lastSeen.Store(rep.Received)
	}
	if p := h.protocol.Load(); rep.Protocol != "" && (p == nil || *p != rep.Protocol) {
		h.protocol.Store(&rep.Protocol)
	}
	for i := range rep.Samples {
		switch s := &rep.Samples[i]; s.Metric {
		case "battery":
			h.battery.Store(int64(s.Value) + 1)
		case "signal":
			h.signal.Store(int64(s.Value) + 1000)
		}
	}
}

// Health returns the health of the device.
func (d *Device) Health() Health {
	if d.health == nil {
		return Health{Battery: -1}
	}
	out := Health{Battery: float64(d.health.battery.Load() - 1)}
	if ns := d.health.lastSeen.Load(); ns > 0 {
		out.LastSeen = time.Unix(0, ns)
	}
	if s := d.health.signal.Load(); s > 0 {
		out.Signal = float64(s - 1000)
	}
	if p := d.health.protocol.Load(); p != nil {
		out.Protocol = *p
	}
	return out
}
