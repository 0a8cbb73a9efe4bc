package vigil

import "time"

// Metric is the catalogue key of what is measured, for example "heart-rate"; see package coding for codes and units.
type Metric string

// Quality says how far a value may be trusted. The zero value is a good, timely measurement.
type Quality uint8

// Quality flags; several may be set together.
const (
	QualityLate         Quality = 1 << iota // arrived long after it was measured; corrects trends, raises no alarm
	QualityQuestionable                     // the device itself doubts it (poor signal, motion)
	QualityClockSkew                        // the device clock was wrong and the receipt time was used
	QualityCorrected                        // replaces an earlier value at the same time
	QualitySimulated                        // made by a simulator or a replay
)

// Sample is one number at one time, in the metric's canonical unit (package coding).
type Sample struct {
	Metric  Metric
	Time    int64 // Unix nanoseconds by the corrected device clock
	Value   float64
	Quality Quality
}

// At returns the sample's time.
func (s Sample) At() time.Time { return time.Unix(0, s.Time) }

// SeriesKey names a series: samples of one metric of one subject from one device.
type SeriesKey struct {
	Subject Subject  `json:"subject"`
	Device  DeviceID `json:"device"`
	Metric  Metric   `json:"metric"`
}
