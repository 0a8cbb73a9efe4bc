package signal

// step takes one sample through the filters and, when a peak of energy is complete, to judgement.
//
//	ECG ─► mean of 20 ms ─► mean of 17 ms ─► slope over 24 ms ─► magnitude ─► mean of 100 ms ─► peaks ─► judge
func (q *QRS) step(v int32, beats []Beat) []Beat {
	if !q.fed {
		q.begin(v)
	}
	q.lastIn = v
	q.sumA += v - q.a.push(v)
	q.sumB += q.sumA - q.b.push(q.sumA)
	q.lp.push(q.sumB)
	d := q.sumB - q.span.push(q.sumB)
	if d < 0 {
		d = -d
	}
	q.sumE += int64(d - q.win.push(d))
	q.n++
	t := &q.peak
	switch e := q.sumE; {
	case e > t.max:
		t.max, t.at, t.pending = e, q.n, true
	case !t.pending:
		t.max = e
	case q.n-t.at >= t.blank:
		c := q.candidate()
		t.max, t.pending = e, false
		return q.think.take(c, beats)
	}
	if q.n >= q.think.deadline {
		return q.think.overdue(q.n, beats)
	}
	return beats
}

// tracker finds peaks of energy that nothing within blank on either side exceeds.
type tracker struct {
	blank   int64
	max     int64
	at      int64
	pending bool
}

// candidate describes the pending peak. It looks back over at most half a second of the averaged ECG.
func (q *QRS) candidate() candidate {
	c := candidate{peak: q.peak.at, height: float32(float64(q.peak.max) * q.unit)}
	newest := int(q.n - q.peak.at) // pushes since the peak
	span, win := len(q.span.v), len(q.win.v)
	first, last := newest+win+span+q.margin, max(0, newest-q.margin)
	sum := int64(0)
	var slopeMax, slopeMin int32
	for i := last; i <= first; i++ {
		sum += int64(q.lp.ago(i))
		d := q.lp.ago(i) - q.lp.ago(i+span)
		slopeMax, slopeMin = max(slopeMax, d), min(slopeMin, d)
	}
	mean := int32(sum / int64(first-last+1))
	far, at := int32(-1), last
	for i := last; i <= first; i++ {
		d := q.lp.ago(i) - mean
		if d < 0 {
			d = -d
		}
		if d > far {
			far, at = d, i
		}
	}
	scale := q.unit * float64(win)
	c.up, c.down = float32(float64(slopeMax)*scale), float32(-float64(slopeMin)*scale)
	c.far = float32(float64(far) * scale)
	c.at = q.n - 1 - int64(at) - int64(len(q.a.v)+len(q.b.v)-2)/2
	return c
}

// begin settles the filters on the first value, so that the start is no step.
func (q *QRS) begin(v int32) {
	q.fed = true
	q.a.fill(v)
	q.sumA = v * int32(len(q.a.v))
	q.b.fill(q.sumA)
	q.sumB = q.sumA * int32(len(q.b.v))
	q.span.fill(q.sumB)
	q.lp.fill(q.sumB)
	q.win.fill(0)
	q.sumE = 0
	q.peak.max, q.peak.pending = 0, false
}

// interrupt ends the stretch of signal: what is pending is judged, the next sample begins anew.
func (q *QRS) interrupt(beats []Beat) []Beat {
	if q.fed && q.peak.pending {
		beats = q.think.take(q.candidate(), beats)
	}
	beats = q.think.interrupt(q.n, beats)
	q.fed = false
	return beats
}
