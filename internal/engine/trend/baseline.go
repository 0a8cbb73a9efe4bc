package trend

import (
	"math"
	"slices"
	"time"
)

const (
	bands      = 6   // of a day, four hours each
	bandMost   = 112 // readings kept of a band: a week of one every quarter of an hour
	bandEvery  = 15 * time.Minute
	bandFewest = 8
	madScale   = 1.4826 // makes the median absolute deviation that of a normal distribution
)

// Baseline is what is usual for one person in one measure, by the time of day: median and spread of the last readings in
// bands of four hours. One reading every quarter of an hour counts, so that a monitor and a cuff weigh alike and a week
// fits. Median and median absolute deviation do not move with the odd wild reading.
type Baseline struct {
	Least float64 // the spread is never taken for less: the measure's own precision
	band  [bands]struct {
		v       [bandMost]float32
		n, next int
		last    int64
	}
	scratch []float64
}

// NewBaseline returns a baseline that knows nothing; least is the smallest spread that is believed.
func NewBaseline(least float64) *Baseline { return &Baseline{Least: least} }

func bandOf(at time.Time) int { return at.Hour() * bands / 24 }

// Push takes a reading. The time's zone decides what hour of the day it was. Readings over a known baseline's six spreads
// do not shift it.
func (b *Baseline) Push(at time.Time, value float64) {
	band := &b.band[bandOf(at)]
	if math.IsNaN(value) || band.n > 0 && at.UnixNano()-band.last < int64(bandEvery) {
		return
	}
	if u, ok := b.Usual(at); ok && math.Abs(value-u.Median) > 6*u.Spread {
		return
	}
	band.v[band.next], band.last = float32(value), at.UnixNano()
	band.next = (band.next + 1) % bandMost
	band.n = min(band.n+1, bandMost)
}

// Usual is what is usual at a time of day.
type Usual struct {
	Median, Spread float64
	Readings       int
	ByHour         bool // of this band; else of the whole day, as the band has too few
}

// Z returns how many spreads a value lies from the median.
func (u Usual) Z(value float64) float64 { return (value - u.Median) / u.Spread }

// Usual returns what is usual at a time; ok is false with fewer than eight readings.
func (b *Baseline) Usual(at time.Time) (u Usual, ok bool) {
	k := bandOf(at)
	b.scratch = b.scratch[:0]
	u.ByHour = b.band[k].n >= bandFewest
	for i := range b.band {
		if u.ByHour && i != k {
			continue
		}
		for _, v := range b.band[i].v[:b.band[i].n] {
			b.scratch = append(b.scratch, float64(v))
		}
	}
	if u.Readings = len(b.scratch); u.Readings < bandFewest {
		return u, false
	}
	u.Median = median(b.scratch)
	for i, v := range b.scratch {
		b.scratch[i] = math.Abs(v - u.Median)
	}
	u.Spread = max(b.Least, madScale*median(b.scratch))
	return u, true
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
