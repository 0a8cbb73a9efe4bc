package signal

// ring32 holds the newest values of a series; the slot at pos is the oldest.
type ring32 struct {
	v   []int32
	pos int
}

func newRing(n int) ring32 { return ring32{v: make([]int32, n)} }

// push takes the newest value and returns the one it displaces.
func (r *ring32) push(x int32) int32 {
	old := r.v[r.pos]
	r.v[r.pos] = x
	if r.pos++; r.pos == len(r.v) {
		r.pos = 0
	}
	return old
}

// ago returns the value pushed n pushes before the newest.
func (r *ring32) ago(n int) int32 {
	i := r.pos - 1 - n
	if i < 0 {
		i += len(r.v)
	}
	return r.v[i]
}

func (r *ring32) fill(x int32) {
	for i := range r.v {
		r.v[i] = x
	}
}
