package signal

import (
	"math"
	"slices"
	"sync"

	"github.com/vigil-health/vigil"
)

// Metrics that are derived. Each has its entry in the catalogue (package coding).
const (
	HeartRate   = vigil.Metric("ecg-heart-rate")
	SlowRate    = vigil.Metric("ecg-heart-rate-5")
	FastRate    = vigil.Metric("ecg-heart-rate-17")
	Pause       = vigil.Metric("ecg-pause")
	SDNN        = vigil.Metric("heart-rate-variability")
	RMSSD       = vigil.Metric("hrv-rmssd")
	PNN50       = vigil.Metric("hrv-pnn50")
	AFib        = vigil.Metric("af-probability")
	ECGTrust    = vigil.Metric("ecg-sqi")
	PPGTrust    = vigil.Metric("ppg-sqi")
	hrvSpan     = 300 * second
	answerAfter = second      // a second is told once so much signal after it is there
	gapBridged  = 2 * second  // a shorter hole leaves rates and thresholds as they are
	gapForgets  = 60 * second // a longer one begins anew
	verdictsFor = 24          // kept: two minutes
)

// stream is one waveform of one device: what is needed to go on with it. Its size does not grow.
type stream struct {
	mu       sync.Mutex
	ecg      bool
	period   int64
	scale    float64
	next     int64 // time of the next sample
	measured int64 // until when there was a signal
	base     int64 // time of sample baseAt, of the block at hand
	baseAt   int64
	taken    int64 // samples, gaps included
	told     int64 // the last whole second answered

	qrs      *QRS
	beats    []Beat // of the block at hand
	rhythm   Rhythm
	af       *AF
	afTold   int64
	rr       []float32 // of the five minutes that run
	rrTime   int64     // covered by them
	ring     []int16   // the newest five seconds
	ringAt   int
	ringFull bool
	found    []int64 // beats of the newest five seconds, as sample indexes
	verdicts []timedVerdict
}

type timedVerdict struct {
	at int64 // end of its stretch
	Verdict
}

// feed takes a block and appends what can be said now to out. Blocks that are not newer than what is known say nothing.
func (s *stream) feed(w *vigil.Waveform, out []vigil.Sample) []vigil.Sample {
	if len(w.Data) == 0 || w.Period <= 0 {
		return out
	}
	data, start := w.Data, w.Start
	if s.period == w.Period && s.scale == math.Abs(w.Scale) && start < s.next-w.Period*3/2 {
		skip := (s.next - start + w.Period/2) / w.Period
		if skip >= int64(len(data)) {
			return out
		}
		data, start = data[skip:], start+skip*w.Period
	}
	if !s.attach(w, start) {
		return out
	}
	s.base, s.baseAt = start, s.taken
	for len(data) > 0 { // no more than a second at a time, so that each is told with what was known then
		n := min(len(data), max(1, int(second/s.period)))
		from := s.next
		s.take(data[:n])
		s.next = s.timeOf(s.taken)
		s.measure(data[:n], from)
		data = data[n:]
		out = s.answer(out)
	}
	return out
}

// measure notes up to when there was a signal. A lead that is off sends samples that were not measured: that is no pause of
// the heart, and when it is on again a stretch begins.
func (s *stream) measure(data []int16, from int64) {
	missing := 0
	for _, v := range data {
		if v == vigil.WaveformMissing {
			missing++
		}
	}
	if 2*missing > len(data) {
		return
	}
	if s.ecg && from-s.measured > gapBridged {
		s.rhythm.Begin(from)
		s.af.Reset()
	}
	s.measured = s.next
}

func (s *stream) timeOf(sample int64) int64 { return s.base + (sample-s.baseAt)*s.period }

// attach makes the stream ready for a block that begins at start.
func (s *stream) attach(w *vigil.Waveform, start int64) bool {
	fs := float64(second) / float64(w.Period)
	hole := start - s.next
	switch {
	case s.period != w.Period || s.scale != math.Abs(w.Scale) || hole > gapForgets || hole < -gapForgets:
		return s.reset(w, fs, start)
	case hole > w.Period*3/2:
		missing := hole / w.Period
		if s.ecg {
			s.base, s.baseAt = s.next, s.taken
			s.beats = s.qrs.Gap(missing, s.beats[:0])
			s.note()
		}
		s.taken += missing
		for range min(int(missing), len(s.ring)) {
			s.keep(vigil.WaveformMissing)
		}
		if hole > gapBridged {
			s.rhythm.Begin(start)
			s.told = start / second
			if s.af != nil {
				s.af.Reset()
			}
		}
	}
	return true
}

