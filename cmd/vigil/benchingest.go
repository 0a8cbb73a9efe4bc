package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

type benchIngestCmd struct {
	benchFlags  `embed:""`
	targetFlags `embed:""`
	Connections int     `help:"Gateway connections." default:"20"`
	Devices     int     `help:"Devices that the gateways speak for, each on a patient of its own." default:"2000"`
	Values      int     `help:"Values in a message, at most 8." default:"5"`
	Batch       int     `help:"Objects in a message, as a device sends that was cut off; 1 is a plain message." default:"1"`
	Seconds     int     `help:"Length of each measurement, after three seconds of warming up." default:"20"`
	Window      int     `help:"Publishes of one connection that may wait for their PUBACK." default:"64"`
	Rate        float64 `help:"Values per second of the second measurement; 0 leaves it out." default:"100000"`
}

const warmUp = 3 * time.Second

// ingestFigures is what vigil bench ingest reports.
type ingestFigures struct {
	Connections int         `json:"connections"`
	Devices     int         `json:"devices"`
	Values      int         `json:"values_per_object"`
	Batch       int         `json:"objects_per_message"`
	Bytes       int         `json:"bytes_per_message"`
	Window      int         `json:"window"`
	Full        loadFigures `json:"full_speed"`
	Paced       loadFigures `json:"paced,omitzero"`
	Checked     int         `json:"values_checked"`
	Missing     int         `json:"values_missing"`
}

// Run implements the command.
func (c *benchIngestCmd) Run(ctx context.Context) error {
	if c.Connections < 1 || c.Devices < c.Connections || c.Values < 1 || c.Values > sim.MaxLoadValues || c.Seconds < 1 || c.Batch < 1 || c.Batch > 2000 {
		return vigil.Errorf(vigil.Invalid, "bench.ingest", "needs at least one connection, a device for each, 1 to %d values, 1 to 2000 objects and a second", sim.MaxLoadValues)
	}
	line := newProgress()
	line.say("admitting %d patients with their devices", c.Devices)
	size := sim.LoadSize{Gateways: c.Connections + 1, Patches: c.Devices + 1}
	var h *benchHouse
	var err error
	if c.Target != "" {
		h, err = c.open(ctx, size)
	} else {
		h, err = openBenchHouse(ctx, c.benchFlags, size)
	}
	if err != nil {
		return err
	}
	out, err := c.measure(ctx, h, line)
	line.end()
	if err = errors.Join(err, h.close()); err != nil {
		return err
	}
	return c.show(out, func() { c.print(out) })
}

func (c *benchIngestCmd) measure(ctx context.Context, h *benchHouse, line progress) (*ingestFigures, error) {
	l, err := openLoad(ctx, h, loadSpec{connections: c.Connections, devices: c.Devices, values: c.Values, batch: c.Batch, window: c.Window})
	if err != nil {
		return nil, err
	}
	defer l.close()
	out := &ingestFigures{Connections: c.Connections, Devices: c.Devices, Values: c.Values, Batch: c.Batch, Window: c.Window, Bytes: l.messageBytes()}
	span := time.Duration(c.Seconds) * time.Second
	probe := func(ctx context.Context) (spread, error) { return probeQueryable(ctx, h, c.Connections, c.Devices) }
	if out.Full, err = l.run(ctx, loadRun{name: "full speed", span: span, probe: probe}, line); err != nil {
		return nil, err
	}
	if c.Rate > 0 {
		if out.Paced, err = l.run(ctx, loadRun{name: "paced", rate: c.Rate, span: span, probe: probe}, line); err != nil {
			return nil, err
		}
	}
	line.say("looking up what was acknowledged")
	out.Checked, out.Missing, err = l.check(ctx)
	return out, err
}

func (c *benchIngestCmd) print(f *ingestFigures) {
	fmt.Printf("%d connections, %d devices, %d values a message of %d bytes, window %d, default rules on\n", f.Connections, f.Devices, f.Values*f.Batch, f.Bytes, f.Window)
	f.Full.print("full speed")
	if f.Paced.Seconds > 0 {
		f.Paced.print(fmt.Sprintf("paced at %.0f values/s", c.Rate))
	}
	fmt.Printf("looked up afterwards: %d acknowledged values, %d missing\n", f.Checked, f.Missing)
}

// loadFigures are the figures of one measurement.
type loadFigures struct {
	Seconds   float64 `json:"seconds"`
	Messages  uint64  `json:"messages_acknowledged"`
	ValuesPS  float64 `json:"values_per_second"`
	Ack       spread  `json:"publish_to_puback"`
	Queryable spread  `json:"publish_to_queryable"`
	CPU       float64 `json:"server_cpu_us_per_message"`
	Cores     float64 `json:"server_cores"`
	RSS       float64 `json:"server_rss_mb"`
	LogMBPS   float64 `json:"log_mb_per_second"`
}

