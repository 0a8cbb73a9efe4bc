package falsealarm

import "math"

// pulse puts what only a pulse wave tells: how high its waves are, and for a pressure how much it is.
func (s *sheet) pulse(name string, ch *channel) {
	var heights, highs, lows []float64
	like := math.NaN()
	if ch != nil {
		late := from(ch.beats, recent)
		for i, b := range late {
			hi := size
			if i+1 < len(late) {
				hi = late[i+1]
			}
			w := ch.x[b:min(hi, b+Rate)]
			if len(w) < Rate/5 {
				continue
			}
			before := ch.x[max(0, b-Rate/4) : b+1]
			highs, lows = append(highs, highest(w)), append(lows, lowest(before))
			heights = append(heights, highest(w)-lowest(before))
		}
		like = quantile(ch.alike(late), 0.2)
	}
	s.put(lowest(heights)/median(heights), name, "height-least")
	s.put(quantile(heights, 0.2)/median(heights), name, "height-low")
	s.put(like, name, "alike-least")
	if name == "pressure" {
		s.put(lowest(highs), name, "systolic-least")
		s.put(median(highs), name, "systolic")
		s.put(lowest(lows), name, "diastolic-least")
		s.put(median(heights), name, "height")
		s.put(quantile(lastOf(highs, 5), 0.5)-median(highs), name, "systolic-change")
	}
}

func lastOf(x []float64, n int) []float64 { return x[max(0, len(x)-n):] }

// together puts what the channels say of each other: beats that both leads see, pulses that follow beats, and the fused
// rates of the channels that can be trusted.
func (s *sheet) together(c [4]*channel) {
	s.put(matched(c[0], c[1], -0.1, 0.1), "leads", "agree")
	s.put(worstMatched(c[0], c[1], -0.1, 0.1), "leads", "agree-least")
	for i, name := range channelNames[2:] {
		s.put(matched(c[0], c[2+i], 0.05, 0.7), "ecg", name, "agree")
		s.put(worstMatched(c[0], c[2+i], 0.05, 0.7), "ecg", name, "agree-least")
		s.put(matched(c[2+i], c[0], -0.7, -0.05), name, "ecg", "agree")
	}
	var all [4]rates
	present := 0.0
	for i, ch := range c {
		all[i].reset()
		if ch != nil {
			present++
			all[i].read(ch.beats)
		}
	}
	s.put(present, "channels", "count")
	s.strangeTogether(c)
	for _, f := range []struct {
		name string
		of   func(rates) float64
	}{
		{"longest-pause", func(r rates) float64 { return r.pause }}, {"slowest-5", func(r rates) float64 { return r.slow5 }},
		{"fastest-5", func(r rates) float64 { return r.fast5 }}, {"fastest-17", func(r rates) float64 { return r.fast17 }},
		{"rr-spread", func(r rates) float64 { return r.spread }}, {"rate", func(r rates) float64 { return r.median }},
	} {
		var list, pulses []float64
		best, trust := math.NaN(), -1.0
		for i, ch := range c {
			v := f.of(all[i])
			if ch == nil || math.IsNaN(v) {
				continue
			}
			list = append(list, v)
			if i >= 2 {
				pulses = append(pulses, v)
			}
			if ch.trust > trust {
				best, trust = v, ch.trust
			}
		}
		s.put(lowest(list), "fused", f.name, "least")
		s.put(highest(list), "fused", f.name, "most")
		s.put(best, "fused", f.name, "trusted")
		s.put(lowest(pulses), "pulses", f.name, "least")
		s.put(highest(pulses), "pulses", f.name, "most")
	}
}

// strangeTogether puts the strangest run of either lead.
func (s *sheet) strangeTogether(c [4]*channel) {
	for _, part := range strangeParts {
		most := strangeNo()
		for _, ch := range c[:2] {
			if ch == nil {
				continue
			}
			for i, v := range strangeIn(ch.shape, part.lo, part.hi) {
				if !(most[i] >= v) {
					most[i] = v
				}
			}
		}
		for i, what := range strangeNames {
			s.put(most[i], "leads", what, part.name)
		}
		for _, limit := range usualLimits {
			g := usualGap(c, part.lo, limit.over)
			s.put(g.seconds, "leads", "usual-gap", part.name, limit.name)
			s.put(g.beats, "leads", "usual-gap-beats", part.name, limit.name)
			s.put(g.level, "leads", "usual-gap-level", part.name, limit.name)
			s.put(g.pulses, "pulses", "usual-gap-rate", part.name, limit.name)
		}
		s.put(bothStrange(c, part.lo), "leads", "both-strange-5", part.name)
	}
}

// matched is the share of the recent beats of a that have one of b between lo and hi seconds later.
func matched(a, b *channel, lo, hi float64) float64 {
	if a == nil || b == nil {
		return math.NaN()
	}
	return share(a.within(recent, size-Rate*7/10), b.beats, lo, hi)
}

// worstMatched is the lowest share within any five seconds of the recent part.
func worstMatched(a, b *channel, lo, hi float64) float64 {
	worst := math.NaN()
	if a == nil || b == nil {
		return worst
	}
	for i := recent; i+5*Rate <= size; i += Rate {
		if v := share(a.within(i, i+5*Rate-Rate*7/10), b.beats, lo, hi); !(worst <= v) {
			worst = v
		}
	}
	return worst
}

func share(a, b []int, lo, hi float64) float64 {
	n, k := 0, 0
	for _, at := range a {
		for k < len(b) && float64(b[k]-at) < lo*Rate {
			k++
		}
		if k < len(b) && float64(b[k]-at) <= hi*Rate {
			n++
		}
	}
	return float64(n) / float64(len(a))
}
