package telemetry

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-health/vigil"
)

func roundTrip(t interface{ Fatalf(string, ...any) }, c *chunk) []byte {
	var s scratch
	b := encodeChunk(nil, c, &s)
	h, err := decodeHead(b, c.start)
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	var cols columns
	if err := decodeChunk(&h, &cols, &s); err != nil {
		t.Fatalf("chunk: %v", err)
	}
	want := summarize(c.t, c.v, c.q)
	if h.count != want.count || h.first != want.first || h.last != want.last || h.gap != want.gap || h.quality != want.quality {
		t.Fatalf("summary %+v, want %+v", h.summary, want)
	}
	for i := range c.t {
		q := vigil.Quality(0)
		if c.q != nil {
			q = c.q[i]
		}
		if cols.t[i] != c.t[i] || math.Float64bits(cols.v[i]) != math.Float64bits(c.v[i]) || cols.q[i] != q {
			t.Fatalf("sample %d: %d %v %d, want %d %v %d", i, cols.t[i], cols.v[i], cols.q[i], c.t[i], c.v[i], q)
		}
	}
	return b
}

func TestChunkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, chunkMax).Draw(t, "n")
		kind := rapid.SampledFrom([]string{"integers", "decimals", "floats", "constant", "wild"}).Draw(t, "kind")
		unit := rapid.SampledFrom([]int64{1, 1e3, 1e6, 1e9}).Draw(t, "unit")
		jitter := rapid.Int64Range(0, 1000).Draw(t, "jitter")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		c := &chunk{start: rapid.Int64Range(-1e18, 1e18).Draw(t, "start")}
		at := c.start + rng.Int64N(1e12)
		for range n {
			at += unit * (1 + rng.Int64N(jitter+1))
			c.t = append(c.t, at)
			v := float64(rng.IntN(300))
			switch kind {
			case "decimals":
				v = float64(rng.IntN(100000)) / 1000
			case "floats":
				v = rng.NormFloat64()
			case "constant":
				v = 36.6
			case "wild":
				v = math.Float64frombits(rng.Uint64())
			}
			c.v = append(c.v, v)
		}
		if rapid.Bool().Draw(t, "qualities") {
			for range n {
				c.q = append(c.q, vigil.Quality(rng.IntN(3)))
			}
		}
		roundTrip(t, c)
	})
}

func TestChunkSpecialValues(t *testing.T) {
	for _, v := range [][]float64{
		{0, math.Copysign(0, -1)}, {math.NaN(), 1, math.NaN()}, {math.Inf(1), math.Inf(-1)}, {1e300, 1}, {-5, 0.0001, -0.25},
		{1 << 47, -(1 << 47)}, {math.MaxFloat64}, {math.SmallestNonzeroFloat64, 0},
	} {
		c := &chunk{v: v}
		for i := range v {
			c.t = append(c.t, int64(i)*1e9)
		}
		roundTrip(t, c)
	}
}

func TestChunkSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, x := range []struct {
		name   string
		jitter int64
		most   float64
	}{{"regular 1 Hz", 0, 0.5}, {"20 ms jitter", 20, 1.4}} {
		c, hr := &chunk{}, 80.0
		for i := range chunkSamples {
			hr += float64(rng.IntN(3) - 1)
			c.t, c.v = append(c.t, int64(i)*1e9+rng.Int64N(2*x.jitter+1)*1e6), append(c.v, hr)
		}
		got := float64(len(roundTrip(t, c))) / chunkSamples
		t.Logf("%s: %.2f bytes per sample", x.name, got)
		if got > x.most {
			t.Errorf("%s: %.2f bytes per sample, want at most %.2f", x.name, got, x.most)
		}
	}
}

func TestChunkDetectsEveryFlip(t *testing.T) {
	c := &chunk{}
	for i := range 100 {
		c.t, c.v = append(c.t, int64(i)*1e9), append(c.v, float64(60+i%7))
	}
	b := roundTrip(t, c)
	for i := range len(b) * 8 {
		bad := bytes.Clone(b)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := decodeHead(bad, 0); err == nil {
			t.Errorf("bit %d flipped: not noticed", i)
		}
	}
}

func TestWaveRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s scratch
		w := vigil.Waveform{Metric: "ecg-ii", Period: 4e6, Scale: 0.005, Offset: -1, Data: rapid.SliceOfN(rapid.Int16(), 0, 700).Draw(t, "data")}
		if rapid.Bool().Draw(t, "smooth") {
			for i := range w.Data {
				w.Data[i] = int16(300 * math.Sin(float64(i)/20))
				if i%97 == 0 {
					w.Data[i] = vigil.WaveformMissing
				}
			}
		}
		got, err := decodeWave(encodeWave(nil, &w, &s), &s)
		if err != nil {
			t.Fatal(err)
		}
		got.Metric = w.Metric
		if len(w.Data) == 0 {
			w.Data, got.Data = nil, nil
		}
		if !reflect.DeepEqual(got, w) {
			t.Fatalf("got %v, want %v", got, w)
		}
	})
}

