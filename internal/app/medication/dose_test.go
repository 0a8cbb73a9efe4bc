package medication_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app/medication"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// at is a time of the test's day.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", "2026-03-03 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

func dose(o *medication.Order, due string) medication.Dose {
	d := at(due)
	return medication.Dose{ID: o.ID + "." + due, Order: o, Due: d, From: d.Add(-time.Hour), To: d.Add(time.Hour), Missed: d.Add(4 * time.Hour)}
}

// event is "taken 08:05 metoprolol"; without a medicine the dispenser names none.
func event(s string) telemetry.StoredEvent {
	var kind, clock, code string
	fmt.Sscan(s, &kind, &clock, &code) //nolint:errcheck // code may be missing
	e := telemetry.StoredEvent{Event: vigil.Event{Kind: vigil.EventKind("dose-" + kind), Time: at(clock).UnixNano(), Data: map[string]string{}}}
	if code != "" {
		e.Data["medication"] = code
	}
	return e
}

func TestJudge(t *testing.T) {
	nurse := func(dose, clock string) medication.Administration {
		return medication.Administration{Dose: dose, At: at(clock), Done: true, By: "N. Nordin", Source: medication.FromNurse}
	}
	patient := nurse("met.08:00", "08:04")
	patient.Source = medication.FromPatient
	held := medication.Administration{Dose: "met.08:00", At: at("07:30"), Source: medication.FromNurse, Reason: "pulse 44"}
	outside := nurse("", "08:20")
	outside.Code = "met"
	for _, c := range []struct {
		name   string
		now    string
		doses  []string // "met 08:00"
		hold   bool
		events []string
		given  []medication.Administration
		want   []string // state of each dose
		misuse []string // "double 08:40 2/1"
	}{
		{name: "BeforeTheWindow", now: "06:59", doses: []string{"met 08:00"}, want: []string{"upcoming"}},
		{name: "WindowOpens", now: "07:00", doses: []string{"met 08:00"}, want: []string{"due"}},
		{name: "LastMinuteOfTheWindow", now: "08:59", doses: []string{"met 08:00"}, want: []string{"due"}},
		{name: "WindowEnds", now: "09:00", doses: []string{"met 08:00"}, want: []string{"late"}},
		{name: "LastMinuteLate", now: "11:59", doses: []string{"met 08:00"}, want: []string{"late"}},
		{name: "Missed", now: "12:00", doses: []string{"met 08:00"}, want: []string{"missed"}},
		{name: "DispenserSaysMissed", now: "09:00", doses: []string{"met 08:00"}, events: []string{"missed 09:00 met"}, want: []string{"missed"}},
		{name: "Taken", now: "23:00", doses: []string{"met 08:00"}, events: []string{"taken 08:05 met"}, want: []string{"given dispenser 08:05"}},
		{name: "TakenEarly", now: "07:30", doses: []string{"met 08:00"}, events: []string{"taken 07:00 met"}, want: []string{"given dispenser 07:00"}},
		{name: "TakenLate", now: "23:00", doses: []string{"met 08:00"}, events: []string{"taken 11:59 met"}, want: []string{"given dispenser 11:59"}},
		{name: "TakenAfterItWasMissed", now: "23:00", doses: []string{"met 08:00", "met 20:00"}, events: []string{"taken 12:00 met"}, want: []string{"missed", "late"}, misuse: []string{"outside 12:00 1/2"}},
		{name: "TakenLongBefore", now: "06:30", doses: []string{"met 08:00"}, events: []string{"taken 06:10 met"}, want: []string{"upcoming"}, misuse: []string{"outside 06:10 1/1"}},
		{name: "NearestOpenDose", now: "23:00", doses: []string{"met 08:00", "met 10:00"}, events: []string{"taken 09:10 met", "taken 09:20 met"}, want: []string{"given dispenser 09:20", "given dispenser 09:10"}},
		{name: "OtherMedicine", now: "08:30", doses: []string{"met 08:00", "aml 08:00"}, events: []string{"taken 08:05 aml"}, want: []string{"given dispenser 08:05", "due"}},
		{name: "CompartmentHoldsAllThatIsDue", now: "08:30", doses: []string{"met 08:00", "aml 08:00", "met 20:00"}, events: []string{"taken 08:05"}, want: []string{"given dispenser 08:05", "given dispenser 08:05", "upcoming"}},
		{name: "UnknownMedicine", now: "08:30", doses: []string{"met 08:00"}, events: []string{"taken 08:05 xyz"}, want: []string{"due"}},
		{name: "TwoInOneWindow", now: "09:00", doses: []string{"met 08:00"}, events: []string{"taken 08:05 met", "taken 08:40 met"}, want: []string{"given dispenser 08:05"}, misuse: []string{"double 08:40 2/1"}},
		{name: "ThreeInOneWindow", now: "09:00", doses: []string{"met 08:00"}, events: []string{"taken 08:05 met", "taken 08:40 met", "taken 08:50 met"}, want: []string{"given dispenser 08:05"}, misuse: []string{"double 08:40 3/1", "double 08:50 3/1"}},
		{name: "MoreThanPrescribed", now: "23:00", doses: []string{"met 08:00", "met 20:00"}, events: []string{"taken 08:05 met", "taken 15:00 met", "taken 20:05 met"}, want: []string{"given dispenser 08:05", "given dispenser 20:05"}, misuse: []string{"double 15:00 3/2"}},
		{name: "NurseGave", now: "08:30", doses: []string{"met 08:00"}, given: []medication.Administration{nurse("met.08:00", "08:10")}, want: []string{"given nurse 08:10"}},
		{name: "NurseGaveAndDispenserToo", now: "09:00", doses: []string{"met 08:00"}, given: []medication.Administration{nurse("met.08:00", "08:10")}, events: []string{"taken 08:30 met"}, want: []string{"given nurse 08:10"}, misuse: []string{"double 08:30 2/1"}},
		{name: "PatientSaidSoAndDispenserToo", now: "09:00", doses: []string{"met 08:00"}, given: []medication.Administration{patient}, events: []string{"taken 08:05 met"}, want: []string{"given patient 08:04"}},
		{name: "PatientSaidSoAndDispenserTwice", now: "09:00", doses: []string{"met 08:00"}, given: []medication.Administration{patient}, events: []string{"taken 08:05 met", "taken 08:30 met"}, want: []string{"given patient 08:04"}, misuse: []string{"double 08:30 2/1"}},
		{name: "AnotherSystemGave", now: "08:30", doses: []string{"met 08:00"}, given: []medication.Administration{outside}, want: []string{"given nurse 08:20"}},
		{name: "Held", now: "23:00", doses: []string{"met 08:00"}, given: []medication.Administration{held}, want: []string{"held"}},
		{name: "HeldAndTaken", now: "23:00", doses: []string{"met 08:00"}, given: []medication.Administration{held}, events: []string{"taken 08:05 met"}, want: []string{"held"}, misuse: []string{"hold 08:05 1/1"}},
		{name: "OrderOnHold", now: "23:00", doses: []string{"met 08:00"}, hold: true, want: []string{"held"}},
		{name: "OrderOnHoldAndTaken", now: "23:00", doses: []string{"met 08:00"}, hold: true, events: []string{"taken 08:05 met"}, want: []string{"held"}, misuse: []string{"hold 08:05 1/1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			orders := map[string]*medication.Order{}
			var doses []medication.Dose
			for _, s := range c.doses {
				var code, due string
				fmt.Sscan(s, &code, &due) //nolint:errcheck // a literal
				if orders[code] == nil {
					orders[code] = &medication.Order{ID: code, Code: code, Name: code, OnHold: c.hold}
				}
				doses = append(doses, dose(orders[code], due))
			}
			var events []telemetry.StoredEvent
			for _, s := range c.events {
				events = append(events, event(s))
			}
			var misuse, got []string
			for _, x := range medication.Judge(doses, c.given, events, at(c.now)) {
				misuse = append(misuse, fmt.Sprintf("%s %s %d/%d", x.Kind, x.At.UTC().Format("15:04"), x.Count, x.Asked))
			}
			for _, d := range doses { // sorted by due time, then by id
				s := string(d.State)
				if d.State == medication.Given {
					s += " " + d.Source + " " + d.GivenAt.UTC().Format("15:04")
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("doses (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.misuse, misuse); diff != "" {
				t.Errorf("misuse (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCovered(t *testing.T) {
	o := &medication.Order{ID: "met", Code: "met"}
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	// a letter per dose, a word per day: t taken, m missed, h held
	for _, c := range []struct {
		name, days string
		want       float64
		n          int
	}{
		{"Nothing", "", 0, 0},
		{"All", "tt tt", 1, 2},
		{"OneDoseOfADayMissed", "tt tm", 0.5, 2},
		{"None", "mm mm", 0, 2},
		{"HeldDoesNotCount", "th tt", 1, 2},
		{"HeldDayDoesNotCount", "hh tm", 0, 1},
		{"OnlyHeld", "hh hh", 0, 0},
		{"TwoOfThree", "t t m", 2.0 / 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var doses []medication.Dose
			var day, n int
			for _, l := range c.days {
				if l == ' ' {
					day, n = day+1, 0
					continue
				}
				state := map[rune]medication.State{'t': medication.Given, 'm': medication.Missed, 'h': medication.Held}[l]
				doses = append(doses, medication.Dose{Order: o, Due: from.AddDate(0, 0, day).Add(time.Duration(8+n) * time.Hour), State: state})
				n++
			}
			before := medication.Dose{Order: o, Due: from.Add(-time.Minute), State: medication.Missed}
			after := medication.Dose{Order: o, Due: from.AddDate(0, 0, 30), State: medication.Missed}
			got := medication.Covered(append(doses, before, after), from, from.AddDate(0, 0, 30))
			switch {
			case got == nil && c.n != 0:
				t.Errorf("no answer, want %v of %d days", c.want, c.n)
			case got != nil && (got.Value != c.want || got.Days != c.n || got.Definition == ""):
				t.Errorf("got %+v, want %v of %d days", *got, c.want, c.n)
			}
		})
	}
}
