package fhir

import (
	"strings"
	"time"
)

// DateRange returns the range [low, high) in microseconds since 1970 that a FHIR date, dateTime or instant names:
// "2024-02" is the whole month. A time without a zone is taken as UTC. False when s is none of these.
func DateRange(s string) (low, high int64, ok bool) {
	type form struct {
		layout string
		next   func(t time.Time) time.Time
	}
	after := func(d time.Duration) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.Add(d) }
	}
	var f form
	date, clock, hasClock := strings.Cut(s, "T")
	switch {
	case !hasClock && len(date) == 4:
		f = form{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }}
	case !hasClock && len(date) == 7:
		f = form{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }}
	case !hasClock && len(date) == 10:
		f = form{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }}
	case !hasClock:
		return 0, 0, false
	default:
		f.layout, f.next = "2006-01-02T15:04", after(time.Minute)
		plain := strings.TrimRight(clock, "Z")
		if i := strings.IndexAny(plain, "+-"); i >= 0 {
			plain = plain[:i]
		}
		if len(plain) >= 8 {
			f.layout, f.next = "2006-01-02T15:04:05", after(time.Second)
		}
		if len(plain) > 9 {
			step := time.Second
			for range min(len(plain)-9, 6) {
				step /= 10
			}
			f.next = after(step)
		}
		if len(plain) != len(clock) {
			f.layout += "Z07:00"
		}
	}
	t, err := time.Parse(f.layout, s)
	if err != nil {
		return 0, 0, false
	}
	return t.UnixMicro(), f.next(t).UnixMicro(), true
}

// dateRange returns the range of a value of a date parameter.
func dateRange(v any, typ string) (low, high int64, ok bool) {
	switch x := v.(type) {
	case string:
		return DateRange(x)
	case map[string]any:
		if typ == "Timing" {
			return timingRange(x)
		}
		return periodRange(x)
	}
	return 0, 0, false
}

func periodRange(p map[string]any) (low, high int64, ok bool) {
	start, _ := p["start"].(string)
	end, _ := p["end"].(string)
	low, high = MinTime, MaxTime
	if l, _, good := DateRange(start); good {
		low, ok = l, true
	}
	if _, h, good := DateRange(end); good {
		high, ok = h, true
	}
	return low, high, ok
}

func timingRange(t map[string]any) (low, high int64, ok bool) {
	low, high = MaxTime, MinTime
	events, _ := t["event"].([]any)
	for _, e := range events {
		s, _ := e.(string)
		if l, h, good := DateRange(s); good {
			low, high, ok = min(low, l), max(high, h), true
		}
	}
	if bounds := object(object(t["repeat"])["boundsPeriod"]); bounds != nil {
		if l, h, good := periodRange(bounds); good {
			low, high, ok = min(low, l), max(high, h), true
		}
	}
	return low, high, ok
}
