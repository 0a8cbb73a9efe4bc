package trend

import (
	"fmt"
	"math"
	"time"
)

// Fall is one way in which a blood pressure falls.
type Fall string

// The ways.
const (
	Absolute Fall = "absolute" // under a limit
	Relative Fall = "relative" // far under what is usual for this person
	Falling  Fall = "trend"    // going down beyond doubt
)

// FallLimits says when a pressure counts as falling. A NaN or zero leaves that way out.
type FallLimits struct {
	Under   float64 // mmHg: absolute
	Percent float64 // under the usual median, and at least two spreads: relative
	PerHour float64 // mmHg an hour, positive: the interval's upper end lies under minus this
}

// AdultMean are the limits for the mean pressure of an adult: 65 mmHg (Surviving Sepsis Campaign 2021), 20 % under the
// usual pressure (the usual definition of hypotension by baseline, Bijker et al., Anesthesiology 2007;107:213-220), and
// 10 mmHg an hour.
func AdultMean() FallLimits { return FallLimits{Under: 65, Percent: 20, PerHour: 10} }

// Falls watches one pressure of one person.
type Falls struct {
	limits   FallLimits
	slope    *Slope
	baseline *Baseline
}

const (
	fallSpan  = time.Hour
	fallLeast = 4 // mmHg: no pressure is known better than that
)

// NewFalls returns a watcher that knows nothing of the person yet.
func NewFalls(limits FallLimits) *Falls {
	return &Falls{limits: limits, slope: NewSlope(fallSpan), baseline: NewBaseline(fallLeast)}
}

// Reading is what Falls says of one reading.
type Reading struct {
	Ways    []Fall
	Percent float64  // of the usual median, NaN while that is not known
	Slope   Estimate // zero while not known
	Text    string   // "22 % under the usual 91 mmHg, falling 14 mmHg an hour"
}

// Push takes the next reading in mmHg and says in which ways the pressure falls. A reading that is under the usual range
// does not become usual.
func (f *Falls) Push(at time.Time, value float64) Reading {
	r := Reading{Percent: math.NaN()}
	if math.IsNaN(value) {
		return r
	}
	add := func(way Fall, text string) {
		r.Ways = append(r.Ways, way)
		if r.Text != "" {
			r.Text += ", "
		}
		r.Text += text
	}
	if f.limits.Under > 0 && value < f.limits.Under {
		add(Absolute, fmt.Sprintf("under %g mmHg", f.limits.Under))
	}
	usual, known := f.baseline.Usual(at)
	low := false
	if known {
		r.Percent = 100 * value / usual.Median
		low = usual.Z(value) <= -2
		if f.limits.Percent > 0 && low && r.Percent <= 100-f.limits.Percent {
			add(Relative, fmt.Sprintf("%.0f %% under the usual %.0f mmHg", 100-r.Percent, usual.Median))
		}
	}
	if !low {
		f.baseline.Push(at, value)
	}
	f.slope.Push(at.UnixNano(), value)
	if e, ok := f.slope.Estimate(Confidence99); ok {
		r.Slope = e
		if f.limits.PerHour > 0 && e.High < -f.limits.PerHour {
			add(Falling, fmt.Sprintf("falling %.0f mmHg an hour", -e.Slope))
		}
	}
	return r
}
