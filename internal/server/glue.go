package server

import (
	"context"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/appraise"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/fhir"
)

// profiles tells the rules who a subject is: age group, unit, flags, personal limits.
type profiles struct{ e *Engines }

// LimitsFor implements rule.Limits.
func (p profiles) LimitsFor(ctx context.Context, s vigil.Subject) (rule.Profile, error) {
	out := rule.Profile{AgeGroup: rule.Adult, Unit: p.e.Census.UnitOf(s), Flags: map[string]bool{}}
	if pat, ok := p.e.Census.Patient(s.ID()); ok && s.IsPatient() {
		out.AgeGroup, out.Birth, out.Programmes = rule.AgeGroup(pat.Birth, time.Now()), pat.Birth, map[string]bool{}
		for _, f := range pat.Flags {
			out.Flags[f.Kind] = true
			if key, ok := strings.CutPrefix(f.Kind, programmeFlag); ok {
				out.Programmes[key] = true
			}
		}
		if b, ok := p.e.Census.Bed(pat.Bed); ok && b.State == census.Standby {
			out.Flags[rule.Standby] = true
		}
	}
	var err error
	if out.Surgery, err = p.e.operatedOn(ctx, s); err != nil {
		return out, err
	}
	out.Personal, err = p.e.limits.GetLimits(ctx, s)
	return out, err
}

// interval says how often a device is expected to speak: its profile's silence, or never for those that speak on demand.
func (e *Engines) interval(id vigil.DeviceID) time.Duration {
	if id == appraise.RiskDevice {
		return -1
	}
	d, ok := e.Devices.Lookup(id)
	if !ok {
		return 0
	}
	p := e.Profiles[d.Profile]
	if p == nil || p.Silence == "" {
		return -1
	}
	silence, err := time.ParseDuration(p.Silence)
	if err != nil {
		return -1
	}
	return silence / 3 // the rule waits three intervals
}

// bound keeps the rules' watch for silence in step with bindings.
func (e *Engines) bound(_ context.Context, b vigil.Binding) {
	if e.Rules == nil {
		return
	}
	if b.Covers(time.Now()) {
		e.Rules.Watch(b.Subject, b.Device, b.From)
	} else if !b.To.IsZero() {
		e.Rules.Unwatch(b.Device)
	}
}

// recordDevice keeps the FHIR Device of a registered device in step, so that references to it lead somewhere.
func (e *Engines) recordDevice(ctx context.Context, d registry.Device, subject vigil.Subject) {
	r := fhir.New("Device", string(d.ID)).With("status", "active").
		With("deviceName", []fhir.Resource{{"name": d.Name, "type": "user-friendly-name"}}).
		With("identifier", []fhir.Resource{fhir.Identifier("urn:vigil:device", string(d.ID))})
	if d.Disabled {
		r = r.With("status", "inactive")
	}
	if d.Serial != "" {
		r = r.With("serialNumber", d.Serial)
	}
	if p := e.Profiles[d.Profile]; p != nil {
		r = r.With("type", fhir.Concept(p.Title, fhir.Coding("urn:vigil:profile", p.Key, p.Title))).With("manufacturer", p.Manufacturer).With("modelNumber", p.Model)
	}
	switch {
	case subject.IsPatient():
		r = r.With("patient", fhir.Ref(string(subject), ""))
	case subject != "":
		r = r.With("location", fhir.Ref(string(subject), ""))
	}
	if _, err := e.Records.Update(access.AsSystem(ctx, "registry"), r, 0); err != nil {
		e.logger.Warn("registry.record", "device", d.ID, "error", err) // the registry is the truth; the next change writes it again
	}
}

// communications writes consults to the record.
type communications struct{ store *record.Store }

// Create implements consult.Records.
func (c communications) Create(ctx context.Context, r fhir.Resource) error {
	_, err := c.store.Create(access.AsSystem(ctx, "consult"), r)
	return err
}

// intake is where protocols bring devices and their messages.
type intake struct{ e *Engines }

// Authenticate implements protocol.Intake.
func (i intake) Authenticate(id vigil.DeviceID, token string) error {
	return i.e.Devices.Authenticate(id, token)
}

// MaySpeakFor implements protocol.Intake.
func (i intake) MaySpeakFor(connected, other vigil.DeviceID) bool {
	return i.e.Devices.MaySpeakFor(connected, other)
}

// Pace implements protocol.Intake.
func (i intake) Pace(connected vigil.DeviceID, messages, bytes int) time.Duration {
	return i.e.Gate.Pace(connected, gate.Cost{Messages: messages, Bytes: bytes})
}

// Admit implements protocol.Intake.
func (i intake) Admit(connected vigil.DeviceID, batch bool, devices ...vigil.DeviceID) error {
	return i.e.Gate.Admit(connected, batch, devices...)
}

// Accept implements protocol.Intake.
func (i intake) Accept(m ingest.Message, done func(error)) { i.e.Ingest.Accept(m, done) }

// measurements are what the FHIR door writes: they are acknowledged once they can be read again.
type measurements struct{ e *Engines }

// AcceptCoded implements fhirapi.Intake.
func (m measurements) AcceptCoded(ctx context.Context, reports []*vigil.Report) error {
	if err := m.e.Ingest.AcceptCoded(ctx, reports); err != nil {
		return err
	}
	return m.e.Telemetry.Settle(ctx)
}

// Usable implements fhirapi.Intake.
func (m measurements) Usable(metric vigil.Metric, value float64, at int64) bool {
	return m.e.Ingest.Usable(metric, value, at)
}

// trimPort returns the host of host:port.
func trimPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}
