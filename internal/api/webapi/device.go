package webapi

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/registry"
)

type deviceView struct {
	ID          vigil.DeviceID `json:"id"`
	Name        string         `json:"name"`
	Profile     string         `json:"profile"`
	Title       string         `json:"title"`
	Kind        string         `json:"kind"`
	Serial      string         `json:"serial,omitempty"`
	State       string         `json:"state"`
	LastSeenMS  int64          `json:"last_seen_ms,omitempty"`
	Battery     *float64       `json:"battery,omitempty"`
	Signal      *float64       `json:"signal,omitempty"`
	Subject     vigil.Subject  `json:"subject,omitempty"`
	SubjectName string         `json:"subject_name,omitempty"`
	Place       string         `json:"place,omitempty"`
	Protocol    string         `json:"protocol,omitempty"`
	Quarantined int            `json:"quarantined"`
	Load        *gate.Line     `json:"load,omitempty"` // absent while it has said nothing since the start
}

// deviceState compares the silence of a device with what its profile allows.
func (a *API) deviceState(d *registry.Device) string {
	last := d.Health().LastSeen
	if last.IsZero() {
		return "never"
	}
	allowed := 15 * time.Minute
	if p := a.cfg.Profiles[d.Profile]; p != nil && p.Silence != "" {
		if s, err := time.ParseDuration(p.Silence); err == nil {
			allowed = s
		}
	}
	if a.cfg.Now().Sub(last) > allowed {
		return "offline"
	}
	return "online"
}

func (a *API) deviceCounts() (online, total int) {
	for _, d := range a.cfg.Devices.List("") {
		if p := a.cfg.Profiles[d.Profile]; p != nil && p.Kind == "gateway" {
			continue
		}
		total++
		if a.deviceState(&d) == "online" {
			online++
		}
	}
	return online, total
}

func (a *API) viewDevice(d *registry.Device) deviceView {
	v := deviceView{ID: d.ID, Name: d.Name, Profile: d.Profile, Serial: d.Serial, State: a.deviceState(d)}
	if p := a.cfg.Profiles[d.Profile]; p != nil {
		v.Title, v.Kind = p.Title, p.Kind
	}
	h := d.Health()
	if !h.LastSeen.IsZero() {
		v.LastSeenMS = h.LastSeen.UnixMilli()
	}
	if h.Battery >= 0 {
		v.Battery = &h.Battery
	}
	if h.Signal != 0 {
		v.Signal = &h.Signal
	}
	v.Protocol = h.Protocol
	if a.cfg.Gate != nil {
		if l := a.cfg.Gate.Line(d.ID); l.Taken+l.Held+l.Refused > 0 {
			v.Load = &l
		}
	}
	if s, ok := a.cfg.Devices.SubjectAt(d.ID, a.cfg.Now()); ok {
		v.Subject = s
		v.SubjectName, v.Place = a.subjectName(v.Subject)
	}
	return v
}

// subjectName names a patient and where he is, or a place.
func (a *API) subjectName(s vigil.Subject) (name, place string) {
	if p, ok := a.cfg.Census.Patient(s.ID()); ok && s.IsPatient() {
		if b, ok := a.cfg.Census.Bed(p.Bed); ok {
			place = "Bed " + b.Label
		} else if p.Home {
			place = "At home"
		}
		return p.Name(), place
	}
	if u, ok := a.cfg.Census.Unit(a.cfg.Census.UnitOf(s)); ok {
		place = u.Name
	}
	return s.ID(), place
}

func (a *API) devicesOf(s vigil.Subject) []deviceView {
	out := []deviceView{}
	for _, b := range a.cfg.Devices.Current(s) {
		if d, ok := a.cfg.Devices.Lookup(b.Device); ok {
			out = append(out, a.viewDevice(d))
		}
	}
	return out
}

func (a *API) patientDevices(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	return a.devicesOf(subject), nil
}

// hideNames leaves patients' names out for those who may not see charts.
func (c *call) hideNames(v deviceView) deviceView {
	if !c.who.Clinical() && v.Subject.IsPatient() {
		v.SubjectName = "a patient"
	}
	return v
}

