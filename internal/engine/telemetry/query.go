package telemetry

import (
	"time"

	"github.com/vigil-health/vigil"
)

// Value is the last sample of a series.
type Value struct {
	vigil.SeriesKey
	Time     time.Time
	Received time.Time // when the server got it
	Value    float64
	Quality  vigil.Quality
}

// Query asks for the numerics of one subject.
type Query struct {
	Subject  vigil.Subject
	Metrics  []vigil.Metric // empty means all
	From, To time.Time      // [From, To)
	Points   int            // at most so many buckets a metric with min and max kept, see Store.Query; 0 means raw
}

// Line is one metric of a subject over time, devices merged by time.
type Line struct {
	Metric vigil.Metric
	Points []Point
	Gaps   []Span // no sample for longer than the metric's allowed age
}

// Point is a sample, or a bucket of samples with its extremes.
type Point struct {
	Time    int64 // Unix nanoseconds: of the sample, or the middle of the bucket's samples
	Mean    float64
	Min     float64
	Max     float64
	Count   int
	Device  vigil.DeviceID
	Quality vigil.Quality // of a bucket: all flags of its samples
}

// Span is a time range [From, To) in Unix nanoseconds.
type Span struct{ From, To int64 }

// StoredEvent is an event with whom it is about and who reported it.
type StoredEvent struct {
	vigil.Event
	Subject vigil.Subject
	Device  vigil.DeviceID
}