func (s *stream) reset(w *vigil.Waveform, fs float64, start int64) bool {
	scale := math.Abs(w.Scale)
	if s.ecg {
		q, err := NewQRS(fs, scale)
		if err != nil {
			return false // not a rate that an ECG comes in
		}
		s.qrs = q
		if s.af == nil {
			s.af = NewAF()
		}
		s.af.Reset()
		s.rhythm = Rhythm{}
		s.rhythm.Begin(start)
	} else if fs < 20 || fs > 1000 {
		return false
	}
	s.period, s.scale, s.taken, s.told = w.Period, scale, 0, (start+second-1)/second
	s.base, s.baseAt, s.next, s.measured = start, 0, start, start
	s.ring, s.ringAt, s.ringFull = make([]int16, int(qualityFor*fs)), 0, false
	s.rr, s.rrTime, s.found = s.rr[:0], 0, s.found[:0]
	return true
}

func (s *stream) keep(v int16) {
	s.ring[s.ringAt] = v
	if s.ringAt++; s.ringAt == len(s.ring) {
		s.ringAt, s.ringFull = 0, true
	}
}

func (s *stream) take(data []int16) {
	for _, v := range data {
		s.keep(v)
	}
	s.taken += int64(len(data))
	if s.ecg {
		s.beats = s.qrs.Feed(data, s.beats[:0])
		s.note()
	}
}

// note hands new beats to what follows from them.
func (s *stream) note() {
	for _, b := range s.beats {
		rr := s.rhythm.Beat(s.timeOf(b.At), b.After)
		s.found = append(s.found, b.At)
		if rr == 0 || s.trust() < Floor {
			continue
		}
		if len(s.rr) < cap(s.rr) || len(s.rr) < 1500 {
			s.rr = append(s.rr, float32(rr)/1e9)
			s.rrTime += rr
		}
		s.af.Push(float64(rr) / 1e9)
	}
	old := s.taken - int64(len(s.ring))
	s.found = slices.DeleteFunc(s.found, func(at int64) bool { return at < old })
}

func (s *stream) trust() float64 {
	if n := len(s.verdicts); n > 0 {
		return s.verdicts[n-1].Score
	}
	return 1
}

// answer says what holds at every whole second that is over for long enough.
func (s *stream) answer(out []vigil.Sample) []vigil.Sample {
	for (s.told+1)*second+answerAfter <= s.next {
		s.told++
		at := s.told * second
		say := func(m vigil.Metric, v, parts float64) { // rounded to a part of one
			if !math.IsNaN(v) {
				out = append(out, vigil.Sample{Metric: m, Time: at, Value: math.Round(v*parts) / parts})
			}
		}
		if s.told%int64(qualityFor) == 0 && s.ringFull {
			v := s.judge(at)
			m := PPGTrust
			if s.ecg {
				m = ECGTrust
			}
			say(m, v.Score, 100)
		}
		if !s.ecg || at > s.measured {
			continue
		}
		b := s.rhythm.At(at)
		say(HeartRate, b.Rate, 1)
		say(SlowRate, b.Slow, 1)
		say(FastRate, b.Fast, 1)
		say(Pause, b.Pause, 10)
		if n := s.af.Windows(); n != s.afTold {
			s.afTold = n
			say(AFib, s.af.Probability(), 100)
		}
		if at%hrvSpan == 0 {
			if v, ok := VariabilityOf(s.rr); ok && s.rrTime > hrvSpan*8/10 {
				say(SDNN, v.SDNN, 1)
				say(RMSSD, v.RMSSD, 1)
				say(PNN50, v.PNN50, 10)
			}
			s.rr, s.rrTime = s.rr[:0], 0
		}
	}
	return out
}

// judge weighs the newest five seconds.
func (s *stream) judge(at int64) Verdict {
	data := slices.Concat(s.ring[s.ringAt:], s.ring[:s.ringAt])
	fs := float64(second) / float64(s.period)
	var v Verdict
	if s.ecg {
		old := s.taken - int64(len(s.ring))
		found := make([]int64, len(s.found))
		for i, f := range s.found {
			found[i] = f - old
		}
		v = ECGQuality(data, fs, s.scale, found)
	} else {
		v = PPGQuality(data, fs, s.scale)
	}
	if len(s.verdicts) == verdictsFor {
		s.verdicts = append(s.verdicts[:0], s.verdicts[1:]...)
	}
	s.verdicts = append(s.verdicts, timedVerdict{at, v})
	return v
}

// worst returns the worst verdict on stretches that end within [from, to], or false when there is none.
func (s *stream) worst(from, to int64) (v Verdict, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.verdicts {
		if x.at >= from && x.at <= to && (!ok || x.Score < v.Score) {
			v, ok = x.Verdict, true
		}
	}
	return v, ok
}
