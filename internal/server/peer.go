package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/driver/fhirpeer"
	"github.com/vigil-health/vigil/internal/engine/peer"
)

// peerKeyFile is the place in the data directory of the keys with which the house signs as a client of others.
const peerKeyFile = "peer.keys"

// PeerConfig is another FHIR server, an EHR for example, and what is exchanged with it.
type PeerConfig struct {
	URL        string            `yaml:"url"`        // of its FHIR endpoint
	ClientID   string            `yaml:"client_id"`  // that it gave to Vigil; "" when it asks for no token
	Scopes     string            `yaml:"scopes"`     // default: what push and pull need
	TokenURL   string            `yaml:"token_url"`  // default: asked of .well-known/smart-configuration
	Identifier string            `yaml:"identifier"` // system of the patient number that both know
	Push       []string          `yaml:"push"`       // Patient, Encounter, Observation, Alarm
	Pull       map[string]string `yaml:"pull"`       // Patient, Encounter, Observation → a further condition, may be ""
	Every      time.Duration     `yaml:"every"`      // between pulls, default 1m
	Timeout    time.Duration     `yaml:"timeout"`    // of one request, default 30s
	Vitals     PeerVitals        `yaml:"vitals"`
	Alarms     []string          `yaml:"alarms"` // DetectedIssue, Flag, Communication; default the first and the last
}

// PeerVitals says which summaries of vitals are sent.
type PeerVitals struct {
	Hourly      bool          `yaml:"hourly"`
	AroundAlarm time.Duration `yaml:"around_alarm"` // before and after its onset
	Metrics     []string      `yaml:"metrics"`      // default: all with a LOINC code
}

func badPeer(name, format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "server.peers", "peers.%s: %s", name, fmt.Sprintf(format, args...))
}

// check names what is wrong with the configuration of a peer.
func (c PeerConfig) check(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') }) {
		return badPeer(name, "a name has small letters, digits and '-'")
	}
	for _, typ := range c.Push {
		if !slices.Contains([]string{"Patient", "Encounter", "Observation", peer.Alarms}, typ) {
			return badPeer(name, "push: %q is not one of Patient, Encounter, Observation, Alarm", typ)
		}
	}
	for typ := range c.Pull {
		if !slices.Contains([]string{"Patient", "Encounter", "Observation"}, typ) {
			return badPeer(name, "pull: %q is not one of Patient, Encounter, Observation", typ)
		}
	}
	for _, typ := range c.Alarms {
		if !slices.Contains([]string{"DetectedIssue", "Flag", "Communication"}, typ) {
			return badPeer(name, "alarms: %q is not one of DetectedIssue, Flag, Communication", typ)
		}
	}
	for _, m := range c.Vitals.Metrics {
		if _, ok := coding.Lookup(vigil.Metric(m)); !ok {
			return badPeer(name, "vitals.metrics: %q is no metric; GET /api/metrics lists them", m)
		}
	}
	if w := c.Vitals.AroundAlarm; w < 0 || w > 24*time.Hour || w%time.Second != 0 {
		return badPeer(name, "vitals.around_alarm: whole seconds up to 24h")
	}
	return nil
}

// pushed are the resource types that the peer must take.
func (c PeerConfig) pushed() (out []string) {
	for _, typ := range c.Push {
		if typ == peer.Alarms {
			out = append(out, c.alarms()...)
		} else {
			out = append(out, typ)
		}
	}
	if v := c.Vitals; (v.Hourly || v.AroundAlarm > 0) && !slices.Contains(out, "Observation") {
		out = append(out, "Observation")
	}
	return out
}

func (c PeerConfig) alarms() []string {
	if len(c.Alarms) == 0 {
		return []string{"DetectedIssue", "Communication"}
	}
	return c.Alarms
}

// scopes are those that push and pull need, unless the site names its own. Patients are looked for before they are sent.
func (c PeerConfig) scopes() string {
	if c.Scopes != "" {
		return c.Scopes
	}
	read := slices.Sorted(maps.Keys(c.Pull))
	for _, typ := range c.pushed() {
		if !slices.Contains(read, typ) {
			read = append(read, typ) // conditional updates look before they write
		}
	}
	if !slices.Contains(read, "Patient") {
		read = append(read, "Patient")
	}
	var out []string
	for _, typ := range read {
		out = append(out, "system/"+typ+".read")
	}
	for _, typ := range c.pushed() {
		out = append(out, "system/"+typ+".write")
	}
	return strings.Join(out, " ")
}

