package falsealarm

import (
	"math"
	"slices"
)

// usualLimits say from which correlation a beat counts as a usual one.
var usualLimits = [2]struct {
	name string
	over float64
}{{"strict", 0.9}, {"lax", 0.75}}

// gap is the longest time in which neither lead shows a usual beat. A ventricular rhythm is one to the whole heart: while
// one lead goes on as usual, what the other shows is no tachycardia.
type gap struct {
	seconds float64
	beats   float64 // of any shape within it, a second, in the lead that shows more
	level   float64 // log of how strong the leads are within it compared with the strip; the weaker lead
	pulses  float64 // beats of the pulse within it, a second, compared with the strip
}

// usualGap looks from sample lo to the end.
func usualGap(c [4]*channel, lo int, over float64) gap {
	nan := math.NaN()
	if c[0] == nil {
		return gap{nan, nan, nan, nan}
	}
	var usual []int
	for _, ch := range c[:2] {
		if ch == nil {
			continue
		}
		for _, b := range ch.shape {
			if b.at >= lo && b.like >= over {
				usual = append(usual, b.at)
			}
		}
	}
	slices.Sort(usual)
	from, to, last := lo, lo, lo
	for _, at := range append(usual, size-1) {
		if at-last > to-from {
			from, to = last, at
		}
		last = at
	}
	g := gap{seconds: float64(to-from) / Rate, level: nan, pulses: nan}
	for _, ch := range c[:2] {
		if ch == nil || to-from < Rate/2 {
			continue
		}
		g.beats = max(g.beats, float64(len(ch.within(from+1, to)))/g.seconds)
		_, in, _, _ := moments(ch.high[from:to])
		_, all, _, _ := moments(ch.high)
		if v := math.Log((in + 1e-4) / (all + 1e-4)); !(g.level <= v) {
			g.level = v
		}
	}
	for _, ch := range c[2:] {
		if ch != nil && len(ch.beats) > 5 {
			rate := float64(len(ch.within(from+1, to))) / g.seconds / (float64(len(ch.beats)) / Seconds)
			if !(g.pulses <= rate) {
				g.pulses = rate
			}
		}
	}
	return g
}

// bothStrange is the highest mean, over five beats in a row, of how strange a beat is in the lead that finds it less so.
func bothStrange(c [4]*channel, lo int) float64 {
	if c[0] == nil || c[1] == nil {
		return math.NaN()
	}
	other := c[1].shape
	var list []beat
	k := 0
	for _, b := range c[0].shape {
		if b.at < lo {
			continue
		}
		for k < len(other) && other[k].at < b.at-Rate*15/100 {
			k++
		}
		both := beat{at: b.at, like: 1}
		if k < len(other) && other[k].at <= b.at+Rate*15/100 {
			both.like = max(b.like, other[k].like)
		}
		list = append(list, both)
	}
	return stretch(list, 5, func(b beat) float64 { return 1 - b.like })
}
