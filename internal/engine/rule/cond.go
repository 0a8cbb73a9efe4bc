package rule

// phase is where a condition stands.
type phase uint8

const (
	normal  phase = iota
	pending       // true, but not yet for as long as the delay
	active        // an alarm is open, or is being opened
)

// cond is the state of one rule for one subject (or device). It is small because there are many of them.
type cond struct {
	phase   phase
	held    bool  // active in itself, but covered by another rule's alarm: nothing is on the desk
	raised  bool  // the desk has it
	ended   bool  // it was on the desk, and ended when another alarm began to speak for it
	metric  int32 // that speaks
	since   int64 // condition first true, Unix nanoseconds of the samples
	heard   int64 // when that was received
	clear   int64 // condition first false again, 0 while it is true
	clearAt int64 // when that was received
	sent    int64 // last update of the desk
	value   float64
	peak    float64
	id      string
}

// step is what a condition wants done.
type step uint8

const (
	nothing step = iota
	begin
	update
	end
)

// trial is one look at a condition.
type trial struct {
	bad      bool // the condition is true
	good     bool // it is over, hysteresis included
	low      bool // low values are the worse ones
	value    float64
	metric   int32
	time     int64 // of the sample
	received int64
	delay    int64
	hold     int64
}

// judge compares the value with a limit: at the limit is not beyond it.
func (t *trial) judge(c *compiled, limit float64) {
	if t.low = c.low; c.low {
		t.bad, t.good = t.value < limit, t.value >= limit+c.Clear.Hysteresis
	} else {
		t.bad, t.good = t.value > limit, t.value <= limit-c.Clear.Hysteresis
	}
}

// look moves the condition on by one value. It is the one place where delay, hysteresis and clear hold are decided,
// for the stream and for estimates alike.
func (c *cond) look(t trial) step {
	switch c.phase {
	case normal:
		if !t.bad {
			return nothing
		}
		*c = cond{phase: pending, since: t.time, heard: t.received, metric: t.metric, value: t.value, peak: t.value}
		fallthrough
	case pending:
		if !t.bad {
			c.phase = normal
			return nothing
		}
		c.value, c.metric = t.value, t.metric
		if t.low == (t.value < c.peak) && t.value != c.peak {
			c.peak = t.value
		}
		if t.time-c.since < t.delay {
			return nothing
		}
		c.phase = active
		return begin
	}
	if t.time < c.since {
		return nothing // from before the episode, as after a restart
	}
	c.value = t.value
	if t.low == (t.value < c.peak) && t.value != c.peak {
		c.peak = t.value
	}
	if !t.good {
		c.clear = 0
		return update
	}
	if c.clear == 0 {
		c.clear, c.clearAt = t.time, t.received
	}
	if t.time-c.clear < t.hold {
		return update
	}
	return end
}

// wait moves the condition on by the receive clock alone: a delay that ran out without a contrary value, a clear hold
// that ran out while nothing bad came.
func (c *cond) wait(now, delay, hold int64) step {
	switch {
	case c.phase == pending && now-c.heard >= delay:
		c.phase = active
		return begin
	case c.phase == active && c.clear != 0 && now-c.clearAt >= hold:
		return end
	}
	return nothing
}
