package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/driver/jetstream"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Config is everything a site may set. Every field has a default; without any file Vigil starts with all of them.
type Config struct {
	Data string `yaml:"data"` // one directory for everything
	Site string `yaml:"site"` // name of the hospital

	// Records is where records, accounts, alarms and the audit trail are kept: postgres://user:password@host/database, or ""
	// for a SQLite file in the data directory.
	Records string `yaml:"records"`

	// Public is the address under which other systems know this one, such as https://vigil.example:8443. Assertions of
	// programs must be made for it; "" takes the address that each request names.
	Public string `yaml:"public"`

	HTTP  string `yaml:"http"`  // plain HTTP, loopback; "" is off
	HTTPS string `yaml:"https"` // HTTPS with the own authority; "" is off
	MQTT  string `yaml:"mqtt"`  // plain MQTT, loopback; "" is off
	MQTTS string `yaml:"mqtts"` // MQTT over TLS; "" is off
	TURN  string `yaml:"turn"`  // relay for video, UDP and TCP; "" is off

	Devices   string                `yaml:"devices"`   // directory with the site's own device profiles
	Retention map[string]KeepConfig `yaml:"retention"` // class of telemetry → how long it is kept; see telemetry.DefaultPolicy
	Quotas    QuotasConfig          `yaml:"quotas"`
	Alarms    AlarmsConfig          `yaml:"alarms"`
	Notify    NotifyConfig          `yaml:"notify"`
	SMTP      SMTPConfig            `yaml:"smtp"`
	Webhook   WebhookConfig         `yaml:"webhook"`
	Outlets   OutletsConfig         `yaml:"outlets"`
	Import    ImportConfig          `yaml:"import"`
	Backup    BackupConfig          `yaml:"backup"`
	Log       LogConfig             `yaml:"log"`

	Subscriptions SubscriptionsConfig   `yaml:"subscriptions"`
	Peers         map[string]PeerConfig `yaml:"peers"` // name → another FHIR server that records go to and come from

	// Demo opens the simulated hospital's sign-in by role. Set by `vigil demo`, never by a file.
	Demo    bool   `yaml:"-"`
	Version string `yaml:"-"`
}

// KeepConfig says how long one class of telemetry is kept, as ages such as "30d", "10y" or "forever". An absent raw is for
// ever; absent summaries mean that nothing stays after raw.
type KeepConfig struct {
	Raw       string `yaml:"raw"`
	Summaries string `yaml:"summaries"`
}

// policy returns what telemetry is kept: the defaults with the classes that the site names put over them.
func (c Config) policy() (telemetry.Policy, error) {
	p := telemetry.DefaultPolicy()
	for class, k := range c.Retention {
		keep := telemetry.Keep{}
		if k.Raw != "" {
			age, err := telemetry.ParseAge(k.Raw)
			if err != nil {
				return nil, vigil.Errorf(vigil.Invalid, "server.config", "retention.%s.raw: %s", class, vigil.Message(err))
			}
			keep.Raw = age
		}
		if k.Summaries != "" {
			age, err := telemetry.ParseAge(k.Summaries)
			if err != nil {
				return nil, vigil.Errorf(vigil.Invalid, "server.config", "retention.%s.summaries: %s", class, vigil.Message(err))
			}
			keep.Summaries = &age
		}
		p[coding.Class(class)] = keep
	}
	if err := p.Check(); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "server.config", "retention: %s", vigil.Message(err))
	}
	return p, nil
}

// SMTPConfig is the mail server for pages by e-mail.
type SMTPConfig struct {
	Host     string            `yaml:"host"`
	Port     int               `yaml:"port"`
	From     string            `yaml:"from"`
	Login    string            `yaml:"login"`
	Password string            `yaml:"password"`
	Plain    bool              `yaml:"plain"` // a server on this machine without TLS
	Link     string            `yaml:"link"`  // address of the user interface
	To       map[string]string `yaml:"to"`    // Practitioner/<id> or role → address
}

