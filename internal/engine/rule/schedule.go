package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/condition"
)

// schedule is when a rule watches: minutes of the day, and the days on which they begin.
type schedule struct {
	from, to int // minutes; from > to runs over midnight, equal is the whole day
	days     [7]bool
}

// newSchedule returns nil for always.
func newSchedule(def catalog.Schedule) (*schedule, error) {
	if def.Hours == "" && len(def.Days) == 0 {
		return nil, nil
	}
	s := &schedule{}
	if def.Hours != "" {
		from, to, ok := strings.Cut(def.Hours, "-")
		var errFrom, errTo error
		s.from, errFrom = clock(from)
		s.to, errTo = clock(to)
		if !ok || errFrom != nil || errTo != nil {
			return nil, vigil.Errorf(vigil.Invalid, "rule.schedule", "hours %q are not written as 22-06 or 07:30-19:00", def.Hours)
		}
	}
	for _, d := range def.Days {
		i := slices.Index(weekdays(), d)
		if i < 0 {
			return nil, vigil.Errorf(vigil.Invalid, "rule.schedule", "day %q is not one of %s", d, strings.Join(weekdays(), ", "))
		}
		s.days[i] = true
	}
	if len(def.Days) == 0 {
		s.days = [7]bool{true, true, true, true, true, true, true}
	}
	return s, nil
}

func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

func clock(text string) (int, error) {
	h, m := 0, 0
	format := "%d;"
	args := []any{&h}
	if strings.Contains(text, ":") {
		format, args = "%d:%d;", []any{&h, &m}
	}
	if n, err := fmt.Sscanf(text+";", format, args...); err != nil || n != len(args) || h < 0 || h > 24 || m < 0 || m > 59 || h*60+m > 24*60 {
		return 0, vigil.Errorf(vigil.Invalid, "rule.clock", "%q is no time of day", text)
	}
	return h*60 + m, nil
}

// covers reports whether the rule watches at a time. After midnight the night belongs to the day on which it began.
func (s *schedule) covers(at int64, zone *time.Location) bool {
	t := time.Unix(0, at).In(zone)
	now, day := t.Hour()*60+t.Minute(), int(t.Weekday())
	switch {
	case s.from == s.to%(24*60):
		return s.days[day]
	case s.from < s.to:
		return s.days[day] && now >= s.from && now < s.to
	case now >= s.from:
		return s.days[day]
	}
	return now < s.to && s.days[(day+6)%7]
}

// watches reports whether the rule is for the subject at all: its scope and the flags it asks for.
func (c *compiled) watches(st *subject) bool {
	prof := &st.profile
	in := func(list []string, what string) bool { return len(list) == 0 || slices.Contains(list, what) }
	if !in(c.Scope.Patients, st.id.ID()) || !in(c.Scope.Units, prof.Unit) || !in(c.Scope.AgeGroups, prof.AgeGroup) {
		return false
	}
	if len(c.Scope.Programmes) > 0 && !slices.ContainsFunc(c.Scope.Programmes, func(p string) bool { return prof.Programmes[p] }) {
		return false
	}
	for f, want := range c.Flags {
		if prof.Flags[f] != want {
			return false
		}
	}
	return c.Class == vigil.Technical || st.patient
}

// facts turns a profile into what conditions may ask. Age is that of the day on which the profile was read.
func (prof *Profile) facts(at time.Time, zone *time.Location) condition.Facts {
	return condition.Facts{
		Unit: prof.Unit, AgeGroup: prof.AgeGroup, AgeYears: years(prof.Birth, at), Surgery: prof.Surgery,
		Flags: prof.Flags, Programmes: prof.Programmes, Zone: zone,
	}
}
