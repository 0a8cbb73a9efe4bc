package sim

import (
	"encoding/binary"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
)

const (
	vdMissing = -32768
	vdBytes   = 64 << 20 // of one record, packed
	vdSignals = 16
)

// vdSignal is one channel of a .vd record: physical value = (integer - offset) / scale.
type vdSignal struct {
	name          string
	scale, offset float64
}

// parseSignals reads "II:mV:500|PLETH:NU:1000", or with an offset at the end "MLII:mV:200:1024".
func parseSignals(text string) ([]vdSignal, error) {
	var out []vdSignal
	for part := range strings.SplitSeq(text, "|") {
		f := strings.Split(part, ":")
		if len(f) < 3 || len(f) > 4 || f[0] == "" {
			return nil, vigil.Errorf(vigil.Invalid, "replay.signals", "%q is no signal; write NAME:UNIT:SCALE, such as II:mV:500, several joined by |", part)
		}
		s := vdSignal{name: f[0]}
		var err error
		if s.scale, err = strconv.ParseFloat(f[2], 64); err != nil || !(s.scale > 0) || math.IsInf(s.scale, 0) {
			return nil, vigil.Errorf(vigil.Invalid, "replay.signals", "%q: the scale must be a number above 0: integers for one %s", part, f[1])
		}
		if len(f) == 4 {
			if s.offset, err = strconv.ParseFloat(f[3], 64); err != nil || math.IsNaN(s.offset) || math.IsInf(s.offset, 0) {
				return nil, vigil.Errorf(vigil.Invalid, "replay.signals", "%q: the offset is no number", part)
			}
		}
		if out = append(out, s); len(out) > vdSignals {
			return nil, vigil.Errorf(vigil.Invalid, "replay.signals", "more than %d signals", vdSignals)
		}
	}
	return out, nil
}

// vd is a record in the .vd encoding: each channel holds first differences as zig-zag varints.
type vd struct {
	channels []vdChannel
	perSec   int
	buf      [][]float64
}

type vdChannel struct {
	vdSignal
	rest []byte
	sum  int64
}

// openVD splits a record into its channels: one channel stands alone, several carry their length before them.
func openVD(data []byte, signals []vdSignal, rate int, framed bool) (*vd, error) {
	v := &vd{perSec: rate}
	for i, s := range signals {
		part := data
		if framed {
			if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
				return nil, vigil.Errorf(vigil.Invalid, "replay.vd", "channel %d (%s) is cut off; fetch the file again, or name the signals it has with --signals", i+1, s.name)
			}
			n := binary.LittleEndian.Uint32(data)
			part, data = data[4:4+n], data[4+n:]
		}
		v.channels = append(v.channels, vdChannel{vdSignal: s, rest: part})
		v.buf = append(v.buf, nil)
	}
	if framed && len(data) > 0 {
		return nil, vigil.Errorf(vigil.Invalid, "replay.vd", "the record has more channels than the %d named; name all with --signals", len(signals))
	}
	return v, nil
}

// samples counts the samples of the longest channel without decoding them.
func (v *vd) samples() (n int) {
	for _, c := range v.channels {
		count := 0
		for _, b := range c.rest {
			if b < 0x80 {
				count++
			}
		}
		n = max(n, count)
	}
	return n
}

// next implements waveSource.
func (v *vd) next() ([][]float64, error) {
	more := false
	for i := range v.channels {
		c := &v.channels[i]
		v.buf[i] = v.buf[i][:0]
		for len(v.buf[i]) < v.perSec && len(c.rest) > 0 {
			d, n := binary.Varint(c.rest)
			if n <= 0 {
				return nil, vigil.Errorf(vigil.Invalid, "replay.vd", "the channel %s is damaged; fetch the file again", c.name)
			}
			c.rest = c.rest[n:]
			c.sum += d
			if c.sum == vdMissing {
				v.buf[i] = append(v.buf[i], math.NaN())
				continue
			}
			v.buf[i] = append(v.buf[i], (float64(c.sum)-c.offset)/c.scale)
		}
		more = more || len(v.buf[i]) > 0
	}
	if !more {
		return nil, io.EOF
	}
	return v.buf, nil
}

// Close implements waveSource.
func (v *vd) Close() error { return nil }

// recordVD makes a recording of a .vd record.
func recordVD(id string, data []byte, signals []vdSignal, layout vdLayout) (*Recording, error) {
	if layout.rate < 1 || layout.rate > 20_000 {
		return nil, vigil.Errorf(vigil.Invalid, "replay.vd", "%s does not say how many samples a second it has; name it with --rate", id)
	}
	probe, err := openVD(data, signals, layout.rate, layout.framed)
	if err != nil {
		return nil, err
	}
	r := &Recording{ID: id, open: func() (waveSource, error) { return openVD(data, signals, layout.rate, layout.framed) }}
	r.Lasts = seconds(probe.samples(), layout.rate)
	for i, s := range signals {
		r.addSignal(layout.voice, s.name, float64(layout.rate), i)
	}
	return r, nil
}

type vdLayout struct {
	rate   int
	framed bool
	voice  monitorVoice
}

// addSignal takes a waveform in, or says why it is left out.
func (r *Recording) addSignal(voice monitorVoice, name string, rate float64, channel int) {
	s, why := voice.signal(name, rate, channel)
	if why == "" {
		for _, had := range r.Signals {
			if had.Metric == s.Metric {
				why = name + ": " + had.Name + " is replayed as " + string(s.Metric) + " already"
			}
		}
	}
	if why != "" {
		r.Left = append(r.Left, why)
		return
	}
	r.Signals = append(r.Signals, s)
}
