package medication

import (
	"fmt"
	"time"
)

// PDC is the proportion of days covered.
type PDC struct {
	Value      float64 `json:"value"` // 0 to 1
	Days       int     `json:"days"`  // with a prescribed dose
	Definition string  `json:"definition"`
}

// Covered computes the proportion of days covered from judged doses with a due time in [from, to), nil when no dose was
// prescribed: days on which every prescribed dose was taken, divided by days with a prescribed dose. Doses that were
// held count as not prescribed; days are days of the doses' time zone. The measure with the same name made from
// refills (PQA; CMA7 of Vollmer et al., BMC Health Serv Res 2012;12:155) asks whether there was supply on a day; this one asks
// whether it was taken.
func Covered(doses []Dose, from, to time.Time) *PDC {
	type day struct{ asked, taken int }
	days := map[string]day{}
	for i := range doses {
		d := &doses[i]
		if d.State == Held || d.Due.Before(from) || !d.Due.Before(to) {
			continue
		}
		key := d.Due.Format(time.DateOnly)
		x := days[key]
		x.asked++
		if d.State == Given {
			x.taken++
		}
		days[key] = x
	}
	if len(days) == 0 {
		return nil
	}
	full := 0
	for _, x := range days {
		if x.asked == x.taken {
			full++
		}
	}
	return &PDC{Value: float64(full) / float64(len(days)), Days: len(days), Definition: definition(from, to)}
}

func definition(from, to time.Time) string {
	return fmt.Sprintf("Proportion of days covered, %s to %s: days on which every prescribed dose was taken, divided by days with a prescribed dose. Held doses do not count.",
		from.Format("2 Jan"), to.Add(-time.Hour).Format("2 Jan"))
}
