package condition

import "strings"

// Number evaluates the view of a function over the first slot, as the function would.
func Number(l *Layout, s *State, fn string, now int64) float64 {
	kinds := map[string]viewKind{"mean": moments, "slope": moments, "min": lowest, "max": highest}
	for k, d := range l.views {
		want, ok := kinds[fn]
		if strings.HasSuffix(fn, "over") {
			want, ok = counting, true
		}
		if ok && d.kind != want || !ok && d.kind != edges {
			continue
		}
		c := &Context{State: s, Now: now}
		if d.kind == counting {
			return counted{view: k, time: fn == "duration_over", stale: maxWindow}.num(c)
		}
		return windowed{fn: fn, view: k, window: d.window, stale: maxWindow, least: 2}.num(c)
	}
	panic("no view for " + fn)
}

// Kept counts the values kept.
func Kept(s *State) int {
	n := 0
	for i := range s.rings {
		n += int(s.rings[i].next - s.rings[i].first)
	}
	return n
}
