// Package falsealarm turns the half minute of curves before an arrhythmia alarm into the features of the false-alarm model.
//
// The training program (training/features) and the running product call the same code, so that they cannot differ. It
// looks at the whole half minute at once, forwards and backwards, which a monitor cannot; detection on the stream is the
// matter of engine/signal. It evaluates no model (engine/predict) and lowers no alarm (engine/appraise). Start at Features.
package falsealarm

import (
	"math"
	"strings"
)

// Alarm is a kind of arrhythmia alarm, after the PhysioNet/CinC 2015 challenge.
type Alarm int

// The kinds of alarm, in the order of AlarmNames.
const (
	Asystole         Alarm = iota // no beat for 4 s
	ExtremeBrady                  // under 40/min for 5 beats
	ExtremeTachy                  // over 140/min for 17 beats
	VentricularTachy              // 5 ventricular beats over 100/min
	VentricularFib                // flutter or fibrillation for 4 s
	alarms
)

// String returns the kind as one word.
func (a Alarm) String() string {
	return [alarms]string{"asystole", "extreme-brady", "extreme-tachy", "ventricular-tachy", "ventricular-fib"}[a]
}

// Rate is the sample rate that features are computed at, per second; curves of another rate are interpolated.
const Rate = 250

// Seconds is how much of every curve is read: up to the alarm, which a monitor raises within ten seconds of its cause.
const Seconds = 30

const size = Rate * Seconds

// Kind says what a curve shows.
type Kind int

// The kinds of curve that are read.
const (
	ECG      Kind = iota // mV
	Pleth                // any unit
	Pressure             // arterial, mm[Hg]
)

// Curve is one signal up to the moment of the alarm.
type Curve struct {
	Kind Kind
	Rate float64   // samples a second
	Data []float64 // NaN where not measured; the last sample is the moment of the alarm
}

// Strip is what was recorded before an alarm.
type Strip struct {
	Alarm  Alarm
	Curves []Curve
}

// Names returns what each number of Features is, in its order: "ecg/longest-pause". The slice is the caller's.
func Names() []string {
	s := sheet{naming: true}
	s.fill(Strip{})
	return s.names
}

// Features returns the features of the strip, NaN where a curve is missing.
func Features(strip Strip) []float32 {
	s := sheet{}
	s.fill(strip)
	return s.values
}

// sheet takes the features one after the other: their values, or their names.
type sheet struct {
	values []float32
	names  []string
	naming bool
}

func (s *sheet) put(v float64, name ...string) {
	if s.naming {
		s.names = append(s.names, strings.Join(name, "/"))
		return
	}
	if math.Abs(v) > 1e6 { // a ratio to next to nothing
		v = math.NaN()
	}
	s.values = append(s.values, float32(v))
}

// fill puts every feature: the alarm, each channel by itself, then what they say together.
func (s *sheet) fill(strip Strip) {
	for a := range alarms {
		v := 0.0
		if a == strip.Alarm {
			v = 1
		}
		s.put(v, "alarm", a.String())
	}
	c := channels(strip.Curves)
	for i, name := range channelNames {
		s.channel(name, c[i])
	}
	for i, name := range channelNames[:2] {
		s.heart(name, c[i])
	}
	for i, name := range channelNames[2:] {
		s.pulse(name, c[2+i])
	}
	s.together(c)
}

// channelNames are the places of the channels that are compared: the better and the other ECG lead, then the pulses.
var channelNames = [4]string{"ecg", "ecg-2", "pleth", "pressure"}

// channels reads the curves into their places; nil where there is none. Of several ECG leads the two of best quality count.
func channels(curves []Curve) (out [4]*channel) {
	for _, c := range curves {
		ch := newChannel(c)
		if ch == nil {
			continue
		}
		switch c.Kind {
		case Pleth:
			out[2] = ch
		case Pressure:
			out[3] = ch
		case ECG:
			if out[0] == nil || ch.trust > out[0].trust {
				ch, out[0] = out[0], ch
			}
			if ch != nil && (out[1] == nil || ch.trust > out[1].trust) {
				out[1] = ch
			}
		}
	}
	return out
}