// WebhookConfig is where pages are posted, signed with the secret.
type WebhookConfig struct {
	Secret string            `yaml:"secret"`
	To     map[string]string `yaml:"to"` // Practitioner/<id>, role, or "*" → URL
}

// ImportConfig bounds what a bulk import may fetch.
type ImportConfig struct {
	Hosts []string `yaml:"hosts"` // with their ports where these are not the usual ones; none: files come with the request only
}

// SubscriptionsConfig bounds where FHIR Subscriptions deliver to.
type SubscriptionsConfig struct {
	RestHook []string `yaml:"rest_hook"` // URLs below which endpoints lie; empty allows https outside the network only
	Base     string   `yaml:"base"`      // URL of the FHIR door as receivers reach it, such as https://vigil.example:8443/fhir
}

// OutletsConfig is where telemetry is sent on to.
type OutletsConfig struct {
	RemoteWrite RemoteWriteConfig `yaml:"remote_write"`
}

// LogConfig is where the telemetry log is kept; without a URL in the data directory.
type LogConfig struct {
	URL         string `yaml:"url"`         // nats://host:4222, several separated by commas
	Stream      string `yaml:"stream"`      // default VIGIL_LOG
	Replicas    int    `yaml:"replicas"`    // 1, 3 or 5, default 1
	Credentials string `yaml:"credentials"` // file made by nsc
	CA          string `yaml:"ca"`          // file with the authority of the servers' certificates
}

func (c LogConfig) jetstream() jetstream.Config {
	return jetstream.Config{URL: c.URL, Stream: c.Stream, Replicas: c.Replicas, Credentials: c.Credentials, CA: c.CA, Name: "vigil"}
}

// BackupConfig is where backups are made by themselves; without a directory none are.
type BackupConfig struct {
	To        string        `yaml:"to"`        // directory, best on another disk
	Every     time.Duration `yaml:"every"`     // default 24h, at least a minute
	Keep      int           `yaml:"keep"`      // how many, default 7
	Recipient string        `yaml:"recipient"` // age1…: encrypt to this public key; without it the backups hold secrets in the clear
}

// RemoteWriteConfig is a Prometheus-compatible store for the long term; without a URL nothing is sent.
type RemoteWriteConfig struct {
	URL     string            `yaml:"url"`
	Headers map[string]string `yaml:"headers"` // Authorization for example
	Labels  map[string]string `yaml:"labels"`  // added to every series
}

// DefaultConfig is what runs without any configuration.
func DefaultConfig() Config {
	return Config{
		Data: "vigil-data", Site: "My hospital",
		HTTP: "127.0.0.1:8080", HTTPS: ":8443", MQTT: "127.0.0.1:1883", MQTTS: ":8883", TURN: "0.0.0.0:3478",
	}
}

// LoadConfig reads a YAML file over the defaults. An absent file is no error when it is not asked for by name.
func LoadConfig(path string, asked bool) (Config, error) {
	cfg := DefaultConfig()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return cfg, nil
	}
	if err != nil {
		return cfg, vigil.Errorf(vigil.Invalid, "server.config", "the configuration cannot be read: %w", err)
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&cfg); err != nil && !errors.Is(err, io.EOF) { // an empty file says nothing
		return cfg, vigil.Errorf(vigil.Invalid, "server.config", "%s: %s", path, yaml.FormatError(err, false, true))
	}
	return cfg, nil
}

// path returns a place in the data directory.
func (c Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.Data}, elem...)...)
}

// prepare makes the data directory and holds that only one process uses it.
func (c Config) prepare() (unlock func() error, err error) {
	if err := makeDir(c.Data); err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "server.data", "the data directory cannot be made: %w", err)
	}
	f, err := os.OpenFile(c.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "server.data", "the data directory cannot be written: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, vigil.Errorf(vigil.Conflict, "server.data", "another Vigil runs on %s; stop it, or choose another directory with --data", c.Data)
	}
	fmt.Fprintf(f, "%d\n", os.Getpid()) //nolint:errcheck // for people only
	return f.Close, nil
}
