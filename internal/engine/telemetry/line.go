package telemetry

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Query returns a line for each metric, ordered by metric number: every metric asked for, or all that have points.
// With Points, samples fall into even buckets over [From, To) that keep min, max, mean and count, so that no peak
// disappears; empty buckets are left out. Buckets of two minutes and more begin at whole minutes, of half an hour and
// more at whole quarters, of half a day and more at 0, 6, 12 and 18 o'clock UTC, and are drawn from kept summaries, so
// there may be fewer than Points. Gaps run between neighbouring samples, from From to the first sample and from the last
// to To or now, whichever is earlier, when longer than one and a half times the metric's MaxAge and, in wide buckets,
// than the summaries' one minute, quarter or six hours.
// It returns Denied for a subject that ctx may not see and Invalid for a range that is none.
func (s *Store) Query(ctx context.Context, q Query) ([]Line, error) {
	if err := access.CheckSubject(ctx, q.Subject); err != nil {
		return nil, err
	}
	from, to := nanos(q.From), nanos(q.To)
	if !q.From.Before(q.To) || to <= from || q.Points < 0 {
		return nil, vigil.Errorf(vigil.Invalid, "telemetry.query", "the range [%s, %s) is empty or Points is negative", q.From, q.To)
	}
	lines, err := s.lines(ctx, s.sources(&q, from, to), grid{from, to, q.Points})
	if err != nil {
		return nil, err
	}
	if len(q.Metrics) == 0 {
		lines = slices.DeleteFunc(lines, func(l Line) bool { return len(l.Points) == 0 })
	}
	return s.addMissing(lines, q.Metrics, from, to), nil
}

// QueryMany answers the query for each of the subjects, in their order; the query's own subject is not used. The checks
// are those of Query: one subject that ctx may not see denies all.
func (s *Store) QueryMany(ctx context.Context, subjects []vigil.Subject, q Query) ([][]Line, error) {
	for _, name := range subjects {
		if err := access.CheckSubject(ctx, name); err != nil {
			return nil, err
		}
	}
	out := make([][]Line, len(subjects))
	err := together(len(subjects), func(i int) error {
		one := q
		one.Subject = subjects[i]
		lines, err := s.Query(ctx, one)
		out[i] = lines
		return err
	})
	return out, err
}

// grid is the range of a query and into how many buckets it falls.
type grid struct {
	from, to int64
	points   int
}

// lines reads the sources, which are sorted by metric, a line a metric.
func (s *Store) lines(ctx context.Context, sources []source, g grid) ([]Line, error) {
	var metrics [][]source
	for len(sources) > 0 {
		n := 1
		for n < len(sources) && sources[n].key.Metric == sources[0].key.Metric {
			n++
		}
		metrics = append(metrics, sources[:n])
		sources = sources[n:]
	}
	out := make([]Line, len(metrics))
	err := together(len(metrics), func(i int) (err error) {
		work := s.scratches.Get().(*scratch)
		defer s.scratches.Put(work)
		out[i], err = s.line(ctx, metrics[i], g, work)
		return err
	})
	return out, err
}

// together calls fn for 0 to n-1 on the processors there are and returns the first error.
func together(n int, fn func(i int) error) error {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			if err := fn(i); err != nil {
				return err
			}
		}
		return nil
	}
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				if err := fn(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
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
func (s *Store) line(ctx context.Context, sources []source, g grid, work *scratch) (Line, error) {
	from, to, points := g.from, g.to, g.points
	metric := sources[0].key.Metric
	seen := runs{limit: gapLimit(metric)}
	line := Line{Metric: metric}
	var in *buckets
	if points > 0 {
		in = newBuckets(from, to, points)
		if in.level != rawLevel {
			seen.limit = max(seen.limit, levels[in.level].width)
		}
	}
	for i := range sources {
		if in != nil {
			in.device, in.runs = sources[i].key.Device, &seen
			r := levelReader{store: s, src: &sources[i], out: in, work: work}
			if err := r.read(ctx, in.level, from, to); err != nil {
				return line, err
			}
			continue
		}
		var n counter
		if err := s.read(ctx, &sources[i], from, to, &n, work); err != nil {
			return line, err
		}
		line.Points = slices.Grow(line.Points, int(n))
		out := &rawSink{device: sources[i].key.Device, points: &line.Points, runs: &seen}
		if err := s.read(ctx, &sources[i], from, to, out, work); err != nil {
			return line, err
		}
	}
	if in != nil {
		line.Points = in.points()
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
	n := len(*r.points)
	all := slices.Grow(*r.points, len(c.t))[:n+len(c.t)]
	*r.points = all
	for i, t := range c.t {
		p := &all[n+i] // filled in place: a point is large
		p.Time, p.Mean, p.Min, p.Max, p.Count, p.Device, p.Quality = t, c.v[i], c.v[i], c.v[i], 1, r.device, c.q[i]
	}
	r.runs.samples(c)
}

// buckets gathers samples and whole chunks by time.
type buckets struct {
	from, width int64
	level       int // whose entries fill the buckets
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

// newBuckets divides [from, to) into at most so many buckets. Wide ones lie on the grid of a level's entries.
func newBuckets(from, to int64, points int) *buckets {
	n := int64(points)
	width := max((to-from+n-1)/n, 1)
	k := coarsest(width)
	if k != rawLevel {
		from = floorTo(from, levels[k].width)
		width = ceilTo((to-from+n-1)/n, levels[k].width)
	}
	return &buckets{from: from, width: width, level: k, all: make([]bucket, (to-from+width-1)/width)}
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