func (a *API) devices(c *call) (any, error) {
	out := []deviceView{}
	waiting, err := a.quarantinedByDevice(c.ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range a.cfg.Devices.List(c.query("q")) {
		v := c.hideNames(a.viewDevice(&d))
		v.Quarantined = waiting[d.ID]
		out = append(out, v)
	}
	return out, nil
}

func (a *API) quarantinedByDevice(ctx context.Context) (map[vigil.DeviceID]int, error) {
	items, err := a.cfg.Quarantine.List(ctx, ingest.QuarantineFilter{Limit: 5000})
	out := map[vigil.DeviceID]int{}
	for _, q := range items {
		out[q.Device]++
	}
	return out, err
}

func (a *API) lookupDevice(c *call) (*registry.Device, error) {
	id := vigil.DeviceID(c.r.PathValue("id"))
	d, ok := a.cfg.Devices.Lookup(id)
	if !ok {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.device", "no device %q is registered", id)
	}
	return d, nil
}

func (a *API) device(c *call) (any, error) {
	type binding struct {
		Subject vigil.Subject `json:"subject"`
		Name    string        `json:"name"`
		From    time.Time     `json:"from"`
		To      *time.Time    `json:"to,omitempty"`
	}
	d, err := a.lookupDevice(c)
	if err != nil {
		return nil, err
	}
	out := struct {
		deviceView
		Bindings []binding    `json:"bindings"`
		Readings []numberView `json:"readings"`
	}{c.hideNames(a.viewDevice(d)), []binding{}, []numberView{}}
	list := a.cfg.Devices.Bindings(d.ID)
	for i := len(list) - 1; i >= 0; i-- {
		b := binding{Subject: list[i].Subject, From: list[i].From}
		if b.Name, _ = a.subjectName(b.Subject); !c.who.Clinical() && b.Subject.IsPatient() {
			b.Name = "a patient"
		}
		if !list[i].To.IsZero() {
			b.To = &list[i].To
		}
		out.Bindings = append(out.Bindings, b)
	}
	if out.Subject != "" && access.CheckSubject(c.ctx, out.Subject) == nil {
		numbers, err := a.numbersOf(c.ctx, out.Subject)
		if err != nil {
			return nil, err
		}
		for _, n := range numbers {
			if n.Device == d.ID {
				out.Readings = append(out.Readings, n)
			}
		}
	}
	counts, err := a.cfg.Quarantine.Counts(c.ctx, d.ID)
	for _, n := range counts {
		out.Quarantined += n.Count
	}
	return out, err
}

func (a *API) registerDevice(c *call) (any, error) {
	var in struct {
		ID      vigil.DeviceID `json:"id"`
		Profile string         `json:"profile"`
		Name    string         `json:"name"`
		Serial  string         `json:"serial"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	d, token, err := a.cfg.Devices.Register(c.ctx, registry.Device{ID: in.ID, Profile: in.Profile, Name: in.Name, Serial: in.Serial})
	if err != nil {
		return nil, err
	}
	return map[string]any{"device": a.viewDevice(&d), "token": token}, nil
}

func (a *API) deviceToken(c *call) (any, error) {
	token, err := a.cfg.Devices.NewToken(c.ctx, vigil.DeviceID(c.r.PathValue("id")))
	return map[string]string{"token": token}, err
}

func (a *API) bind(c *call) (any, error) {
	var in struct {
		Subject vigil.Subject `json:"subject"`
		From    time.Time     `json:"from"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Subject == "" {
		return nil, &vigil.Error{Kind: vigil.Invalid, Op: "webapi.bind", Msg: "say whom or what the device speaks for", Faults: []vigil.Fault{{Path: "/subject", Msg: "Patient/<id> or Location/<id>"}}}
	}
	if in.Subject.IsPatient() {
		if _, ok := a.cfg.Census.Patient(in.Subject.ID()); !ok {
			return nil, vigil.Errorf(vigil.Invalid, "webapi.bind", "there is no patient %q", in.Subject.ID())
		}
	}
	return a.rebind(c, in.Subject, in.From)
}

func (a *API) unbind(c *call) (any, error) { return a.rebind(c, "", time.Time{}) }

func (a *API) rebind(c *call, s vigil.Subject, from time.Time) (any, error) {
	if err := a.cfg.Devices.Bind(c.ctx, vigil.DeviceID(c.r.PathValue("id")), s, from); err != nil {
		return nil, err
	}
	d, err := a.lookupDevice(c)
	if err != nil {
		return nil, err
	}
	return c.hideNames(a.viewDevice(d)), nil
}

type messageView struct {
	AtMS     int64          `json:"at_ms"`
	Protocol string         `json:"protocol"`
	Size     int            `json:"size"`
	Payload  string         `json:"payload"`
	Outcome  ingest.Outcome `json:"outcome"`
	Reason   string         `json:"reason,omitempty"`
	Values   []messageValue `json:"values"`
	AckMS    float64        `json:"ack_ms"`
}

type messageValue struct {
	Metric vigil.Metric `json:"metric"`
	Label  string       `json:"label"`
	Value  float64      `json:"value"`
	Unit   string       `json:"unit"`
}

func viewMessage(h ingest.Heard) messageView {
	v := messageView{AtMS: h.At.UnixMilli(), Protocol: h.Protocol, Size: h.Size, Outcome: h.Outcome, Values: []messageValue{}, AckMS: round(h.AckAfter.Seconds()*1000, 2)}
	v.Payload, _ = payloadText(h.Payload)
	if h.Reason != "" {
		v.Reason = string(h.Reason) + ": " + h.Detail
	}
	for _, s := range h.Samples {
		m, _ := coding.Lookup(s.Metric)
		v.Values = append(v.Values, messageValue{s.Metric, m.Label, s.Value, m.Unit})
	}
	return v
}

// payloadText shows what is text as text and the rest in base64.
func payloadText(b []byte) (string, string) {
	if utf8.Valid(b) {
		return string(b), "text"
	}
	return base64.StdEncoding.EncodeToString(b), "base64"
}

func (a *API) deviceMessages(c *call) (any, error) {
	d, err := a.lookupDevice(c)
	if err != nil {
		return nil, err
	}
	out := []messageView{}
	for _, h := range a.cfg.Ingest.Recent(d.ID) {
		out = append(out, viewMessage(h))
	}
	return out, nil
}

func (a *API) profiles(*call) (any, error) {
	type view struct {
		Key          string         `json:"key"`
		Title        string         `json:"title"`
		Kind         string         `json:"kind"`
		Manufacturer string         `json:"manufacturer"`
		Model        string         `json:"model"`
		Metrics      []vigil.Metric `json:"metrics"`
		Protocols    []string       `json:"protocols"`
		Example      string         `json:"example,omitempty"`
	}
	out := []view{}
	for _, key := range sortedKeys(a.cfg.Profiles) {
		p := a.cfg.Profiles[key]
		v := view{p.Key, p.Title, p.Kind, p.Manufacturer, p.Model, []vigil.Metric{}, append([]string{}, p.Protocols...), a.example(p)}
		for _, f := range p.Fields {
			v.Metrics = append(v.Metrics, f.Metric)
		}
		for _, w := range p.Waveforms {
			v.Metrics = append(v.Metrics, w.Metric)
		}
		out = append(out, v)
	}
	return out, nil
}

// sampleTime is the clock of every shipped sample message.
const sampleTime = "1790000000000"

// example is a message of such a device as of now, so that the first reading of a new device is not one of the past.
func (a *API) example(p *catalog.Profile) string {
	sample, _, err := catalog.DeviceSample(p.Key)
	if err != nil {
		return "" // a profile of the site's own comes without one
	}
	return strings.TrimSpace(strings.ReplaceAll(string(sample), sampleTime, strconv.FormatInt(a.cfg.Now().UnixMilli(), 10)))
}

func (a *API) quarantine(c *call) (any, error) {
	type reason struct {
		Reason ingest.Reason `json:"reason"`
		Count  int           `json:"count"`
	}
	type item struct {
		ID       string         `json:"id"`
		At       time.Time      `json:"at"`
		Device   vigil.DeviceID `json:"device"`
		Protocol string         `json:"protocol"`
		Reason   ingest.Reason  `json:"reason"`
		Detail   string         `json:"detail"`
		Payload  string         `json:"payload"`
		Encoding string         `json:"encoding"`
	}
	device := vigil.DeviceID(c.query("device"))
	counts, err := a.cfg.Quarantine.Counts(c.ctx, device)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Quarantine.List(c.ctx, ingest.QuarantineFilter{Device: device, Reason: ingest.Reason(c.query("reason")), Limit: 200})
	if err != nil {
		return nil, err
	}
	total, reasons, items := 0, []reason{}, []item{}
	for _, n := range counts {
		total += n.Count
		reasons = append(reasons, reason{n.Reason, n.Count})
	}
	for _, q := range list {
		payload, encoding := payloadText(q.Payload)
		items = append(items, item{strconv.FormatInt(q.ID, 10), q.At, q.Device, q.Protocol, q.Reason, q.Detail, payload, encoding})
	}
	return map[string]any{"total": total, "reasons": reasons, "items": items}, nil
}

func (c *call) quarantineID() (int64, error) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, vigil.Errorf(vigil.NotFound, "webapi.quarantine", "no message %q waits in the quarantine", c.r.PathValue("id"))
	}
	return id, nil
}

func (a *API) release(c *call) (any, error) {
	id, err := c.quarantineID()
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Ingest.Release(c.ctx, id); err != nil {
		return nil, err
	}
	return map[string]any{"released": true, "detail": "stored"}, nil
}

func (a *API) releaseAll(c *call) (any, error) {
	var in struct {
		Device vigil.DeviceID `json:"device"`
		Reason ingest.Reason  `json:"reason"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	list, err := a.cfg.Quarantine.List(c.ctx, ingest.QuarantineFilter{Device: in.Device, Reason: in.Reason, Limit: 10_000})
	if err != nil {
		return nil, err
	}
	released, kept := 0, 0
	for i := len(list) - 1; i >= 0; i-- { // oldest first
		switch err := a.cfg.Ingest.Release(c.ctx, list[i].ID); vigil.KindOf(err) {
		case "":
			released++
		case vigil.Conflict, vigil.NotFound:
			kept++
		default:
			return nil, err
		}
	}
	return map[string]int{"released": released, "kept": kept}, nil
}

func (a *API) discard(c *call) (any, error) {
	id, err := c.quarantineID()
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Quarantine.Remove(c.ctx, id)
}
