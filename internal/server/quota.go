package server

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/gate"
)

// QuotasConfig says how much devices and connections may send. The most exact of devices, profiles and device holds for
// a device, with what it leaves out taken from the next.
type QuotasConfig struct {
	Device     QuotaConfig            `yaml:"device"`     // any device
	Profiles   map[string]QuotaConfig `yaml:"profiles"`   // by profile key
	Devices    map[string]QuotaConfig `yaml:"devices"`    // by device id
	Connection QuotaConfig            `yaml:"connection"` // everything that a connected device says, for itself and as a gateway
}

// QuotaConfig is one quota; 0 takes the default.
type QuotaConfig struct {
	Messages float64 `yaml:"messages"` // per second
	Values   float64 `yaml:"values"`   // per second; each sample of a waveform counts
	Bytes    float64 `yaml:"bytes"`    // of payload, per second
	Burst    string  `yaml:"burst"`    // how far it may run ahead, Go duration
	Weight   int     `yaml:"weight"`   // its part of the turns beside other devices
}

// The quotas of a site that says nothing: far above what any device of the catalogue sends, also when it catches up.
var (
	deviceQuota     = gate.Quota{Messages: 2000, Values: 100_000, Bytes: 8e6, Burst: 10 * time.Second, Weight: 1}
	connectionQuota = gate.Quota{Messages: 50_000, Values: 2_000_000, Bytes: 128e6, Burst: 10 * time.Second, Weight: 1}
)

const mostWeight = 100

// over puts what is set over a quota. It returns Invalid when a number makes no sense.
func (c QuotaConfig) over(q gate.Quota, place string) (gate.Quota, error) {
	for _, x := range []struct {
		name string
		v    float64
		to   *float64
	}{{"messages", c.Messages, &q.Messages}, {"values", c.Values, &q.Values}, {"bytes", c.Bytes, &q.Bytes}} {
		if x.v < 0 || math.IsNaN(x.v) || math.IsInf(x.v, 0) {
			return q, vigil.Errorf(vigil.Invalid, "server.config", "%s.%s: %g is no rate per second", place, x.name, x.v)
		}
		if x.v > 0 {
			*x.to = x.v
		}
	}
	if c.Weight < 0 || c.Weight > mostWeight {
		return q, vigil.Errorf(vigil.Invalid, "server.config", "%s.weight: %d is not 1 to %d", place, c.Weight, mostWeight)
	}
	if c.Weight > 0 {
		q.Weight = c.Weight
	}
	if c.Burst != "" {
		d, err := time.ParseDuration(c.Burst)
		if err != nil || d <= 0 {
			return q, vigil.Errorf(vigil.Invalid, "server.config", "%s.burst: %q is no duration such as 10s", place, c.Burst)
		}
		q.Burst = d
	}
	return q, nil
}

// quotas is the configuration, checked and completed.
type quotas struct {
	device, connection gate.Quota
	profiles, devices  map[string]*gate.Quota
	single             map[string]QuotaConfig
}

// quotas returns what devices and connections may send.
func (c Config) quotas() (*quotas, error) {
	out := &quotas{profiles: map[string]*gate.Quota{}, single: c.Quotas.Devices}
	var err error
	if out.device, err = c.Quotas.Device.over(deviceQuota, "quotas.device"); err != nil {
		return nil, err
	}
	if out.connection, err = c.Quotas.Connection.over(connectionQuota, "quotas.connection"); err != nil {
		return nil, err
	}
	for key, p := range c.Quotas.Profiles {
		q, err := p.over(out.device, "quotas.profiles."+key)
		if err != nil {
			return nil, err
		}
		out.profiles[key] = &q
	}
	for id, d := range c.Quotas.Devices {
		if _, err := d.over(out.device, "quotas.devices."+id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// of returns the quota of a device of the profile.
func (q *quotas) of(id vigil.DeviceID, profile string) *gate.Quota {
	base := &q.device
	if p := q.profiles[profile]; p != nil {
		base = p
	}
	c, ok := q.single[string(id)]
	if !ok {
		return base
	}
	own, err := c.over(*base, "")
	if err != nil {
		return base // checked at the start
	}
	return &own
}

// openGate builds the gate before the path of a sample.
func (e *Engines) openGate(cfg Config) error {
	q, err := cfg.quotas()
	if err != nil {
		return err
	}
	e.Gate = gate.New(gate.Config{Now: time.Now, Connection: &q.connection, Quota: func(id vigil.DeviceID) *gate.Quota {
		d, ok := e.Devices.Lookup(id)
		if !ok {
			return q.of(id, "")
		}
		return q.of(id, d.Profile)
	}})
	return nil
}

const (
	quotaRule   = "over-quota"
	quotaPeriod = 5 * time.Second
	quotaGrace  = 10 * time.Second // a burst is nobody's business
)

// watchQuotas keeps a technical notice on the desk while a device sends more than its quota.
func (e *Engines) watchQuotas(ctx context.Context) error {
	ctx = access.AsSystem(ctx, "quotas")
	told := map[vigil.DeviceID]string{} // ids of the notices
	t := time.NewTicker(quotaPeriod)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			e.tellQuotas(ctx, told, time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// tellQuotas raises and ends the notices by what the gate says now.
func (e *Engines) tellQuotas(ctx context.Context, told map[vigil.DeviceID]string, now time.Time) {
	over := map[vigil.DeviceID]bool{}
	for _, l := range e.Gate.Over() {
		over[l.Device] = true
		if told[l.Device] != "" || now.Sub(l.Since) < quotaGrace {
			continue
		}
		subject, ok := e.Devices.SubjectAt(l.Device, now)
		if !ok {
			continue // nobody depends on it; the device page and the metrics have it
		}
		a, err := e.Desk.Raise(ctx, vigil.Alarm{
			ID: quotaRule + "-" + string(l.Device) + "-" + strconv.FormatInt(l.Since.Unix(), 36), Kind: vigil.KindNotice, Class: vigil.Technical, Subject: subject, Device: l.Device,
			Rule: quotaRule, Title: "Device sends too much", Text: fmt.Sprintf("%s sends more than its quota; what it says comes late", l.Device), Raised: now,
		})
		if err != nil {
			e.logger.Warn("quotas.notice", "device", l.Device, "error", err)
			continue
		}
		told[l.Device] = a.ID
	}
	for id, notice := range told {
		if over[id] {
			continue
		}
		if err := e.Desk.End(ctx, notice, now); err != nil && vigil.KindOf(err) != vigil.NotFound {
			e.logger.Warn("quotas.notice", "device", id, "error", err)
			continue
		}
		delete(told, id)
	}
}

// gateCheck is the line of the system page about load.
func (e *Engines) gateCheck() webapi.Check {
	s := e.Gate.State()
	c := webapi.Check{Name: "load", OK: s.Level == "healthy" && s.Over == 0, Text: s.Level}
	if len(s.Shedding) > 0 {
		c.Text = fmt.Sprintf("%s: %v wait until there is room. Alarms and vital signs go on.", s.Level, s.Shedding)
	}
	if s.Over > 0 {
		c.Text += fmt.Sprintf(" %d devices send more than their quota.", s.Over)
	}
	return c
}
