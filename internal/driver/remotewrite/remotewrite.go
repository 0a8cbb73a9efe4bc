// Package remotewrite sends numerics on to a Prometheus-compatible store for the long term: remote write 1.0.
//
// It follows the telemetry log from a position that it keeps, so that a restart or an absent receiver loses nothing
// while the log reaches back. It sends no waveforms, events or names, and reads nothing back. Start at Outlet.
package remotewrite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Source is the log that is followed; *telemetry.Store is one.
type Source interface {
	Follow(ctx context.Context, from uint64, fn func(offset uint64, reports []*vigil.Report) error) (next uint64, err error)
	Health() telemetry.Health
}

// Positions keeps up to where the log was sent, durably.
type Positions interface {
	// LoadPosition returns the offset kept under the name, 0 when there is none.
	LoadPosition(ctx context.Context, name string) (uint64, error)
	SavePosition(ctx context.Context, name string, offset uint64) error
}

// Config is what an outlet needs.
type Config struct {
	URL       string
	Headers   map[string]string // sent with every request, Authorization for example
	Labels    map[string]string // added to every series
	Source    Source
	Positions Positions
	Random    func() float64    // in [0, 1), spreads retries
	Transport http.RoundTripper // nil: http.DefaultTransport
	Log       *slog.Logger
	Version   string

	BatchSamples int           // in one request; default 5000
	Every        time.Duration // how often the log is looked at; default 1 s
	Backoff      time.Duration // after the first failure, doubled with each; default 500 ms
	MaxBackoff   time.Duration // default 30 s
	Timeout      time.Duration // of one request; default 30 s
}

// Stats says how the outlet is, since start.
type Stats struct {
	Sent    uint64        // samples that the receiver took
	Dropped uint64        // samples that it refused for good
	Retries uint64        // requests that were tried again
	Lost    uint64        // log records that were forgotten before they were sent
	Records uint64        // log records that wait
	Behind  time.Duration // how old the oldest report is that waits, 0 when none does
	Trouble string        // why nothing goes through now, "" when it does
}

// Outlet sends one log to one receiver.
type Outlet struct {
	cfg    Config
	name   string
	client *http.Client

	next    atomic.Uint64 // offset that is sent next
	sent    atomic.Uint64
	dropped atomic.Uint64
	retries atomic.Uint64
	lost    atomic.Uint64
	through atomic.Int64 // Unix nanoseconds: reports received up to then are sent
	trouble atomic.Pointer[string]
}

// New returns an outlet. It returns Invalid for an address or labels that cannot be.
func New(cfg Config) (*Outlet, error) {
	const op = "remote_write.new"
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, vigil.Errorf(vigil.Invalid, op, "outlets.remote_write.url is no http or https address; write https://store.example/api/v1/write")
	}
	for name := range cfg.Labels {
		if !regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(name) || strings.HasPrefix(name, "__") {
			return nil, vigil.Errorf(vigil.Invalid, op, "outlets.remote_write.labels: %q is no name of a label", name)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Random == nil {
		cfg.Random = func() float64 { return 0.5 }
	}
	if cfg.BatchSamples <= 0 {
		cfg.BatchSamples = 5000
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&cfg.Every, time.Second}, {&cfg.Backoff, 500 * time.Millisecond}, {&cfg.MaxBackoff, 30 * time.Second}, {&cfg.Timeout, 30 * time.Second}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	sum := sha256.Sum256([]byte(cfg.URL)) // another receiver starts with all that the log holds
	return &Outlet{cfg: cfg, name: hex.EncodeToString(sum[:8]), client: &http.Client{
		Timeout: cfg.Timeout, Transport: cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Stats returns how the outlet is.
func (o *Outlet) Stats() Stats {
	s := Stats{Sent: o.sent.Load(), Dropped: o.dropped.Load(), Retries: o.retries.Load(), Lost: o.lost.Load()}
	if end := o.cfg.Source.Health().LogPosition; end >= o.next.Load() {
		s.Records = end + 1 - max(o.next.Load(), 1)
	}
	if t := o.through.Load(); t > 0 && s.Records > 0 {
		s.Behind = max(0, time.Since(time.Unix(0, t)))
	}
	if t := o.trouble.Load(); t != nil {
		s.Trouble = *t
	}
	return s
}

// Run follows the log until ctx ends.
//
//	position ─► Follow ─► batch ─► series by time ─► protobuf, snappy ─► POST ─► position
//	                                                                  └── wait and again: network, 5xx, 429, a shut door
func (o *Outlet) Run(ctx context.Context) error {
	ctx = access.AsSystem(ctx, "remote_write")
	at, err := o.cfg.Positions.LoadPosition(ctx, o.name)
	if err != nil {
		return err
	}
	o.next.Store(at)
	tick := time.NewTicker(o.cfg.Every)
	defer tick.Stop()
	for {
		more, err := o.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			o.say(vigil.Message(err))
			o.cfg.Log.Warn("remote_write.round", "error", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

var errFull = errors.New("the batch is full")

// round sends one batch and keeps the position; it reports whether more waits.
func (o *Outlet) round(ctx context.Context) (more bool, err error) {
	b := batch{series: map[vigil.SeriesKey][]sample{}}
	from, first := o.next.Load(), true
	next, err := o.cfg.Source.Follow(ctx, from, func(offset uint64, reports []*vigil.Report) error {
		if b.samples >= o.cfg.BatchSamples {
			return errFull
		}
		if first && from > 0 && offset > from {
			o.lost.Add(offset - from)
			o.cfg.Log.Error("remote_write.lost", "records", offset-from)
		}
		first = false
		b.add(reports)
		return nil
	})
	more = errors.Is(err, errFull)
	if err != nil && !more || next == from {
		return false, err
	}
	for _, part := range b.requests(o.cfg.BatchSamples, o.cfg.Labels) {
		if err := o.deliver(ctx, part); err != nil {
			return false, err
		}
	}
	if err := o.cfg.Positions.SavePosition(ctx, o.name, next); err != nil {
		return false, err // sent again after a restart: the receiver knows the same time and value
	}
	o.next.Store(next)
	o.through.Store(max(o.through.Load(), b.received))
	return more, nil
}

func (o *Outlet) say(trouble string) {
	if trouble == "" {
		o.trouble.Store(nil)
		return
	}
	o.trouble.Store(&trouble)
}
