package fhirpath

import (
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// precision says which parts of a temporal are given; seconds and their fraction are one precision.
type precision uint8

const (
	toYear precision = iota + 1
	toMonth
	toDay
	toHour
	toMinute
	toSecond
)

// temporal is a Date, DateTime or Time.
type temporal struct {
	kind   Kind
	prec   precision
	t      time.Time // missing parts are the first; the wall clock in UTC, without the zone
	digits int       // of the fraction of a second
	zone   int       // minutes east of UTC
	zoned  bool
}

// parseTemporal reads a date, dateTime or time as FHIR and FHIRPath write them.
func parseTemporal(s string, kind Kind) (temporal, bool) {
	v := temporal{kind: kind}
	p := [6]int{1, 1, 1, 0, 0, 0}
	nano := 0
	date, clock, hasClock := s, "", false
	switch kind {
	case Time:
		date, clock, hasClock = "", s, true
	case DateTime:
		date, clock, hasClock = strings.Cut(s, "T")
	}
	if kind != Time && !v.parseDate(date, &p) {
		return v, false
	}
	if hasClock && clock != "" {
		if kind != Time && v.prec != toDay {
			return v, false
		}
		ok := false
		if nano, ok = v.parseClock(clock, &p); !ok {
			return v, false
		}
	}
	if v.prec == 0 {
		return v, false
	}
	v.t = time.Date(p[0], time.Month(p[1]), p[2], p[3], p[4], p[5], nano, time.UTC)
	return v, v.t.Day() == p[2] && int(v.t.Month()) == p[1] // 30 February is none
}

func (v *temporal) parseDate(s string, p *[6]int) bool {
	parts := [3]int{4, 2, 2}
	for i := range parts {
		n, ok := digits(s, parts[i])
		if !ok {
			return false
		}
		p[i], v.prec = n, precision(i+1)
		if s = s[parts[i]:]; s == "" {
			return p[1] >= 1 && p[1] <= 12 && p[2] >= 1 && p[2] <= 31 && p[0] > 0
		}
		if s[0] != '-' {
			return false
		}
		s = s[1:]
	}
	return false
}

func (v *temporal) parseClock(s string, p *[6]int) (nano int, ok bool) {
	if v.kind != Time {
		if s, ok = v.parseZone(s); !ok {
			return 0, false
		}
	}
	s, fraction, hasFraction := strings.Cut(s, ".")
	for i := 3; i < 6; i++ {
		n, ok := digits(s, 2)
		if !ok || n > 59 && (i != 5 || n > 60) || i == 3 && n > 23 {
			return 0, false
		}
		p[i], v.prec = n, precision(i+1)
		if s = s[2:]; s == "" {
			break
		}
		if s[0] != ':' || i == 5 {
			return 0, false
		}
		s = s[1:]
	}
	if !hasFraction {
		return 0, true
	}
	if v.prec != toSecond || fraction == "" || strings.Trim(fraction, "0123456789") != "" {
		return 0, false
	}
	v.digits = len(fraction)
	nano, _ = digits((fraction + "000000000")[:9], 9)
	return nano, true
}

func (v *temporal) parseZone(s string) (rest string, ok bool) {
	if rest, ok = strings.CutSuffix(s, "Z"); ok {
		v.zoned = true
		return rest, true
	}
	i := strings.LastIndexAny(s, "+-")
	if i < 0 {
		return s, true
	}
	zone := s[i+1:]
	if len(zone) != 5 || zone[2] != ':' {
		return "", false
	}
	h, okH := digits(zone, 2)
	m, okM := digits(zone[3:], 2)
	if v.zoned, v.zone = true, h*60+m; s[i] == '-' {
		v.zone = -v.zone
	}
	return s[:i], okH && okM && h <= 14 && m < 60
}

// digits reads the first n bytes of s as a number.
func digits(s string, n int) (int, bool) {
	if len(s) < n {
		return 0, false
	}
	out := 0
	for i := range n {
		if !isDigit(s[i]) {
			return 0, false
		}
		out = out*10 + int(s[i]-'0')
	}
	return out, true
}

// temporal returns a Date, DateTime or Time.
func (v *Value) temporal() (temporal, bool) {
	if v.Kind != Date && v.Kind != DateTime && v.Kind != Time {
		return temporal{}, false
	}
	return parseTemporal(v.text, v.Kind)
}

// String returns the temporal as it is written.
func (v temporal) String() string {
	layouts := [...]string{"", "2006", "2006-01", "2006-01-02", "2006-01-02T15", "2006-01-02T15:04", "2006-01-02T15:04:05"}
	layout := layouts[v.prec]
	if v.kind == Time {
		layout = strings.TrimPrefix(layout, "2006-01-02T")
	}
	s := v.t.Format(layout)
	if v.digits > 0 {
		s += "." + fmt.Sprintf("%09d", v.t.Nanosecond())[:min(v.digits, 9)]
	}
	switch {
	case !v.zoned:
	case v.zone == 0:
		s += "Z"
	default:
		sign, m := '+', v.zone
		if m < 0 {
			sign, m = '-', -m
		}
		s += fmt.Sprintf("%c%02d:%02d", sign, m/60, m%60)
	}
	return s
}

func (v temporal) value() Value {
	s := v.String()
	if v.kind == DateTime && v.prec < toHour {
		return Value{Kind: DateTime, text: s}
	}
	return Value{Kind: v.kind, text: s}
}

// compare orders two temporals; known is false where their precision, or a missing zone, leaves it open.
func (v temporal) compare(w temporal) (c int, known bool) {
	if v.prec >= toHour && w.prec >= toHour && v.kind != Time {
		if v.zoned && w.zoned {
			v.t, w.t = v.t.Add(-time.Duration(v.zone)*time.Minute), w.t.Add(-time.Duration(w.zone)*time.Minute)
		} else if v.zoned != w.zoned { // a zone lies within 14 hours of UTC
			d := v.t.Add(-time.Duration(v.zone) * time.Minute).Sub(w.t.Add(-time.Duration(w.zone) * time.Minute))
			return sign(int64(d)), d.Abs() > 14*time.Hour
		}
	}
	least := min(v.prec, w.prec)
	a, b := v.parts(), w.parts()
	for i := range int(least) {
		if a[i] != b[i] {
			if a[i] < b[i] {
				return -1, true
			}
			return 1, true
		}
	}
	return 0, v.prec == w.prec
}

func sign(n int64) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func (v temporal) parts() [6]int {
	return [6]int{v.t.Year(), int(v.t.Month()), v.t.Day(), v.t.Hour(), v.t.Minute(), v.t.Second()*1e9 + v.t.Nanosecond()}
}

// plus adds a duration to a date, dateTime or time. Months and years are those of the calendar, so that UCUM's 'mo'
// and 'a', which are fixed lengths, are refused.
func (v temporal) plus(q quantity, direction int64) (temporal, error) {
	unit := q.unit
	if q.calendar || len(unit) > 2 && unit != "min" {
		unit = strings.TrimSuffix(unit, "s")
	} else {
		unit = map[string]string{"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "whole second", "ms": "millisecond"}[unit]
	}
	n, err := rounded(q.value, 0, apd.RoundDown).Int64()
	if err != nil || n > 1e12 || n < -1e12 {
		return v, failure("%s is too long to add to a date", q)
	}
	n *= direction
	switch unit {
	case "year", "month":
		if v.kind == Time {
			return v, failure("%s cannot be added to a time", q)
		}
		if unit == "year" {
			n *= 12
		}
		return v.plusMonths(n), nil
	case "week":
		return v.plusDuration(n*7*24, time.Hour)
	case "day":
		return v.plusDuration(n*24, time.Hour)
	case "hour":
		return v.plusDuration(n, time.Hour)
	case "minute":
		return v.plusDuration(n, time.Minute)
	case "second":
		ms := new(apd.Decimal)
		if _, err := decimals.Mul(ms, q.value, apd.New(1000, 0)); err != nil {
			return v, failure("%s is too long to add to a date", q)
		}
		n, _ = rounded(ms, 0, apd.RoundDown).Int64() // it fits: the seconds are bounded
		return v.plusDuration(n*direction, time.Millisecond)
	case "whole second": // the suite: the fraction of UCUM's 's' is left out
		return v.plusDuration(n, time.Second)
	case "millisecond":
		return v.plusDuration(n, time.Millisecond)
	}
	return v, failure("%s cannot be added to a date or time", q)
}

func (v temporal) plusMonths(n int64) temporal {
	if v.prec == toYear {
		n -= n % 12
	}
	n = max(min(n, 12*10000), -12*10000)
	day := v.t.Day()
	first := v.t.AddDate(0, int(n), 1-day)
	last := first.AddDate(0, 1, -1).Day()
	v.t = first.AddDate(0, 0, min(day, last)-1)
	return v
}

func (v temporal) plusDuration(n int64, step time.Duration) (temporal, error) {
	if abs := max(n, -n); abs > int64(200*365*24*time.Hour/step) {
		return v, failure("a duration of more than 200 years can be added in years only")
	}
	d := time.Duration(n) * step
	const day = 24 * time.Hour
	switch v.prec { // what is finer than the precision is counted in its units
	case toYear:
		return v.plusMonths(int64(d/(365*day)) * 12), nil
	case toMonth:
		return v.plusMonths(int64(d / (30 * day))), nil
	case toDay:
		d = d.Truncate(day)
	case toHour:
		d = d.Truncate(time.Hour)
	case toMinute:
		d = d.Truncate(time.Minute)
	}
	v.t = v.t.Add(d)
	if v.kind == Time {
		v.t = time.Date(1, 1, 1, v.t.Hour(), v.t.Minute(), v.t.Second(), v.t.Nanosecond(), time.UTC)
	}
	if v.digits < 3 && v.prec == toSecond && v.t.Nanosecond()%1e9 != 0 {
		v.digits = 3
	}
	return v, nil
}

// digitsOf returns the precision as lowBoundary and precision() count it: the digits that are given.
func (v temporal) digitsOf() int {
	n := [...]int{0, 4, 6, 8, 10, 12, 14}[v.prec]
	if v.kind == Time {
		n -= 8
	}
	if v.digits > 0 {
		n += 3
	}
	return n
}

// boundary returns the first or last moment that the temporal may stand for, to a number of digits: 4, 6 or 8 for a
// date, up to 17 for a dateTime, up to 9 for a time.
func (v temporal) boundary(n int, high bool) (temporal, bool) {
	base := 0
	if v.kind == Time {
		base = 8
	}
	want, ok := map[int]precision{4: toYear, 6: toMonth, 8: toDay, 10: toHour, 12: toMinute, 14: toSecond, 17: toSecond}[n+base]
	if !ok || v.kind == Date && want > toDay || v.kind == Time && want < toHour {
		return v, false
	}
	end := v.t
	switch v.prec {
	case toYear:
		end = v.t.AddDate(1, 0, 0)
	case toMonth:
		end = v.t.AddDate(0, 1, 0)
	case toDay:
		end = v.t.AddDate(0, 0, 1)
	case toHour:
		end = v.t.Add(time.Hour)
	case toMinute:
		end = v.t.Add(time.Minute)
	case toSecond:
		step := time.Second
		for range min(v.digits, 9) {
			step /= 10
		}
		end = v.t.Add(step)
	}
	if high {
		v.t = end.Add(-1)
	}
	if v.digits = 0; n+base == 17 {
		v.digits = 3
	}
	if v.prec = want; v.kind == DateTime && !v.zoned && want >= toHour { // any zone on earth
		if v.zoned, v.zone = true, 14*60; high {
			v.zone = -12 * 60
		}
	}
	if want < toHour {
		v.zoned = false
	}
	return v, true
}
