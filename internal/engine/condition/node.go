package condition

import (
	"math"
	"slices"
	"time"
)

// numNode is a number; NaN means that it is not known.
type numNode interface{ num(c *Context) float64 }

// truthNode is an answer.
type truthNode interface{ truth(c *Context) Truth }

// textNode is a text; false means that it is not known.
type textNode interface {
	text(c *Context) (string, bool)
}

type number float64

func (n number) num(*Context) float64 { return float64(n) }

type word string

func (w word) text(*Context) (string, bool) { return string(w), true }

type answer Truth

func (a answer) truth(*Context) Truth { return Truth(a) }

// Logic after Kleene: one side alone decides when it can.

type and struct{ a, b truthNode }

func (n and) truth(c *Context) Truth {
	a := n.a.truth(c)
	if a == No {
		return No
	}
	if b := n.b.truth(c); b == No || a == Yes {
		return b
	}
	return Undecided
}

type or struct{ a, b truthNode }

func (n or) truth(c *Context) Truth {
	a := n.a.truth(c)
	if a == Yes {
		return Yes
	}
	if b := n.b.truth(c); b == Yes || a == No {
		return b
	}
	return Undecided
}

type not struct{ a truthNode }

func (n not) truth(c *Context) Truth {
	switch n.a.truth(c) {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Undecided
}

type chooseTruth struct{ when, a, b truthNode }

func (n chooseTruth) truth(c *Context) Truth {
	switch n.when.truth(c) {
	case Yes:
		return n.a.truth(c)
	case No:
		return n.b.truth(c)
	}
	return Undecided
}

type chooseNum struct {
	when truthNode
	a, b numNode
}

func (n chooseNum) num(c *Context) float64 {
	switch n.when.truth(c) {
	case Yes:
		return n.a.num(c)
	case No:
		return n.b.num(c)
	}
	return math.NaN()
}

// op is a comparison.
type op uint8

const (
	less op = iota
	atMost
	greater
	atLeast
	equal
	unequal
)

func truthOf(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

func (o op) holds(a, b float64) bool {
	switch o {
	case less:
		return a < b
	case atMost:
		return a <= b
	case greater:
		return a > b
	case atLeast:
		return a >= b
	case equal:
		return a == b
	}
	return a != b
}

type compare struct {
	op   op
	a, b numNode
}

func (n compare) truth(c *Context) Truth {
	a, b := n.a.num(c), n.b.num(c)
	if a != a || b != b {
		return Undecided
	}
	return truthOf(n.op.holds(a, b))
}

// compareScore decides as soon as the parts that are known do: points are never taken away.
type compareScore struct {
	op    op // greater or atLeast
	score int
	b     numNode
}

func (n compareScore) truth(c *Context) Truth {
	s, b := c.Score(n.score), n.b.num(c)
	switch {
	case !s.Live || b != b:
		return Undecided
	case n.op.holds(float64(s.Known), b):
		return Yes
	case s.Missing > 0:
		return Undecided
	}
	return No
}

type compareText struct {
	a, b textNode
	same bool
}

func (n compareText) truth(c *Context) Truth {
	a, okA := n.a.text(c)
	b, okB := n.b.text(c)
	if !okA || !okB {
		return Undecided
	}
	return truthOf((a == b) == n.same)
}

type among struct {
	a    textNode
	list []string
}

func (n among) truth(c *Context) Truth {
	a, ok := n.a.text(c)
	if !ok {
		return Undecided
	}
	return truthOf(slices.Contains(n.list, a))
}

type arithmetic struct {
	op   byte
	a, b numNode
}

func (n arithmetic) num(c *Context) float64 {
	a, b := n.a.num(c), n.b.num(c)
	switch n.op {
	case '+':
		return a + b
	case '-':
		return a - b
	case '*':
		return a * b
	}
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

type magnitude struct{ a numNode }

func (n magnitude) num(c *Context) float64 { return math.Abs(n.a.num(c)) }

// Values and windows.

type last struct {
	slot  int
	stale int64
}

func (n last) num(c *Context) float64 {
	if p := &c.State.last[n.slot]; p.t != 0 && c.Now-p.t <= n.stale {
		return p.v
	}
	return math.NaN()
}

type age struct{ slot int }

func (n age) num(c *Context) float64 {
	p := &c.State.last[n.slot]
	if p.t == 0 {
		return math.NaN()
	}
	return float64(max(0, c.Now-p.t)) / float64(second)
}

// missing is undecided until the subject has been known for as long as the window.
type missing struct {
	slot   int
	window int64
}

func (n missing) truth(c *Context) Truth {
	p := &c.State.last[n.slot]
	switch {
	case p.t != 0:
		return truthOf(c.Now-p.t > n.window)
	case c.State.Since != 0 && c.Now-c.State.Since >= n.window:
		return Yes
	}
	return Undecided
}

// windowed is a function over a window.
type windowed struct {
	fn     string
	view   int
	window int64
	stale  int64
	least  int // values it needs
}

func (n windowed) num(c *Context) float64 {
	w, r, count := c.State.look(n.view, c.Now)
	if count < n.least || !c.State.covered(w, r, c.Now, n.window, n.stale) {
		return math.NaN()
	}
	first, newest := r.at(w.head), r.at(r.next-1)
	switch n.fn {
	case "mean":
		return w.sum / float64(count)
	case "min", "max":
		return r.at(w.queue[0]).v
	case "slope":
		return w.slope(count)
	case "delta":
		return newest.v - first.v
	}
	return 60 * (newest.v - first.v) / (float64(newest.t-first.t) / float64(second)) // rate
}

// counted is how many values, or for how many seconds, beyond a bound.
type counted struct {
	view  int
	time  bool
	stale int64
}

func (n counted) num(c *Context) float64 {
	w, r, count := c.State.look(n.view, c.Now)
	if count == 0 || c.Now-r.at(r.next-1).t > n.stale {
		return math.NaN()
	}
	if !n.time {
		return float64(w.count)
	}
	d := &c.State.layout.views[n.view]
	dwell := w.dwell
	if newest := r.at(r.next - 1); d.beyond(newest.v) {
		dwell += min(c.Now-newest.t, d.hold)
	}
	return float64(dwell) / float64(second)
}

type scoreTotal struct {
	score int
	known bool
}

func (n scoreTotal) num(c *Context) float64 {
	s := c.Score(n.score)
	if !s.Live || s.Missing > 0 && !n.known {
		return math.NaN()
	}
	return float64(s.Known)
}

// What is known of the subject.

type flag string

func (f flag) truth(c *Context) Truth { return truthOf(c.Facts.Flags[string(f)]) }

type programme string

func (p programme) truth(c *Context) Truth { return truthOf(c.Facts.Programmes[string(p)]) }

type fact string

func (f fact) num(c *Context) float64 {
	switch f {
	case "hour":
		return float64(c.local().Hour())
	case "age_years":
		return c.Facts.AgeYears
	}
	if c.Facts.Surgery.IsZero() { // postop_day
		return math.NaN()
	}
	return Days(c.Facts.Surgery.In(c.Facts.zone()), c.local())
}

func (f fact) text(c *Context) (string, bool) {
	switch f {
	case "weekday":
		return Weekday(c.local()), true
	case "unit":
		return c.Facts.Unit, c.Facts.Unit != ""
	}
	return c.Facts.AgeGroup, c.Facts.AgeGroup != ""
}

func (f *Facts) zone() *time.Location {
	if f.Zone == nil {
		return time.UTC
	}
	return f.Zone
}

func (c *Context) local() time.Time { return time.Unix(0, c.Now).In(c.Facts.zone()) }

// Days returns how many midnights lie between two times of one zone: 0 on the same day, 1 on the next.
func Days(from, to time.Time) float64 {
	day := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	return math.Round(day(to).Sub(day(from)).Hours() / 24)
}

// Weekday returns the day as rules write it: mon, tue, wed, thu, fri, sat, sun.
func Weekday(t time.Time) string {
	return [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[t.Weekday()]
}
