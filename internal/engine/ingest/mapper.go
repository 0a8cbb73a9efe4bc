package ingest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
)

// Mapper turns the JSON messages of one device model into coded reports. It is immutable and safe for concurrent use.
type Mapper struct {
	profile *catalog.Profile
	root    *node
	fields  []fieldPlan
	waves   []wavePlan
	timeIn  string
	hasTime bool
}

// node is one step of the paths that a profile names.
type node struct {
	children map[string]*node
	use      []use
	ignore   bool
	coded    *catalog.Coded
}

// use is what a value at a node serves as; one value may serve twice.
type use struct {
	kind  useKind
	index int
	name  string
}

type useKind uint8

const (
	useField useKind = iota
	useWave
	useTime
	useEvent
	useEventData
	useDoubt
)

type fieldPlan struct {
	metric    vigil.Metric
	a, b      float64
	round     float64
	low, high float64
	words     map[string]float64
	missing   []float64
	from      string
}

type wavePlan struct {
	metric        vigil.Metric
	period        int64
	scale, offset float64
	from          string
}

// Compile prepares a profile. The profile must have passed catalog.ParseProfile.
func Compile(p *catalog.Profile) (*Mapper, error) {
	m := &Mapper{profile: p, root: &node{}, timeIn: p.Time.Unit, hasTime: p.Time.Field != ""}
	base := m.root
	if p.Coded != nil {
		base = m.root.at(p.Coded.At)
		base.coded = p.Coded
	}
	for i, f := range p.Fields {
		metric, _ := coding.Lookup(f.Metric)
		a, b, err := coding.Conversion(f.Unit, metric.UCUM)
		if err != nil {
			return nil, err
		}
		plan := fieldPlan{metric: f.Metric, a: a, b: b, low: metric.Low, high: metric.High, words: f.Words, missing: f.Missing, from: f.From}
		if a != 1 || b != 0 {
			plan.round = math.Pow10(max(metric.Decimals, 1) + 1)
		}
		m.fields = append(m.fields, plan)
		target := base
		if p.Coded != nil && !strings.Contains(f.From, ".") {
			target = base.child(f.From)
		} else {
			target = m.root.at(f.From)
		}
		target.use = append(target.use, use{kind: useField, index: i})
	}
	for i, w := range p.Waveforms {
		m.waves = append(m.waves, wavePlan{metric: w.Metric, period: int64(float64(time.Second)/w.Rate + 0.5), scale: w.Scale, offset: w.Offset, from: w.From})
		n := m.root.at(w.From)
		n.use = append(n.use, use{kind: useWave, index: i})
	}
	m.addRest(p)
	return m, nil
}

func (m *Mapper) addRest(p *catalog.Profile) {
	if m.hasTime {
		n := m.root.at(p.Time.Field)
		n.use = append(n.use, use{kind: useTime})
	}
	for i, e := range p.Events {
		n := m.root.at(e.From)
		n.use = append(n.use, use{kind: useEvent, index: i})
		for _, d := range e.Data {
			n := m.root.at(d)
			n.use = append(n.use, use{kind: useEventData, index: i, name: d})
		}
	}
	for i, d := range p.Questionable {
		n := m.root.at(d.From)
		n.use = append(n.use, use{kind: useDoubt, index: i})
	}
	for _, path := range p.Ignore {
		m.root.at(path).ignore = true
	}
}

func (n *node) child(key string) *node {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	c := n.children[key]
	if c == nil {
		c = &node{}
		n.children[key] = c
	}
	return c
}

func (n *node) at(path string) *node {
	for key := range strings.SplitSeq(path, ".") {
		n = n.child(key)
	}
	return n
}

// Problem is a part of a message that could not be used, with its reason and place.
type Problem struct {
	Reason Reason
	Path   string
	Detail string
}

// Mapped is one report made from one JSON object, not yet bound to a subject.
type Mapped struct {
	Report     vigil.Report // Subject empty; Received set
	HasTime    bool         // the device sent its own clock
	DeviceTime int64        // as the device said it, Unix nanoseconds
	Problems   []Problem
}

// Map decodes a payload: one JSON object, or a list of them for a batch. Values come in canonical units. The error is
// Invalid and says where the payload stops making sense; parts that are merely unusable are listed as problems.
func (m *Mapper) Map(payload []byte, received time.Time) ([]Mapped, error) {
	s := &scanner{buf: payload}
	var out []Mapped
	var room []vigil.Sample // of the objects to come: a batch is made of equals
	one := func() error {
		from := s.pos
		mp, err := m.object(s, received, room)
		if err != nil {
			return err
		}
		if samples := mp.Report.Samples; len(out) == 0 && s.pos < len(payload)-1 {
			more := min((len(payload)-s.pos)/(s.pos-from), maxTogether)
			out = make([]Mapped, 0, more+1)
			room = make([]vigil.Sample, more*len(samples))
		} else if len(room) >= len(samples) {
			room = room[len(samples):]
			mp.Report.Samples = slices.Clip(samples)
		}
		out = append(out, mp)
		return nil
	}
	var err error
	switch s.peek() {
	case '{':
		err = one()
	case '[':
		err = s.array(one)
	default:
		err = s.fail("expected a JSON object, or a list of them")
	}
	if err == nil && s.peek() != 0 {
		err = s.fail("more text after the end of the message")
	}
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "ingest.map", "malformed JSON: %w", err)
	}
	return out, nil
}

