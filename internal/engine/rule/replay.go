package rule

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// A replay takes kept telemetry through the rules in force and through those with a change, side by side, and says what
// would have been different. The evaluator is the stream's (player), so there is no second opinion on what a rule does.
//
//	subjects ─► day by day: series ─merge by time─► report ─┬─► player, rules of today ──┐
//	                                                        └─► player, changed rules ───┴─► episodes ─► Outcome

// Raw answers with kept samples. telemetry.Store implements it.
type Raw interface {
	Subjects(ctx context.Context) []vigil.Subject
	Last(ctx context.Context, subjects ...vigil.Subject) ([]telemetry.Value, error)
	Iterate(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(telemetry.Block) error) error
}

// Known is something that is known to have happened to a subject: an alarm that staff found true, an action, a code call.
type Known struct {
	Subject vigil.Subject `json:"subject"`
	At      time.Time     `json:"at"`
	What    string        `json:"what"`
}

// An alarm catches an event when it is open within this time of it.
const (
	knownBefore = time.Hour
	knownAfter  = 5 * time.Minute
)

// play is what one replay needs.
type play struct {
	raw      Raw
	profile  func(ctx context.Context, s vigil.Subject) (Profile, error)
	today    *Program
	after    *Program
	keys     []string // of the rules that are looked at
	metrics  map[vigil.Metric]bool
	from, to time.Time
	breathe  func(ctx context.Context) error // between stretches: gives way, and says when to stop
	progress func(hours float64, samples int)
}

// played is what became of one subject.
type played struct {
	subject vigil.Subject
	hours   float64 // in which it had any value
	samples int
	today   []Episode
	after   []Episode
}

// narrow leaves the rules that a change of keys can touch: they, and who speaks for them or for whom they speak.
func narrow(set Set, keys []string) Set {
	near := map[string]bool{}
	for _, k := range keys {
		near[k] = true
	}
	for _, r := range set.Rules {
		for _, k := range r.CoveredBy {
			if slices.Contains(keys, r.Key) {
				near[k] = true
			}
			if slices.Contains(keys, k) {
				near[r.Key] = true
			}
		}
	}
	out := set
	out.Rules, out.Scores, out.Shadow, out.Reasons = nil, nil, nil, map[string]string{}
	for _, r := range set.Rules {
		if out.Reasons[r.Key] = "left out"; near[r.Key] && r.Kind != KindNoData && r.Kind != KindLeadOff && r.Kind != KindQuality {
			out.Rules = append(out.Rules, r)
		}
		for _, k := range r.CoveredBy {
			out.Reasons[k] = "left out"
		}
	}
	for _, s := range set.Scores {
		if slices.ContainsFunc(out.Rules, func(r Rule) bool {
			return r.Score == s.Key || strings.Contains(r.When+r.Clear.When, `"`+s.Key+`"`) || strings.Contains(r.When+r.Clear.When, `'`+s.Key+`'`)
		}) {
			out.Scores = append(out.Scores, s)
		}
	}
	return out
}

// reads returns the metrics that a program looks at.
func (p *Program) reads(into map[vigil.Metric]bool) {
	for i, m := range p.metrics {
		if len(p.byMet[i])+len(p.inputs[i]) > 0 || p.slots[i] >= 0 {
			into[m] = true
		}
	}
	if into[bpMean] { // derived from these
		into[bpSys], into[bpDia] = true, true
	}
	if into[artMean] {
		into[artSys], into[artDia] = true, true
	}
}

// cursor is one series of a subject, a stretch of it in memory.
type cursor struct {
	key telemetry.Value
	t   []int64
	v   []float64
	q   []vigil.Quality
	at  int
}

// stretch is how much of a subject is in memory at once: at 1 Hz and five metrics about 2 MB.
const stretch = 6 * time.Hour

// subject replays one subject.
func (p *play) subject(ctx context.Context, id vigil.Subject) (played, error) {
	out := played{subject: id}
	values, err := p.raw.Last(ctx, id)
	if err != nil {
		return out, err
	}
	var list []*cursor
	for _, v := range values {
		if p.metrics[v.Metric] && v.Time.After(p.from) {
			list = append(list, &cursor{key: v})
		}
	}
	if len(list) == 0 {
		p.progress(p.to.Sub(p.from).Hours(), 0)
		return out, nil
	}
	prof, err := p.profile(ctx, id)
	if err != nil {
		return out, err
	}
	players := []*player{newPlayer(p.today, id, prof, p.from.UnixNano()), newPlayer(p.after, id, prof, p.from.UnixNano())}
	for from := p.from; from.Before(p.to); from = from.Add(stretch) {
		to := from.Add(stretch)
		if to.After(p.to) {
			to = p.to
		}
		n, err := p.stretch(ctx, players, list, from, to)
		if err != nil {
			return out, err
		}
		if out.samples += n; n > 0 {
			out.hours += to.Sub(from).Hours()
		}
		p.progress(to.Sub(from).Hours(), n)
	}
	for _, w := range players {
		w.advance(p.to.UnixNano())
	}
	out.today, out.after = keyed(players[0].list, p.keys), keyed(players[1].list, p.keys)
	return out, nil
}

func keyed(list []Episode, keys []string) []Episode {
	return slices.DeleteFunc(list, func(e Episode) bool { return !slices.Contains(keys, e.Rule) })
}

// stretch reads a piece of every series and plays it in order of time.
func (p *play) stretch(ctx context.Context, players []*player, list []*cursor, from, to time.Time) (n int, err error) {
	for _, c := range list {
		c.t, c.v, c.q, c.at = c.t[:0], c.v[:0], c.q[:0], 0
		err := p.raw.Iterate(ctx, c.key.SeriesKey, from, to, func(b telemetry.Block) error {
			c.t, c.v, c.q = append(c.t, b.Times...), append(c.v, b.Values...), append(c.q, b.Qualities...)
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(c.t)
	}
	r := &vigil.Report{}
	for played := 0; ; played++ {
		if played%4096 == 0 {
			if err := p.breathe(ctx); err != nil {
				return n, err
			}
		}
		if !gather(list, r) {
			return n, nil
		}
		for _, w := range players {
			w.report(r)
		}
	}
}

// gather makes one report of the earliest values, those of one device at one time.
func gather(list []*cursor, r *vigil.Report) bool {
	var first *cursor
	for _, c := range list {
		if c.at < len(c.t) && (first == nil || c.t[c.at] < first.t[first.at]) {
			first = c
		}
	}
	if first == nil {
		return false
	}
	at, dev := first.t[first.at], first.key.Device
	r.Subject, r.Device, r.Received, r.Samples = first.key.Subject, dev, at, r.Samples[:0]
	for _, c := range list {
		if c.at < len(c.t) && c.t[c.at] == at && c.key.Device == dev {
			r.Samples = append(r.Samples, vigil.Sample{Metric: c.key.Metric, Time: at, Value: c.v[c.at], Quality: c.q[c.at]})
			c.at++
		}
	}
	return true
}

// newPlay compiles both sides of a replay.
func newPlay(today, after Set, keys []string) (*play, error) {
	out := &play{keys: keys, metrics: map[vigil.Metric]bool{}}
	var err error
	if out.today, err = Compile(narrow(today, keys)); err != nil {
		return nil, err
	}
	if out.after, err = Compile(narrow(after, keys)); err != nil {
		return nil, err
	}
	out.today.reads(out.metrics)
	out.after.reads(out.metrics)
	return out, nil
}

func keysOf(file catalog.RuleFile) []string {
	var out []string
	for _, r := range file.Rules {
		out = append(out, r.Key)
	}
	return out
}
