package vigil

import "time"

// WaveformMissing marks a sample that the device could not measure.
const WaveformMissing int16 = -32768

// Waveform is a block of samples at a fixed rate. The physical value of sample i is Offset + Scale*Data[i]
// in the metric's canonical unit, at Start + i*Period nanoseconds.
type Waveform struct {
	Metric Metric
	Start  int64 // Unix nanoseconds of the first sample by the corrected device clock
	Period int64 // nanoseconds between samples, > 0
	Scale  float64
	Offset float64
	Data   []int16 // WaveformMissing where not measured
}

// End returns the time just after the last sample, in Unix nanoseconds.
func (w Waveform) End() int64 { return w.Start + int64(len(w.Data))*w.Period }

// Rate returns samples per second.
func (w Waveform) Rate() float64 { return float64(time.Second) / float64(w.Period) }
