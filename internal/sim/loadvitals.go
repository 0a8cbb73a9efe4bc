package sim

import (
	"math/bits"
	"strconv"
)

// LoadVitals writes messages of smart patches: values differ from message to message and stay within every limit.
type LoadVitals struct{ state uint64 }

// NewLoadVitals returns a source; equal seeds give equal values.
func NewLoadVitals(seed uint64) *LoadVitals { return &LoadVitals{seed*0x9E3779B97F4A7C15 + 1} }

// loadField is one field of the smart patch with the range that its values take.
type loadField struct {
	key  string
	from int
	span uint64
}

// MaxLoadValues is how many values a load message can carry.
const MaxLoadValues = 8

func loadFields() [MaxLoadValues]loadField {
	return [MaxLoadValues]loadField{
		{`,"hr":`, 62, 24}, {`,"spo2":`, 96, 4}, {`,"rr":`, 13, 6}, {`,"sys":`, 114, 24}, {`,"dia":`, 68, 14},
		{`,"skin":`, 32, 3}, {`,"hrv":`, 30, 30}, {`,"bat":`, 50, 50},
	}
}

// Append adds one message of the first n fields, at most MaxLoadValues, measured at the Unix millisecond.
func (v *LoadVitals) Append(b []byte, ms int64, n int) []byte {
	b = strconv.AppendInt(append(b, `{"ts":`...), ms, 10)
	fields := loadFields()
	for i := range min(n, len(fields)) {
		f := &fields[i]
		b = strconv.AppendInt(append(b, f.key...), int64(f.from)+int64(v.next()%f.span), 10)
	}
	return append(b, '}')
}

// next is xorshift64*.
func (v *LoadVitals) next() uint64 {
	v.state ^= v.state >> 12
	v.state ^= v.state << 25
	v.state ^= v.state >> 27
	return bits.RotateLeft64(v.state*2685821657736338717, 20)
}
