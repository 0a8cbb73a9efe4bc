package telemetry

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Query returns a line for each metric, ordered by metric number: every metric asked for, or all that have points.
// With Points, samples fall into even buckets over [From, To) that keep min, max, mean and count, so that no peak
// disappears; empty buckets are left out. Gaps run between neighbouring samples, from From to the first sample and from
// the last to To or now, whichever is earlier, when longer than one and a half times the metric's MaxAge.
// It returns Denied for a subject that ctx may not see and Invalid for a range that is none.
func (s *Store) Query(ctx context.Context, q Query) ([]Line, error) {
	if err := access.CheckSubject(ctx, q.Subject); err != nil {
		return nil, err
	}
	from, to := nanos(q.From), nanos(q.To)
	if !q.From.Before(q.To) || to <= from || q.Points < 0 {
		return nil, vigil.Errorf(vigil.Invalid, "telemetry.query", "the range [%s, %s) is empty or Points is negative", q.From, q.To)
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	var lines []Line
	sources := s.sources(&q, from, to)
	for len(sources) > 0 {
		metric := sources[0].key.Metric
		n := 1
		for n < len(sources) && sources[n].key.Metric == metric {
			n++
		}
		line, err := s.line(ctx, sources[:n], from, to, q.Points, work)
		if err != nil {
			return nil, err
		}
		if len(line.Points) > 0 || len(q.Metrics) > 0 {
			lines = append(lines, line)
		}
		sources = sources[n:]
	}
	return s.addMissing(lines, q.Metrics, from, to), nil
}

// addMissing adds lines for metrics that were asked for and that the subject never had.
func (s *Store) addMissing(lines []Line, metrics []vigil.Metric, from, to int64) []Line {
	for _, m := range metrics {
		if !slices.ContainsFunc(lines, func(l Line) bool { return l.Metric == m }) {
			r := runs{limit: gapLimit(m)}
			lines = append(lines, Line{Metric: m, Gaps: r.gaps(from, min(to, s.cfg.Now().UnixNano()))})
		}
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(metricNumbers[a.Metric], metricNumbers[b.Metric]), cmp.Compare(a.Metric, b.Metric))
	})
	return lines
}

// line reads all devices of one metric.
func (s *Store) line(ctx context.Context, sources []source, from, to int64, points int, work *scratch) (Line, error) {
	metric := sources[0].key.Metric
	seen := runs{limit: gapLimit(metric)}
	line := Line{Metric: metric}
	var grid *buckets
	if points > 0 {
		width := (to-from)/int64(points) + 1
		if (to-from)%int64(points) == 0 {
			width--
		}
		grid = &buckets{from: from, width: max(width, 1), all: make([]bucket, points)}
	}
	for i := range sources {
		var out sink
		if grid != nil {
			grid.device, grid.runs = sources[i].key.Device, &seen
			out = grid
		} else {
			var n counter
			if err := s.read(ctx, &sources[i], from, to, &n, work); err != nil {
				return line, err
			}
			line.Points = slices.Grow(line.Points, int(n))
			out = &rawSink{device: sources[i].key.Device, points: &line.Points, runs: &seen}
		}
		if err := s.read(ctx, &sources[i], from, to, out, work); err != nil {
			return line, err
		}
	}
	if grid != nil {
		line.Points = grid.points()
	} else if len(sources) > 1 {
		slices.SortStableFunc(line.Points, func(a, b Point) int { return cmp.Compare(a.Time, b.Time) })
	}
	line.Gaps = seen.gaps(from, min(to, s.cfg.Now().UnixNano()))
	return line, nil
}

func gapLimit(m vigil.Metric) int64 {
	age := time.Minute
	if c, ok := coding.Lookup(m); ok {
		age = c.MaxAge
	}
	return int64(age) * 3 / 2
}

// counter counts samples, so that their room is made once.
type counter int

func (n *counter) whole(h *summary) bool { *n += counter(h.count); return true }
func (n *counter) samples(c *columns)    { *n += counter(len(c.t)) }

// rawSink makes a point of every sample.
type rawSink struct {
	device vigil.DeviceID
	points *[]Point
	runs   *runs
}

