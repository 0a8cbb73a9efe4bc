package trend

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Metrics that a Watcher derives. Each has its entry in the catalogue (package coding).
const (
	OfUsual = vigil.Metric("map-of-usual") // % of what is usual for this person at this hour
	Trend   = vigil.Metric("map-trend")    // mmHg an hour, the end of the 99 % interval nearest to zero; 0 when it holds zero
)

const (
	sayEvery = time.Minute
	history  = 7 * 24 * time.Hour
	forget   = 24 * time.Hour
)

// Config is what a Watcher needs from outside.
type Config struct {
	// Tell hands a report to the log and does not wait for it: signal.Deriver.Post.
	Tell func(*vigil.Report)
	// History answers for what was measured before: telemetry.Store.Query. ctx is the house's own.
	History func(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
	Now     func() time.Time
	Log     *slog.Logger
}

// Watcher follows the mean blood pressure of every patient and says once a minute how it lies to what is usual and where it
// goes. It reads a patient's last week when it meets him first and says nothing before. An arterial line speaks before a
// cuff. Observe may be called concurrently for different subjects.
type Watcher struct {
	cfg      Config
	patients sync.Map // vigil.Subject → *person
	meet     chan vigil.Subject
}

type person struct {
	mu    sync.Mutex
	falls *Falls // nil until the history is read
	line  int64  // when an arterial line last spoke
	said  int64
	heard int64 // receive clock
}

// NewWatcher returns a watcher that has met nobody.
func NewWatcher(cfg Config) *Watcher {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Watcher{cfg: cfg, meet: make(chan vigil.Subject, 4096)}
}

const (
	artMean = vigil.Metric("art-mean")
	cuff    = vigil.Metric("bp-mean")
)

// Observe takes reports in their order. Late and questionable values are left out.
func (w *Watcher) Observe(reports []*vigil.Report) {
	for _, r := range reports {
		if r.Protocol == vigil.ProtocolDerived || !r.Subject.IsPatient() {
			continue
		}
		for i := range r.Samples {
			if s := &r.Samples[i]; (s.Metric == artMean || s.Metric == cuff) && s.Quality&(vigil.QualityLate|vigil.QualityQuestionable) == 0 {
				w.sample(r, s)
			}
		}
	}
}

func (w *Watcher) sample(r *vigil.Report, s *vigil.Sample) {
	v, ok := w.patients.Load(r.Subject)
	if !ok {
		if v, ok = w.patients.LoadOrStore(r.Subject, &person{heard: r.Received}); !ok {
			select {
			case w.meet <- r.Subject:
			default: // more than can be met now: the next reading tries again
				w.patients.Delete(r.Subject)
			}
		}
	}
	p := v.(*person)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = r.Received
	if s.Metric == artMean {
		p.line = s.Time
	} else if s.Time-p.line < int64(5*time.Minute) {
		return
	}
	if p.falls == nil || s.Metric == artMean && s.Time-p.said < int64(sayEvery) {
		return // one reading a minute of a line is enough
	}
	out := p.falls.Push(time.Unix(0, s.Time).In(w.cfg.Now().Location()), s.Value)
	p.said = s.Time
	w.cfg.Tell(&vigil.Report{
		Device: r.Device, Subject: r.Subject, Received: w.cfg.Now().UnixNano(), Protocol: vigil.ProtocolDerived, Samples: samplesOf(out, s),
	})
}

func samplesOf(r Reading, s *vigil.Sample) []vigil.Sample {
	out := make([]vigil.Sample, 0, 2)
	if !math.IsNaN(r.Percent) {
		out = append(out, vigil.Sample{Metric: OfUsual, Time: s.Time, Value: math.Round(r.Percent), Quality: s.Quality})
	}
	if r.Slope.Readings > 0 {
		sure := 0.0
		switch r.Slope.Direction() {
		case Up:
			sure = r.Slope.Low
		case Down:
			sure = r.Slope.High
		}
		out = append(out, vigil.Sample{Metric: Trend, Time: s.Time, Value: math.Round(sure*10) / 10, Quality: s.Quality})
	}
	return out
}

// Run reads the history of patients as they are met, and forgets those who have been silent for a day, until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-w.meet:
			w.read(ctx, s)
		case <-t.C:
			old := w.cfg.Now().Add(-forget).UnixNano()
			w.patients.Range(func(k, v any) bool {
				p := v.(*person)
				p.mu.Lock()
				gone := p.heard < old
				p.mu.Unlock()
				if gone {
					w.patients.Delete(k)
				}
				return true
			})
		}
	}
}

// read fills a patient's baseline from the last week. What cannot be read is left out: the baseline begins with today.
func (w *Watcher) read(ctx context.Context, s vigil.Subject) {
	now := w.cfg.Now()
	falls := NewFalls(AdultMean())
	lines, err := w.cfg.History(ctx, telemetry.Query{
		Subject: s, Metrics: []vigil.Metric{artMean, cuff}, From: now.Add(-history), To: now, Points: int(history / bandEvery),
	})
	if err != nil {
		w.cfg.Log.Warn("trend.history_not_readable", "subject", s, "error", err)
	}
	for _, l := range lines {
		for _, p := range l.Points {
			falls.baseline.Push(time.Unix(0, p.Time).In(now.Location()), p.Mean)
		}
	}
	if v, ok := w.patients.Load(s); ok {
		p := v.(*person)
		p.mu.Lock()
		p.falls = falls
		p.mu.Unlock()
	}
}