const maxTogether = 4096 // objects of a batch that room is made for at once

// draft collects what one object says until all of it has passed.
type draft struct {
	Mapped
	m      *Mapper
	s      *scanner
	events []eventDraft
	doubt  bool
}

type eventDraft struct {
	kind vigil.EventKind
	data map[string]string
}

// object reads one object; its samples go into room when that is enough.
func (m *Mapper) object(s *scanner, received time.Time, room []vigil.Sample) (Mapped, error) {
	d := &draft{m: m, s: s}
	d.Report.Received = received.UnixNano()
	if len(room) > 0 {
		d.Report.Samples = room[:0:len(room)]
	} else {
		d.Report.Samples = make([]vigil.Sample, 0, len(m.fields))
	}
	if len(m.profile.Events) > 0 {
		d.events = make([]eventDraft, len(m.profile.Events))
	}
	if err := d.walk(m.root, ""); err != nil {
		return Mapped{}, err
	}
	d.finish(received)
	return d.Mapped, nil
}

func (d *draft) walk(n *node, path string) error {
	return d.s.object(func(key []byte) error {
		c := n.children[string(key)]
		if c == nil {
			d.problem(UnmappedField, path+string(key), "the profile does not name this field")
			return d.s.skip()
		}
		return d.value(c, path, key)
	})
}

func (d *draft) value(n *node, path string, key []byte) error {
	switch d.s.peek() {
	case '{':
		if n.children == nil {
			d.unexpected(n, path+string(key), "an object")
			return d.s.skip()
		}
		return d.walk(n, path+string(key)+".")
	case '[':
		if n.coded != nil {
			return d.codedList(n, path+string(key))
		}
		for _, u := range n.use {
			if u.kind == useWave {
				return d.wave(u.index)
			}
		}
		d.unexpected(n, path+string(key), "a list")
		return d.s.skip()
	case '"':
		text, err := d.s.str()
		if err != nil {
			return err
		}
		d.scalar(n, path, key, text, true)
		return nil
	}
	lit, err := d.s.literal()
	if err != nil {
		return err
	}
	return d.literal(n, path, key, lit)
}

func (d *draft) unexpected(n *node, path, what string) {
	if !n.ignore {
		d.problem(BadValue, path, what+" where the profile expects a value")
	}
}

func (d *draft) literal(n *node, path string, key, lit []byte) error {
	switch string(lit) {
	case "null":
		return nil
	case "true", "false":
		d.scalar(n, path, key, lit, true)
		return nil
	}
	if _, ok := number(lit); !ok {
		return d.s.fail("expected a value")
	}
	d.scalar(n, path, key, lit, false)
	return nil
}

// codedList reads [{code, value}, …]; the members may come in either order.
func (d *draft) codedList(n *node, path string) error {
	return d.s.array(func() error {
		var code, val []byte
		var text bool
		err := d.s.object(func(key []byte) error {
			switch string(key) {
			case n.coded.Code:
				var err error
				code, err = d.s.str()
				return err
			case n.coded.Value:
				var err error
				if text = d.s.peek() == '"'; text {
					val, err = d.s.str()
				} else {
					val, err = d.s.literal()
				}
				return err
			}
			return d.s.skip()
		})
		if err != nil || code == nil || val == nil {
			return err
		}
		c := n.children[string(code)]
		if c == nil {
			d.problem(UnmappedField, path+"."+string(code), "the profile does not name this code")
			return nil
		}
		if text {
			d.scalar(c, path, code, val, true)
			return nil
		}
		return d.literal(c, path, code, val)
	})
}

func (d *draft) scalar(n *node, path string, key, raw []byte, text bool) {
	for _, u := range n.use {
		switch u.kind {
		case useField:
			d.field(u.index, raw, text)
		case useTime:
			d.clock(raw, text)
		case useEvent:
			if kind, ok := d.m.profile.Events[u.index].Map[string(raw)]; ok {
				d.events[u.index].kind = kind
			} else {
				d.problem(BadValue, path+string(key), fmt.Sprintf("%q is no event that the profile knows", raw))
			}
		case useEventData:
			e := &d.events[u.index]
			if e.data == nil {
				e.data = map[string]string{}
			}
			e.data[u.name] = string(raw)
		case useDoubt:
			q := d.m.profile.Questionable[u.index]
			if v, ok := number(raw); ok && (q.Under != nil && v < *q.Under || q.Over != nil && v > *q.Over) {
				d.doubt = true
			}
		case useWave:
			d.problem(BadValue, path+string(key), "one value where the profile expects a list")
		}
	}
	if len(n.use) == 0 && !n.ignore {
		d.problem(BadValue, path+string(key), "a value where the profile expects an object")
	}
}

