package sim

import (
	"math"
	"time"
)

// moment is what happens to a patient at one time of the ward's life.
type moment struct {
	target  Vitals
	leadOff bool
	silent  bool // the monitor says nothing
}

// course returns where the patient's body is heading at t after the ward opened; before is negative. Courses repeat,
// so that whoever opens the demonstration sees each of them within a few minutes.
func course(p *Patient, t time.Duration) moment {
	r := p.Vitals
	m := moment{target: Vitals{HR: r[0], SpO2: r[1], RR: r[2], Sys: r[3], Dia: r[4], Temp: r[5], EtCO2: 36}}
	day := 2 * math.Pi * t.Hours() / 24
	m.target.HR += 3 * math.Sin(day+float64(p.Bed))
	m.target.Sys += 4 * math.Sin(day+1.3*float64(p.Bed))
	m.target.Temp += 0.15 * math.Sin(day+0.7*float64(p.Bed))
	switch p.Story {
	case "sepsis":
		sepsis(&m, t)
	case "lead":
		m.leadOff = within(t, 75*time.Second, 4*time.Minute, 16*time.Minute)
	case "silence":
		m.silent = within(t, 100*time.Second, 150*time.Second, 13*time.Minute)
	}
	switch p.Drift {
	case "hr":
		m.target.HR += bump(t, p.Bed, 26)
	case "spo2":
		m.target.SpO2 -= bump(t, p.Bed, 5)
		m.target.HR += bump(t, p.Bed, 9)
	}
	return m
}

// sepsis is the fall of a blood pressure over hours, its collapse soon after the ward opens, and the recovery under
// fluids; the collapse comes back every 24 minutes.
func sepsis(m *moment, t time.Duration) {
	ill := smooth(t.Minutes(), -110, 0) // from well to worrying
	const cycle = 24 * time.Minute
	low := 0.0
	if t >= 0 {
		x := (t % cycle).Minutes()
		low = smooth(x, 0.2, 2) * (1 - smooth(x, 7, 12))
	}
	m.target.HR += 12*ill + 12*low
	m.target.SpO2 -= 2*ill + low
	m.target.RR += 4*ill + 4*low
	m.target.Sys -= 8*ill + 20*low
	m.target.Dia -= 4*ill + 17*low
	m.target.Temp += 0.9 * ill
}

// smooth rises from 0 at a to 1 at b.
func smooth(x, a, b float64) float64 {
	x = math.Max(0, math.Min(1, (x-a)/(b-a)))
	return x * x * (3 - 2*x)
}

// within reports whether t lies in a stretch that begins at start, lasts so long and comes back every cycle.
func within(t, start, lasts, cycle time.Duration) bool {
	return t >= start && (t-start)%cycle < lasts
}

// bump is a hill of the height, four minutes wide, that comes every 14 to 18 minutes, at other times for every bed.
func bump(t time.Duration, bed int, height float64) float64 {
	cycle := float64(14 + bed%5)
	x := math.Mod(t.Minutes()+float64(3*bed)+cycle*1000, cycle)
	return height * smooth(x, 1, 2.5) * (1 - smooth(x, 5, 7))
}
