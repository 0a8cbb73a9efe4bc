package signal

import (
	"encoding/binary"
	"testing"

	"github.com/vigil-health/vigil"
)

// FuzzStream feeds blocks of any start, rate, scale and content: nothing may panic, and no second is told twice.
func FuzzStream(f *testing.F) {
	f.Add([]byte("\x00\x04\x01abcdefghijklmnopqrstuvwxyz"), true)
	f.Add([]byte("\xff\x01\x00\x00\x80\x00\x80\x00\x80\xff\x7f"), false)
	f.Fuzz(func(t *testing.T, data []byte, ecg bool) {
		s := &stream{ecg: ecg}
		at, told := int64(1_700_000_000)*second, map[vigil.Sample]bool{}
		for len(data) > 4 {
			n := min(len(data)-3, int(data[0])*8)
			period := []int64{4e6, 8e6, 1e6, 2_777_777, 0, 1, 40e6}[data[1]%7]
			jump := int64(int8(data[2])) * second / 4
			block := make([]int16, 0, n*40)
			for k := range n * 40 {
				b := data[3+k%n:]
				if len(b) < 2 {
					b = []byte{b[0], 0}
				}
				block = append(block, int16(binary.LittleEndian.Uint16(b)))
			}
			at += jump
			w := vigil.Waveform{Start: at, Period: period, Scale: float64(int8(data[1])) / 1000, Data: block}
			for _, x := range s.feed(&w, nil) {
				x.Value, x.Quality = 0, 0
				if jump >= 0 && told[x] && period == 4e6 {
					t.Errorf("%s told twice at %d", x.Metric, x.Time)
				}
				told[x] = true
			}
			at += int64(len(block)) * max(period, 1)
			data = data[3+n:]
		}
	})
}