func (d *draft) field(i int, raw []byte, text bool) {
	f := &d.m.fields[i]
	v, ok := number(raw)
	if text && f.words != nil {
		if w, known := f.words[string(raw)]; known {
			v, ok = w, true
		}
	}
	switch {
	case !ok:
		d.problem(BadValue, f.from, fmt.Sprintf("%q is not a number", clip(raw)))
		return
	case slices.Contains(f.missing, v):
		return
	}
	if f.round != 0 {
		v = math.Round((v*f.a+f.b)*f.round) / f.round
	}
	if v < f.low || v > f.high {
		d.problem(Implausible, f.from, fmt.Sprintf("%s %g lies outside %g to %g", f.metric, v, f.low, f.high))
		return
	}
	d.Report.Samples = append(d.Report.Samples, vigil.Sample{Metric: f.metric, Value: v})
}

func (d *draft) wave(i int) error {
	w := &d.m.waves[i]
	data := make([]int16, 0, 128)
	clipped := 0
	err := d.s.array(func() error {
		lit, err := d.s.literal()
		if err != nil {
			return err
		}
		v, ok := number(lit)
		switch {
		case !ok && string(lit) == "null":
			data = append(data, vigil.WaveformMissing)
			return nil
		case !ok:
			return d.s.fail("expected an integer")
		case v != math.Trunc(v) || v <= math.MinInt16 || v > math.MaxInt16:
			clipped++
			data = append(data, vigil.WaveformMissing)
		default:
			data = append(data, int16(v))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if clipped > 0 {
		d.problem(Implausible, w.from, fmt.Sprintf("%d of %d samples are no 16-bit integers and were left out", clipped, len(data)))
	}
	if len(data) > 0 {
		d.Report.Waveforms = append(d.Report.Waveforms, vigil.Waveform{Metric: w.metric, Period: w.period, Scale: w.scale, Offset: w.offset, Data: data})
	}
	return nil
}

func (d *draft) clock(raw []byte, text bool) {
	if d.m.timeIn == "rfc3339" {
		if t, err := time.Parse(time.RFC3339Nano, string(raw)); err == nil && text {
			d.DeviceTime, d.HasTime = t.UnixNano(), true
			return
		}
	} else if v, ok := number(raw); ok && v >= 0 && v < 9e18/unitNanos(d.m.timeIn) {
		whole := math.Trunc(v)
		ns := unitNanos(d.m.timeIn)
		d.DeviceTime, d.HasTime = int64(whole)*int64(ns)+int64((v-whole)*ns), true
		return
	}
	d.problem(BadValue, d.m.profile.Time.Field, fmt.Sprintf("%q is no time in %s", clip(raw), d.m.timeIn))
}

func unitNanos(unit string) float64 {
	switch unit {
	case "s":
		return 1e9
	case "us":
		return 1e3
	case "ns":
		return 1
	}
	return 1e6
}

// finish stamps both clocks. A device clock far from the server's is replaced by the receipt time and flagged;
// a device that was cut off sends old times on purpose, so the past is trusted back to the limit of store-and-forward.
func (d *draft) finish(received time.Time) {
	now := received.UnixNano()
	var q vigil.Quality
	at := d.DeviceTime
	switch {
	case !d.HasTime:
		at = now
	case at > now+int64(maxAhead) || at < now-int64(maxBehind):
		at, q = now, vigil.QualityClockSkew
	case at < now-int64(lateAfter):
		q = vigil.QualityLate
	}
	if d.doubt {
		q |= vigil.QualityQuestionable
	}
	for i := range d.Report.Samples {
		d.Report.Samples[i].Time, d.Report.Samples[i].Quality = at, q
	}
	for i := range d.Report.Waveforms {
		d.Report.Waveforms[i].Start = at
	}
	for i, e := range d.events {
		if e.kind == "" {
			continue
		}
		ev := vigil.Event{Kind: e.kind, Time: at}
		for _, name := range d.m.profile.Events[i].Data {
			if v, ok := e.data[name]; ok {
				if ev.Data == nil {
					ev.Data = map[string]string{}
				}
				ev.Data[name] = v
			}
		}
		d.Report.Events = append(d.Report.Events, ev)
	}
}

const (
	maxAhead  = 2 * time.Minute      // a clock further ahead is wrong
	maxBehind = 400 * 24 * time.Hour // longer store-and-forward than any device has
	lateAfter = 60 * time.Second     // older than this on arrival is late data
)

func (d *draft) problem(r Reason, path, detail string) {
	if len(d.Problems) < 32 {
		d.Problems = append(d.Problems, Problem{Reason: r, Path: path, Detail: detail})
	}
}

func clip(b []byte) string {
	if len(b) > 40 {
		return string(b[:40]) + "…"
	}
	return string(b)
}
