// Package trend tells a change from chance in a series of readings: a step (CUSUM), a drift (EWMA), a slope with its
// confidence (Theil-Sen), and how far a value lies from what is usual for this person at this time of day.
//
// Each detector is a small value that takes one reading after the other, with a bounded state and no clock of its own;
// it raises no alarm (package rule). Run lengths, that is how many readings go by before a false alarm and before a true
// one, are tested and stand in docs/reference/trends.md. Start at the detector that fits; Falls joins them for blood
// pressure.
package trend

import "math"

// Direction says where a series went.
type Direction int8

// The directions.
const (
	Down   Direction = -1
	Steady Direction = 0
	Up     Direction = 1
)

// String returns "down", "steady" or "up".
func (d Direction) String() string {
	switch d {
	case Down:
		return "down"
	case Up:
		return "up"
	}
	return "steady"
}

// CUSUM finds a step of the mean of a standardised series (Page, Biometrika 1954;41:100-115). Slack is half the step worth
// finding, Limit the sum that signals, both in standard deviations: 0.5 and 5 find a step of one. The zero value is unusable;
// NewCUSUM gives the usual one. After a signal both sums begin anew.
type CUSUM struct {
	Slack, Limit float64
	high, low    float64
}

// NewCUSUM returns a CUSUM with slack 0.5 and limit 5.
func NewCUSUM() *CUSUM { return &CUSUM{Slack: 0.5, Limit: 5} }

// Push takes the next reading, in standard deviations from its usual value. NaN is passed over.
func (c *CUSUM) Push(z float64) Direction {
	if math.IsNaN(z) {
		return Steady
	}
	c.high = max(0, c.high+z-c.Slack)
	c.low = max(0, c.low-z-c.Slack)
	switch {
	case c.high > c.Limit:
		c.high, c.low = 0, 0
		return Up
	case c.low > c.Limit:
		c.high, c.low = 0, 0
		return Down
	}
	return Steady
}

// Sums returns the two sums, in standard deviations.
func (c *CUSUM) Sums() (high, low float64) { return c.high, c.low }

// EWMA finds a lasting shift by an exponentially weighted mean (Roberts, Technometrics 1959;1:239-250; parameters after
// Lucas and Saccucci, Technometrics 1990;32:1-12). Weight is that of the newest reading, Width the limit in standard
// deviations of the mean.
type EWMA struct {
	Weight, Width float64
	mean          float64
}

// NewEWMA returns an EWMA with weight 0.2 and width 2.962.
func NewEWMA() *EWMA { return &EWMA{Weight: 0.2, Width: 2.962} }

// Push takes the next reading, in standard deviations from its usual value, and says where the mean lies. NaN is passed over.
func (e *EWMA) Push(z float64) Direction {
	if !math.IsNaN(z) {
		e.mean += e.Weight * (z - e.mean)
	}
	limit := e.Width * math.Sqrt(e.Weight/(2-e.Weight))
	switch {
	case e.mean > limit:
		return Up
	case e.mean < -limit:
		return Down
	}
	return Steady
}

// Mean returns the weighted mean, in standard deviations.
func (e *EWMA) Mean() float64 { return e.mean }
