// Package registry knows the devices: identity and token, profile, binding to patient or place as of a time, health.
//
// It keeps all of it in memory for the path of a sample and on disk through its Backend. It does not talk to devices
// (protocol/*) and does not map what they say (engine/ingest). Start at Registry.
package registry

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Device is one registered device.
type Device struct {
	ID        vigil.DeviceID
	Name      string
	Profile   string
	Serial    string
	Created   time.Time
	Disabled  bool
	TokenHash []byte // SHA-256 of the token
	health    *health
}

type health struct {
	lastSeen atomic.Int64 // Unix nanoseconds of receipt
	battery  atomic.Int64 // percent + 1; 0 unknown
	signal   atomic.Int64 // dBm + 1000; 0 unknown
	protocol atomic.Pointer[string]
}

// Backend is the port that keeps devices and bindings. Methods return once the change is on disk.
type Backend interface {
	// LoadDevices returns every device, LoadBindings every binding ever made, oldest first.
	LoadDevices(ctx context.Context) ([]Device, error)
	LoadBindings(ctx context.Context) ([]vigil.Binding, error)
	// PutDevice creates or replaces a device.
	PutDevice(ctx context.Context, d Device) error
	// PutBindings closes and opens bindings in one transaction, keyed by device and start.
	PutBindings(ctx context.Context, b []vigil.Binding) error
}

// Config is what a registry needs. Bound, if set, hears of every change of binding after it is on disk.
type Config struct {
	Backend Backend
	Now     func() time.Time
	Rand    io.Reader
	Known   func(profile string) bool
	Gateway func(profile string) bool // devices of these profiles may speak for others
	Bound   func(ctx context.Context, b vigil.Binding)
	Changed func(ctx context.Context, d Device, now vigil.Subject) // a device is new, or speaks for another; after it is on disk
}

// Registry is the set of devices. Reads never wait for the disk; it is safe for concurrent use.
type Registry struct {
	cfg      Config
	mu       sync.RWMutex
	devices  map[vigil.DeviceID]*Device
	bindings map[vigil.DeviceID][]vigil.Binding // oldest first, not overlapping
	write    sync.Mutex                         // one change at a time
}

// Open loads the registry.
func Open(ctx context.Context, cfg Config) (*Registry, error) {
	r := &Registry{cfg: cfg, devices: map[vigil.DeviceID]*Device{}, bindings: map[vigil.DeviceID][]vigil.Binding{}}
	devices, err := cfg.Backend.LoadDevices(ctx)
	if err != nil {
		return nil, err
	}
	bindings, err := cfg.Backend.LoadBindings(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		d.health = &health{}
		r.devices[d.ID] = &d
	}
	for _, b := range bindings {
		r.bindings[b.Device] = append(r.bindings[b.Device], b)
	}
	return r, nil
}

// Lookup returns the device, or false when nobody registered it or it is disabled. The device must not be changed.
func (r *Registry) Lookup(id vigil.DeviceID) (*Device, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d, ok := r.devices[id]
	return d, ok && !d.Disabled
}

// SubjectAt returns whom the device spoke for at t.
func (r *Registry) SubjectAt(id vigil.DeviceID, t time.Time) (vigil.Subject, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := r.bindings[id]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Covers(t) {
			return list[i].Subject, true
		}
	}
	return "", false
}

// Authenticate returns nil when the token is the device's, else one same Denied error whatever is wrong.
func (r *Registry) Authenticate(id vigil.DeviceID, token string) error {
	sum := sha256.Sum256([]byte(token))
	d, ok := r.Lookup(id)
	hash := make([]byte, sha256.Size)
	if ok {
		hash = d.TokenHash
	}
	if subtle.ConstantTimeCompare(sum[:], hash) != 1 || !ok {
		return vigil.Errorf(vigil.Denied, "registry.authenticate", "device id or token is wrong")
	}
	return nil
}