func (f *loadFigures) print(title string) {
	fmt.Printf("\n%s, %.0f s\n", title, f.Seconds)
	fmt.Printf("  values/s on disk before PUBACK  %.0f\n", f.ValuesPS)
	fmt.Printf("  publish to PUBACK               %s\n", f.Ack)
	if f.Queryable.N > 0 {
		fmt.Printf("  publish to queryable            %s\n", f.Queryable)
	}
	fmt.Printf("  server                          %.1f us CPU a message, %.2f cores, %.0f MB resident, %.1f MB/s to the log\n", f.CPU, f.Cores, f.RSS, f.LogMBPS)
}

// loadSpec is the shape of a load: devices from first on.
// values a message are values times batch.
type loadSpec struct{ connections, first, devices, values, batch, window int }

func (s loadSpec) valuesPerMessage() int { return s.values * max(s.batch, 1) }

// load is the open connections with what each has sent.
type load struct {
	spec    loadSpec
	house   *benchHouse
	senders []*loadSender
	began   time.Time
}

// loadSender is one gateway with its share of the devices. Its latencies belong to the connection's reader.
type loadSender struct {
	conn    *sim.LoadConn
	vitals  *sim.LoadVitals
	waves   *sim.LoadWaves // instead of vitals when set
	body    []byte
	topics  []string
	last    []int64  // newest time of each device, Unix ms
	count   []uint64 // messages of each device
	turn    int
	acked   atomic.Uint64
	measure atomic.Bool
	mu      sync.Mutex
	took    latencies
}

func openLoad(ctx context.Context, h *benchHouse, spec loadSpec) (*load, error) {
	l := &load{spec: spec, house: h, began: time.Now()}
	for i := range spec.connections {
		s := &loadSender{vitals: sim.NewLoadVitals(uint64(i + 1))}
		for d := i; d < spec.devices; d += spec.connections {
			s.topics = append(s.topics, "vigil/"+h.ward.Devices[spec.first+d]+"/data")
		}
		s.last, s.count = make([]int64, len(s.topics)), make([]uint64, len(s.topics))
		conn, err := sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: h.ward.Gateways[i], Token: h.ward.Tokens[i], Window: spec.window, Acked: s.heard})
		if err != nil {
			l.close()
			return nil, err
		}
		s.conn = conn
		l.senders = append(l.senders, s)
	}
	return l, nil
}

func (l *load) close() {
	for _, s := range l.senders {
		s.conn.Close() //nolint:errcheck // nothing waits any more
	}
}

// heard counts one acknowledgement.
func (s *loadSender) heard(_ uint64, due time.Time) {
	s.acked.Add(1)
	if s.measure.Load() {
		s.mu.Lock()
		s.took.add(time.Since(due))
		s.mu.Unlock()
	}
}

// burst publishes n messages, one a device in turn.
func (s *loadSender) burst(n int, spec loadSpec, due time.Time) error {
	now := time.Now().UnixMilli()
	for range n {
		d := s.turn
		s.turn = (s.turn + 1) % len(s.topics)
		s.count[d]++
		switch {
		case s.waves != nil:
			if s.last[d] += 1000; s.count[d] == 1 {
				s.last[d] = now - 1000
			}
			s.body = s.waves.Append(s.body[:0], s.last[d])
		case spec.batch > 1:
			first := max(now-int64(spec.batch)+1, s.last[d]+1)
			s.last[d] = first + int64(spec.batch) - 1
			s.body = s.vitals.AppendBatch(s.body[:0], first, spec.values, spec.batch)
		default:
			s.last[d] = max(now, s.last[d]+1)
			s.body = s.vitals.Append(s.body[:0], s.last[d], spec.values)
		}
		s.conn.Publish(s.topics[d], s.body, 0, due)
	}
	return s.conn.Flush()
}

// messageBytes is the size of a message on the wire.
func (l *load) messageBytes() int {
	body := len(sim.NewLoadVitals(1).Append(nil, time.Now().UnixMilli(), l.spec.values))
	if n := l.spec.batch; n > 1 {
		body = (body+1)*n + 1
	}
	if l.senders[0].waves != nil {
		body = len(sim.NewLoadWaves(1).Append(nil, time.Now().UnixMilli()))
	}
	return 2 + 2 + len(l.senders[0].topics[0]) + 2 + body
}