func sampleReport() *vigil.Report {
	const now = 1_760_000_000_123_456_789
	return &vigil.Report{
		Device: "monitor-7", Subject: "Patient/sara", Received: now, Protocol: "mqtt",
		Samples: []vigil.Sample{
			{Metric: "heart-rate", Time: now - 5e8, Value: 72},
			{Metric: "temperature", Time: now - 5e8, Value: 36.6, Quality: vigil.QualityLate},
			{Metric: "own-thing", Time: now - 1e9 - 1, Value: math.Pi},
			{Metric: "spo2", Time: now, Value: math.Inf(1)},
		},
		Waveforms: []vigil.Waveform{{Metric: "ecg-ii", Start: now - 1e9, Period: 4e6, Scale: 0.01, Data: []int16{1, 2, 3, vigil.WaveformMissing, 5}}},
		Events:    []vigil.Event{{Kind: "dose-taken", Time: now - 7e9, Data: map[string]string{"medication": "metoprolol-25", "slot": "2"}}, {Kind: "door-opened", Time: now}},
	}
}

func TestReportRoundTrip(t *testing.T) {
	var s scratch
	record := []byte{recordVersion}
	var want []*vigil.Report
	for i, subject := range []vigil.Subject{"Patient/sara", "Location/icu-3", "Patient/", "odd"} {
		r := sampleReport()
		r.Subject = subject
		if i == 2 {
			r.Samples, r.Waveforms, r.Events = nil, nil, nil
		}
		want = append(want, r)
		record = appendFrame(record, r, &s)
	}
	var got []*vigil.Report
	damaged, err := decodeRecord(record, &s, func(r *vigil.Report, _ []byte) error { got = append(got, r); return nil })
	if err != nil || damaged != 0 || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %d damaged, %v", got, damaged, err)
	}
}

func TestRecordFlipsAreNoticedAndTheRestIsServed(t *testing.T) {
	var s scratch
	record := []byte{recordVersion}
	for range 3 {
		record = appendFrame(record, sampleReport(), &s)
	}
	for i := range len(record) * 8 {
		bad := bytes.Clone(record)
		bad[i/8] ^= 1 << (i % 8)
		good := 0
		damaged, _ := decodeRecord(bad, &s, func(r *vigil.Report, _ []byte) error {
			if !reflect.DeepEqual(r, sampleReport()) {
				t.Errorf("bit %d flipped: a wrong report came out", i)
			}
			good++
			return nil
		})
		if damaged == 0 {
			t.Errorf("bit %d flipped: not noticed", i)
		}
		if i/8 > 8 && i/8 < len(record)/3-4 && good != 2 {
			t.Errorf("bit %d of the first report flipped: %d of 2 others served", i, good)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var s scratch
	f.Add(appendFrame([]byte{recordVersion}, sampleReport(), &s))
	f.Add(appendReport(nil, sampleReport(), &s))
	c := &chunk{t: []int64{1, 5, 9}, v: []float64{1, 2.5, math.Pi}, q: []vigil.Quality{0, 1, 0}}
	f.Add(encodeChunk(nil, c, &s))
	f.Add(encodeCorrection(&Correction{Old: 1, New: 2.5, OldReceived: at(77), Protocol: "mqtt"}))
	f.Add(encodeWave(nil, &vigil.Waveform{Period: 1, Data: []int16{1, -5, 900}}, &s))
	f.Add(encodeBlock(nil, 0, 0, []summary{{count: 2, first: 0, last: 1e9, gap: 1e9, min: 1, max: 2.5, sum: 3.5}, {count: 1, first: minute, last: minute, min: math.Pi, max: math.Pi, sum: math.Pi}}, &s))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s scratch
		_, _ = decodeRecord(b, &s, func(*vigil.Report, []byte) error { return nil })
		if r, ok := decodeReport(b, &s); ok {
			again, ok := decodeReport(appendReport(nil, r, &s), &s)
			if !ok || !bytes.Equal(appendReport(nil, again, &s), appendReport(nil, r, &s)) {
				t.Errorf("%+v does not come back: %+v", r, again)
			}
		}
		for _, sealed := range [][]byte{b, seal(b)} {
			if h, err := decodeHead(sealed, 0); err == nil {
				var cols columns
				_ = decodeChunk(&h, &cols, &s)
			}
			_, _ = decodeWave(sealed, &s)
			for k := range levels {
				_, _ = decodeBlock(sealed, k, 0, &s)
			}
		}
		_, _ = decodeEvent(b)
		if c, ok := decodeCorrection(b); ok {
			if again, ok := decodeCorrection(encodeCorrection(&c)); !ok || !bytes.Equal(encodeCorrection(&again), encodeCorrection(&c)) {
				t.Errorf("%+v does not come back: %+v", c, again)
			}
		}
		_, _, _ = decodeLast(b)
		_ = decodeWaveInfo(b, &wave{})
		if len(b) > 0 {
			_, _, _ = splitLastKey(b)
		}
	})
}

// seal gives the bytes a right sum, so that fuzzing reaches what lies behind it.
func seal(b []byte) []byte {
	if len(b) < 6 {
		return b
	}
	b = bytes.Clone(b)
	putSum(b)
	return b
}