// MaySpeakFor reports whether the connected device may send messages of another: itself always, as a gateway those of
// any device that is no gateway. The other device need not be registered: the quarantine shows what it says.
func (r *Registry) MaySpeakFor(connected, other vigil.DeviceID) bool {
	if connected == other {
		return true
	}
	d, ok := r.Lookup(connected)
	if !ok || r.cfg.Gateway == nil || !r.cfg.Gateway(d.Profile) {
		return false
	}
	o, known := r.get(other)
	return !known || !r.cfg.Gateway(o.Profile)
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$`) // FHIR R4 id

// Register adds a device and returns its token, which is shown once. Roles: engineer, nurse, admin, system.
func (r *Registry) Register(ctx context.Context, d Device) (Device, string, error) {
	if err := mayManage(ctx); err != nil {
		return Device{}, "", err
	}
	var faults []vigil.Fault
	if !idPattern.MatchString(string(d.ID)) {
		faults = append(faults, vigil.Fault{Path: "/id", Msg: "1 to 64 letters, digits, dots and hyphens"})
	}
	if r.cfg.Known != nil && !r.cfg.Known(d.Profile) {
		faults = append(faults, vigil.Fault{Path: "/profile", Msg: "no such profile in the catalogue"})
	}
	if len(faults) > 0 {
		return Device{}, "", &vigil.Error{Kind: vigil.Invalid, Op: "registry.register", Msg: "the device cannot be registered", Faults: faults}
	}
	r.write.Lock()
	defer r.write.Unlock()
	if _, ok := r.get(d.ID); ok {
		return Device{}, "", vigil.Errorf(vigil.Conflict, "registry.register", "a device %s is registered already", d.ID)
	}
	if d.Name == "" {
		d.Name = string(d.ID)
	}
	d.Created = r.cfg.Now()
	return r.store(ctx, d)
}

// NewToken gives a device a new token; the old one ends at once.
func (r *Registry) NewToken(ctx context.Context, id vigil.DeviceID) (string, error) {
	if err := mayManage(ctx); err != nil {
		return "", err
	}
	r.write.Lock()
	defer r.write.Unlock()
	d, ok := r.get(id)
	if !ok {
		return "", vigil.Errorf(vigil.NotFound, "registry.token", "no device %s", id)
	}
	_, token, err := r.store(ctx, *d)
	return token, err
}

func (r *Registry) store(ctx context.Context, d Device) (Device, string, error) {
	raw := make([]byte, 24)
	if _, err := io.ReadFull(r.cfg.Rand, raw); err != nil {
		return Device{}, "", err
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(token))
	d.TokenHash = sum[:]
	if err := r.cfg.Backend.PutDevice(ctx, d); err != nil {
		return Device{}, "", err
	}
	if d.health == nil {
		d.health = &health{}
	}
	r.mu.Lock()
	r.devices[d.ID] = &d
	r.mu.Unlock()
	r.tell(ctx, d)
	return d, token, nil
}

// tell reports the device as it now stands.
func (r *Registry) tell(ctx context.Context, d Device) {
	if r.cfg.Changed == nil {
		return
	}
	subject, _ := r.SubjectAt(d.ID, r.cfg.Now())
	r.cfg.Changed(ctx, d, subject)
}

func (r *Registry) get(id vigil.DeviceID) (*Device, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d, ok := r.devices[id]
	return d, ok
}

// clockSkew is how far ahead of ours the clock of who binds may be.
const clockSkew = time.Minute

// Bind makes the device speak for the subject from a time on, now when zero; the binding before it ends there.
// An empty subject only ends. Binding into the past is allowed back to the start of the last binding.
func (r *Registry) Bind(ctx context.Context, id vigil.DeviceID, subject vigil.Subject, from time.Time) error {
	if err := mayManage(ctx); err != nil {
		return err
	}
	if subject != "" && !subject.Valid() {
		return vigil.Errorf(vigil.Invalid, "registry.bind", "subject %q is neither Patient/<id> nor Location/<id>", subject)
	}
	r.write.Lock()
	defer r.write.Unlock()
	if _, ok := r.get(id); !ok {
		return vigil.Errorf(vigil.NotFound, "registry.bind", "no device %s", id)
	}
	if now := r.cfg.Now(); from.IsZero() {
		from = now
	} else if from.After(now.Add(clockSkew)) {
		return vigil.Errorf(vigil.Invalid, "registry.bind", "the device cannot be bound in the future; leave the time out to bind it now")
	}
	who, _ := access.From(ctx)
	list := r.Bindings(id)
	var changed []vigil.Binding
	if n := len(list); n > 0 && (list[n-1].To.IsZero() || list[n-1].To.After(from)) {
		last := &list[n-1]
		if last.Subject == subject && last.To.IsZero() && !from.Before(last.From) {
			return nil
		}
		if from.Before(last.From) {
			return vigil.Errorf(vigil.Conflict, "registry.bind", "the device was bound at %s already; bind from then on or later", last.From.Format(time.RFC3339))
		}
		last.To = from
		changed = append(changed, *last)
	}
	if subject != "" {
		b := vigil.Binding{Device: id, Subject: subject, From: from, By: who.ID}
		list, changed = append(list, b), append(changed, b)
	}
	if len(changed) == 0 {
		return nil
	}
	if err := r.cfg.Backend.PutBindings(ctx, changed); err != nil {
		return err
	}
	r.mu.Lock()
	r.bindings[id] = list
	r.mu.Unlock()
	if r.cfg.Bound != nil {
		for _, b := range changed {
			r.cfg.Bound(ctx, b)
		}
	}
	if d, ok := r.get(id); ok {
		r.tell(ctx, *d)
	}
	return nil
}

// Bindings returns every binding of a device, oldest first.
func (r *Registry) Bindings(id vigil.DeviceID) []vigil.Binding {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.bindings[id])
}

// Current returns the bindings in force now, of one subject or of all when it is empty.
func (r *Registry) Current(subject vigil.Subject) []vigil.Binding {
	now := r.cfg.Now()
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []vigil.Binding
	for _, list := range r.bindings {
		for i := len(list) - 1; i >= 0; i-- {
			if b := list[i]; b.Covers(now) {
				if subject == "" || b.Subject == subject {
					out = append(out, b)
				}
				break
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Device < out[j].Device })
	return out
}

// List returns the devices whose id, name, serial number or profile contains q, in order of their ids.
func (r *Registry) List(q string) []Device {
	q = strings.ToLower(q)
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []Device
	for _, d := range r.devices {
		if strings.Contains(strings.ToLower(string(d.ID)+"\n"+d.Name+"\n"+d.Serial+"\n"+d.Profile), q) {
			out = append(out, *d)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

func mayManage(ctx context.Context) error {
	p, ok := access.From(ctx)
	if !ok || !p.Has(access.Engineer, access.Nurse, access.Physician, access.Admin, access.System) {
		return vigil.Errorf(vigil.Denied, "registry.manage", "devices are managed by engineers and nurses")
	}
	return nil
}