// full publishes whatever the window takes.
func (s *loadSender) full(ctx context.Context, spec loadSpec) error {
	for ctx.Err() == nil {
		n, err := s.conn.Room(max(spec.window/4, 1))
		if err != nil {
			return err
		}
		if err := s.burst(n, spec, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

const paceStep = 5 * time.Millisecond

// paced publishes in bursts every few milliseconds, as gateways do. A burst that must wait for the window is measured
// from when it was due.
func (s *loadSender) paced(ctx context.Context, spec loadSpec, perSecond float64) error {
	began, sent := time.Now(), 0
	for step := 1; ctx.Err() == nil; step++ {
		due := began.Add(time.Duration(step) * paceStep)
		time.Sleep(time.Until(due))
		for want := int(float64(step) * paceStep.Seconds() * perSecond); sent < want && ctx.Err() == nil; {
			room, err := s.conn.Room(1)
			if err != nil {
				return err
			}
			n := min(room, want-sent)
			if err := s.burst(n, spec, due); err != nil {
				return err
			}
			sent += n
		}
	}
	return nil
}

// loadRun is one measurement: at a rate of values per second, or as fast as it goes.
type loadRun struct {
	name  string
	rate  float64
	span  time.Duration
	probe func(ctx context.Context) (spread, error)
}

// run warms up, measures, and waits until everything is acknowledged.
func (l *load) run(ctx context.Context, r loadRun, line progress) (f loadFigures, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := l.begin(ctx, r, cancel)
	l.wait(ctx, r.name+", warming up", warmUp, line)
	before, err := l.house.usage(ctx)
	if err != nil {
		return f, errors.Join(err, stop())
	}
	acked, began := l.acked(), time.Now()
	l.measure(true)
	found := make(chan error, 1)
	go func() {
		probing, done := context.WithTimeout(ctx, r.span)
		defer done()
		var err error
		if r.probe != nil {
			f.Queryable, err = r.probe(probing)
		}
		found <- err
	}()
	l.wait(ctx, r.name, r.span, line)
	l.measure(false)
	f.Seconds = time.Since(began).Seconds()
	f.Messages = l.acked() - acked
	after, err := l.house.usage(ctx)
	err = errors.Join(err, <-found, stop())
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	f.ValuesPS = math.Round(float64(f.Messages) * float64(l.spec.valuesPerMessage()) / f.Seconds)
	f.Cores = math.Round(100*(after.cpu-before.cpu).Seconds()/after.at.Sub(before.at).Seconds()) / 100
	f.CPU = math.Round(10*float64((after.cpu-before.cpu).Microseconds())/float64(max(f.Messages, 1))) / 10
	f.RSS, f.LogMBPS = math.Round(after.rss/1e6), math.Round((after.logBytes-before.logBytes)/1e5/after.at.Sub(before.at).Seconds())/10
	var all latencies
	for _, s := range l.senders {
		s.mu.Lock()
		all.merge(&s.took)
		s.took = latencies{}
		s.mu.Unlock()
	}
	f.Ack = all.spread()
	return f, err
}

// begin starts the senders; the returned function stops them and waits for the last acknowledgement.
func (l *load) begin(ctx context.Context, r loadRun, fail context.CancelCauseFunc) (stop func() error) {
	sending, halt := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, s := range l.senders {
		wg.Go(func() {
			var err error
			if r.rate > 0 {
				err = s.paced(sending, l.spec, r.rate/float64(l.spec.valuesPerMessage()*l.spec.connections))
			} else {
				err = s.full(sending, l.spec)
			}
			if err != nil {
				fail(err)
			}
		})
	}
	return func() error {
		halt()
		wg.Wait()
		end, done := context.WithTimeout(ctx, 30*time.Second)
		defer done()
		for _, s := range l.senders {
			if left, err := s.conn.Settle(end); err != nil || left > 0 {
				return vigil.Errorf(vigil.Internal, "bench.load", "%d publishes were not acknowledged: %w", left, errors.Join(err, end.Err()))
			}
		}
		return nil
	}
}

func (l *load) measure(on bool) {
	for _, s := range l.senders {
		s.measure.Store(on)
	}
}

func (l *load) acked() (n uint64) {
	for _, s := range l.senders {
		n += s.acked.Load()
	}
	return n
}

// wait passes the time and says once a second how it goes.
func (l *load) wait(ctx context.Context, name string, span time.Duration, line progress) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	end := time.NewTimer(span)
	defer end.Stop()
	last, left := l.acked(), int(span.Seconds())
	for {
		select {
		case <-tick.C:
			now := l.acked()
			left--
			line.say("%s: %7.0f values/s acknowledged, %d s to go", name, float64(now-last)*float64(l.spec.valuesPerMessage()), left)
			last = now
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
