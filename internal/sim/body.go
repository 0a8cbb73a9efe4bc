package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Vitals are the vital signs of a body at one moment, in the units of the metric catalogue.
type Vitals struct {
	HR, SpO2, RR, Sys, Dia, Temp, EtCO2 float64
}

// Mean returns the mean arterial pressure, (systolic + 2 diastolic) / 3.
func (v Vitals) Mean() float64 { return (v.Sys + 2*v.Dia) / 3 }

// Body is a patient's physiology: vital signs that wander around a target and follow it with the inertia of a body.
// It is not safe for concurrent use.
type Body struct {
	Target  Vitals
	now     Vitals
	noise   Vitals
	rng     *rand.Rand
	beat    float64 // phase of the heart cycle, in beats
	breath  float64 // phase of the breath, in breaths
	lastRR  float64
	Rhythm  Rhythm
	LeadOff bool
}

// Rhythm is how the heart beats.
type Rhythm int

// The rhythms.
const (
	Sinus Rhythm = iota
	AtrialFibrillation
)

// NewBody returns a body at rest on its target. Bodies with one seed live one life.
func NewBody(seed uint64, target Vitals) *Body {
	return &Body{Target: target, now: target, rng: rand.New(rand.NewPCG(seed, 0x5eed)), lastRR: 1}
}

// Vitals returns what a perfect sensor would read now.
func (b *Body) Vitals() Vitals {
	v, n := b.now, b.noise
	return Vitals{
		HR: v.HR + n.HR, SpO2: math.Min(100, v.SpO2+n.SpO2), RR: math.Max(0, v.RR+n.RR), Sys: v.Sys + n.Sys,
		Dia: v.Dia + n.Dia, Temp: v.Temp + n.Temp, EtCO2: v.EtCO2 + n.EtCO2,
	}
}

// Set puts the body on the target at once.
func (b *Body) Set(v Vitals) { b.Target, b.now, b.noise = v, v, Vitals{} }

// Step lets dt pass: targets are approached with a time constant of 20 s (temperature 10 min), and an
// Ornstein-Uhlenbeck wander of a few percent stays within what a resting patient shows.
func (b *Body) Step(dt time.Duration) {
	s := dt.Seconds()
	follow := func(now *float64, target, tau float64) { *now += (target - *now) * (1 - math.Exp(-s/tau)) }
	follow(&b.now.HR, b.Target.HR, 20)
	follow(&b.now.SpO2, b.Target.SpO2, 20)
	follow(&b.now.RR, b.Target.RR, 20)
	follow(&b.now.Sys, b.Target.Sys, 20)
	follow(&b.now.Dia, b.Target.Dia, 20)
	follow(&b.now.Temp, b.Target.Temp, 600)
	follow(&b.now.EtCO2, b.Target.EtCO2, 20)
	wander := func(n *float64, sd, tau float64) {
		decay := math.Exp(-s / tau)
		*n = *n*decay + b.rng.NormFloat64()*sd*math.Sqrt(1-decay*decay)
	}
	wander(&b.noise.HR, 1.6, 15)
	wander(&b.noise.SpO2, 0.5, 40)
	wander(&b.noise.RR, 0.8, 30)
	wander(&b.noise.Sys, 2.2, 25)
	wander(&b.noise.Dia, 1.4, 25)
	wander(&b.noise.Temp, 0.03, 300)
	wander(&b.noise.EtCO2, 0.8, 30)
}

// advance moves the phases of heart and breath by dt seconds.
func (b *Body) advance(dt float64) {
	v := b.Vitals()
	before := math.Floor(b.beat)
	b.beat += dt * math.Max(v.HR, 1) / 60 / b.lastRR
	if math.Floor(b.beat) > before {
		b.lastRR = 1 + 0.03*math.Sin(2*math.Pi*b.breath) // respiratory sinus arrhythmia
		if b.Rhythm == AtrialFibrillation {
			b.lastRR = 0.65 + 0.7*b.rng.Float64()
		}
	}
	b.breath += dt * math.Max(v.RR, 0.1) / 60
}

// ecg returns lead II in mV at phase p of the beat: P, Q, R, S and T as bells after McSharry et al., IEEE TBME 50:289, 2003.
func ecg(p float64, rhythm Rhythm) float64 {
	bell := func(at, width, height float64) float64 {
		d := p - at
		return height * math.Exp(-d*d/(2*width*width))
	}
	v := bell(0.365, 0.008, -0.12) + bell(0.385, 0.010, 1.15) + bell(0.408, 0.010, -0.26) + bell(0.62, 0.035, 0.30)
	if rhythm == AtrialFibrillation {
		return v + 0.04*math.Sin(2*math.Pi*p*7.3)
	}
	return v + bell(0.22, 0.022, 0.14)
}

// pulse returns a pressure pulse between 0 and 1 at phase p: steep upstroke, slow fall, dicrotic notch and wave, run-off.
func pulse(p float64) float64 {
	p = math.Mod(p+1, 1)
	const top = 0.13
	v := math.Exp(-3.1 * (p - top)) // run-off after the peak
	if p < top {
		v = 0.5 - 0.5*math.Cos(math.Pi*p/top)
		foot := math.Exp(-3.1 * (1 - top)) // where the beat before ended
		v = foot + (1-foot)*v
	}
	notch := -0.10 * math.Exp(-math.Pow((p-0.36)/0.03, 2))
	dicrotic := 0.11 * math.Exp(-math.Pow((p-0.45)/0.06, 2))
	return math.Max(0, math.Min(1, v+notch+dicrotic))
}

// Strip is what the waveform sensors of a body gave over one block.
type Strip struct {
	ECG, Art, Pleth, Resp, CO2 []float64 // mV, mm[Hg], 1, 1, mm[Hg]
}

// Record lets the heart beat for dt and samples it: ECG at rate, arterial pressure and pleth at rate/2, breath and
// capnogram at rate/4.
func (b *Body) Record(dt time.Duration, rate float64) Strip {
	n := int(dt.Seconds()*rate + 0.5)
	v := b.Vitals()
	s := Strip{ECG: make([]float64, 0, n), Art: make([]float64, 0, n/2+1), Pleth: make([]float64, 0, n/2+1), Resp: make([]float64, 0, n/4+1), CO2: make([]float64, 0, n/4+1)}
	for i := range n {
		b.advance(1 / rate)
		p := b.beat - math.Floor(b.beat)
		s.ECG = append(s.ECG, ecg(p, b.Rhythm)+0.012*b.rng.NormFloat64()+0.03*math.Sin(2*math.Pi*b.breath))
		if i%2 == 0 {
			q := pulse(p - 0.40) // the pulse wave follows the R peak
			s.Art = append(s.Art, v.Dia+(v.Sys-v.Dia)*q+0.3*b.rng.NormFloat64())
			s.Pleth = append(s.Pleth, pulse(p-0.48)+0.005*b.rng.NormFloat64())
		}
		if i%4 == 0 {
			c := math.Sin(2 * math.Pi * b.breath)
			s.Resp = append(s.Resp, c+0.01*b.rng.NormFloat64())
			s.CO2 = append(s.CO2, math.Max(0, v.EtCO2*math.Min(1, math.Max(0, -c*3))))
		}
	}
	return s
}