func (r *rawSink) whole(*summary) bool { return false }

func (r *rawSink) samples(c *columns) {
	p := slices.Grow(*r.points, len(c.t))
	for i, t := range c.t {
		p = append(p, Point{Time: t, Mean: c.v[i], Min: c.v[i], Max: c.v[i], Count: 1, Device: r.device, Quality: c.q[i]})
	}
	*r.points = p
	r.runs.samples(c)
}

// buckets gathers samples and whole chunks by time.
type buckets struct {
	from, width int64
	all         []bucket
	device      vigil.DeviceID
	runs        *runs
}

type bucket struct {
	count       int
	first, last int64
	sum         float64
	min, max    float64
	device      vigil.DeviceID
	mixed       bool // several devices
	quality     vigil.Quality
}

func (g *buckets) at(t int64) *bucket {
	b := &g.all[(t-g.from)/g.width]
	if b.count == 0 {
		*b = bucket{first: t, last: t, min: math.Inf(1), max: math.Inf(-1), device: g.device}
	}
	b.mixed = b.mixed || b.device != g.device
	return b
}

func (g *buckets) whole(h *summary) bool {
	if (h.first-g.from)/g.width != (h.last-g.from)/g.width || h.gap > g.runs.limit {
		return false
	}
	b := g.at(h.first)
	b.first, b.last = min(b.first, h.first), max(b.last, h.last)
	b.count += h.count
	b.sum += h.sum
	b.min, b.max = min(b.min, h.min), max(b.max, h.max)
	b.quality |= h.quality
	g.runs.add(h.first, h.last)
	return true
}

func (g *buckets) samples(c *columns) {
	for i := 0; i < len(c.t); {
		b := g.at(c.t[i])
		end := g.from + ((c.t[i]-g.from)/g.width+1)*g.width
		b.first = min(b.first, c.t[i])
		lo, hi, sum, quality, from := b.min, b.max, b.sum, b.quality, i
		for ; i < len(c.t) && c.t[i] < end; i++ {
			v := c.v[i]
			sum += v
			if v < lo {
				lo = v
			}
			if v > hi {
				hi = v
			}
			quality |= c.q[i]
		}
		b.min, b.max, b.sum, b.quality = lo, hi, sum, quality
		b.last = max(b.last, c.t[i-1])
		b.count += i - from
	}
	g.runs.samples(c)
}

func (g *buckets) points() []Point {
	out := make([]Point, 0, len(g.all))
	for i := range g.all {
		b := &g.all[i]
		if b.count == 0 {
			continue
		}
		p := Point{Time: b.first + (b.last-b.first)/2, Mean: b.sum / float64(b.count), Min: b.min, Max: b.max, Count: b.count, Device: b.device, Quality: b.quality}
		if b.mixed {
			p.Device = ""
		}
		out = append(out, p)
	}
	return out
}

// runs are the times over which samples follow each other closely enough.
type runs struct {
	limit int64
	spans []Span // [first, last] sample
}

func (r *runs) add(first, last int64) {
	if n := len(r.spans); n > 0 && first >= r.spans[n-1].From && first-r.spans[n-1].To <= r.limit {
		r.spans[n-1].To = max(r.spans[n-1].To, last)
		return
	}
	r.spans = append(r.spans, Span{first, last})
}

func (r *runs) samples(c *columns) {
	t, from := c.t, 0
	if c.gap <= r.limit {
		r.add(t[0], t[len(t)-1])
		return
	}
	for i := 1; i < len(t); i++ {
		if t[i]-t[i-1] > r.limit {
			r.add(t[from], t[i-1])
			from = i
		}
	}
	r.add(t[from], t[len(t)-1])
}

// gaps returns what the runs leave uncovered in [from, to] for longer than the limit.
func (r *runs) gaps(from, to int64) []Span {
	slices.SortFunc(r.spans, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var out []Span
	covered := from
	for _, s := range r.spans {
		if s.From-covered > r.limit {
			out = append(out, Span{covered, s.From})
		}
		covered = max(covered, s.To)
	}
	if to-covered > r.limit {
		out = append(out, Span{covered, to})
	}
	return out
}