// client returns what speaks to the peer.
func (c Config) client(name string) (*fhirpeer.Client, PeerConfig, error) {
	p, ok := c.Peers[name]
	if !ok {
		return nil, p, vigil.Errorf(vigil.NotFound, "server.peers", "there is no peer %q in the configuration", name)
	}
	if err := p.check(name); err != nil {
		return nil, p, err
	}
	keys, err := fhirpeer.LoadKeys(c.path(peerKeyFile))
	if err != nil {
		return nil, p, err
	}
	client, err := fhirpeer.New(fhirpeer.Config{Base: p.URL, ClientID: p.ClientID, Scopes: p.scopes(), TokenURL: p.TokenURL, Key: keys.First(), Timeout: p.Timeout, Version: c.Version})
	if err != nil {
		return nil, p, badPeer(name, "%s", vigil.Message(err))
	}
	return client, p, nil
}

// openPeers builds the desk that exchanges records with other servers.
func (e *Engines) openPeers(cfg Config) error {
	var list []peer.Peer
	for _, name := range slices.Sorted(maps.Keys(cfg.Peers)) {
		client, c, err := cfg.client(name)
		if err != nil {
			return err
		}
		p := peer.Peer{Name: name, Base: strings.TrimRight(c.URL, "/"), Remote: client, Push: c.Push, Identifier: c.Identifier, Alarms: c.alarms(), Every: c.Every}
		if p.Every <= 0 {
			p.Every = time.Minute
		}
		for _, typ := range []string{"Patient", "Encounter", "Observation"} { // in the order of what refers to what
			if query, ok := c.Pull[typ]; ok {
				p.Pull = append(p.Pull, peer.Pull{Type: typ, Query: query})
			}
		}
		p.Vitals = peer.Vitals{Hourly: c.Vitals.Hourly, AroundAlarm: c.Vitals.AroundAlarm}
		for _, m := range c.Vitals.Metrics {
			p.Vitals.Metrics = append(p.Vitals.Metrics, vigil.Metric(m))
		}
		list = append(list, p)
	}
	e.Peers = peer.New(peer.Config{
		Peers: list, Queue: e.db.PeerQueue(), Links: e.db.PeerLinks(), Records: e.Records, Changes: e.db.Records(), Alarms: e.Desk, Telemetry: e.Telemetry,
		Now: time.Now, Log: e.logger,
	})
	return nil
}

// peerChecks are the lines of the system page about other servers.
func (e *Engines) peerChecks(ctx context.Context) (out []webapi.Check) {
	list, err := e.Peers.State(ctx)
	if err != nil {
		return []webapi.Check{{Name: "peers", Text: "their queues cannot be read"}}
	}
	for _, s := range list {
		out = append(out, webapi.Check{Name: "peer " + s.Name, OK: s.OK, Text: s.Text})
	}
	return out
}

// publicKeys are the keys that other servers know this house by.
func (c Config) publicKeys() ([]byte, error) {
	keys, err := fhirpeer.LoadKeys(c.path(peerKeyFile))
	if err != nil {
		return nil, err
	}
	return keys.Public()
}

// NewPeerKey puts a fresh key before those there are and returns the public ones. Older ones are shown on, so that the other
// servers can take the new one over; with drop they are not.
func NewPeerKey(cfg Config, alg string, drop bool) ([]byte, error) {
	if err := makeDir(cfg.Data); err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "server.data", "the data directory cannot be made: %w", err)
	}
	keys, err := fhirpeer.LoadKeys(cfg.path(peerKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := fhirpeer.NewKey(alg)
	if err != nil {
		return nil, err
	}
	if drop {
		keys = nil
	}
	keys = append(fhirpeer.Keys{key}, keys...)
	if err := keys.Save(cfg.path(peerKeyFile), writeFile); err != nil {
		return nil, err
	}
	return keys.Public()
}

// PeerKeys returns the public keys, an empty set before there are any.
func PeerKeys(cfg Config) ([]byte, error) { return cfg.publicKeys() }

// TestPeer tries what an exchange with a peer needs, step by step. It changes nothing there.
func TestPeer(ctx context.Context, cfg Config, name string) ([]fhirpeer.Step, error) {
	client, c, err := cfg.client(name)
	if err != nil {
		return nil, err
	}
	return client.Test(ctx, c.pushed(), slices.Sorted(maps.Keys(c.Pull))), nil
}
