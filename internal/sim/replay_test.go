package sim_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/sim"
)

// write puts files into a directory of the test.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// channel is one channel in the .vd encoding.
func channel(samples []int64) string {
	var b []byte
	last := int64(0)
	for _, s := range samples {
		b = binary.AppendVarint(b, s-last)
		last = s
	}
	return string(b)
}

func framed(channels ...[]int64) string {
	out := ""
	for _, c := range channels {
		text := channel(c)
		out += string(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))) + text
	}
	return out
}

func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// heard is what the replay profile makes of everything that was sent.
type heard struct {
	messages int
	samples  map[string][]vigil.Sample // device/metric
	waves    map[string][]vigil.Waveform
}

// hear plays on a clock that only moves when somebody sleeps.
func hear(t *testing.T, records []*sim.Recording, speed float64) heard {
	t.Helper()
	profiles, err := catalog.Devices()
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := ingest.Compile(profiles[sim.ReplayProfile])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	out := heard{samples: map[string][]vigil.Sample{}, waves: map[string][]vigil.Waveform{}}
	p := sim.Replay{Recordings: records, Speed: speed, Now: func() time.Time { return now },
		Device: func(r *sim.Recording) string { return r.ID },
		Sleep: func(_ context.Context, d time.Duration) error {
			now = now.Add(max(0, d))
			return nil
		},
		Send: func(_ context.Context, batch []sim.Packet) error {
			for _, m := range batch {
				got, err := mapper.Map(m.Payload, now)
				if err != nil || len(got[0].Problems) > 0 {
					t.Fatalf("%s: %v %+v: %s", m.Device, err, got, m.Payload)
				}
				out.messages++
				for _, s := range got[0].Report.Samples {
					key := m.Device + "/" + string(s.Metric)
					out.samples[key] = append(out.samples[key], s)
				}
				for _, w := range got[0].Report.Waveforms {
					key := m.Device + "/" + string(w.Metric)
					out.waves[key] = append(out.waves[key], w)
				}
			}
			return nil
		}}
	done, err := p.Run(t.Context())
	if err != nil || done.Messages != out.messages {
		t.Fatalf("%+v, %v; heard %d", done, err, out.messages)
	}
	return out
}

// physical joins the blocks of a waveform and holds that they follow each other without a gap.
func physical(t *testing.T, blocks []vigil.Waveform) (out []float64) {
	t.Helper()
	for i, b := range blocks {
		if i > 0 && max(b.Start-blocks[i-1].End(), blocks[i-1].End()-b.Start) > 1000 { // a period is whole nanoseconds
			t.Errorf("block %d begins %d ns after the last ended", i, b.Start-blocks[i-1].End())
		}
		for _, v := range b.Data {
			if v == vigil.WaveformMissing {
				out = append(out, math.NaN())
				continue
			}
			out = append(out, b.Offset+b.Scale*float64(v))
		}
	}
	return out
}

func same(a, b float64) bool { return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9 }

func TestReplayCSV(t *testing.T) {
	dir := write(t, map[string]string{"ward.csv.gz": gz("bed,clock,Herz,SpO2,mood\nA,0,70,97,good\nA,1,71,,good\nB,0,90,92,bad\nA,2.5,72,0,good\n")})
	records, err := sim.OpenRecordings([]string{filepath.Join(dir, "ward.csv.gz")}, sim.Reading{Columns: sim.Columns{
		Time: "clock", ID: "bed", Map: map[string]string{"Herz": "heart-rate"}, Missing: []float64{0}}})
	if err != nil {
		t.Fatal(err)
	}
	got := hear(t, records, 1)
	if len(records) != 2 || len(records[0].Left) != 1 || !strings.Contains(records[0].Left[0], "--map mood=") {
		t.Fatalf("%+v", records)
	}
	hr := got.samples["A/heart-rate"]
	if len(hr) != 3 || hr[2].Value != 72 || hr[2].Time-hr[0].Time != int64(2500*time.Millisecond) || hr[0].Quality != 0 {
		t.Errorf("heart rate %+v", hr)
	}
	if n := len(got.samples["A/spo2"]); n != 1 {
		t.Errorf("%d values of SpO2, want 1: one is empty, one means not measured", n)
	}
	if len(got.samples["B/heart-rate"]) != 1 {
		t.Error("record B is missing")
	}
	max := hear(t, records, 0)
	if n := len(max.samples["A/heart-rate"]); n != 3 {
		t.Errorf("%d heart rates at the highest speed", n)
	}
}

func TestReplayStays(t *testing.T) {
	const rate, secs = 125, 3
	var pleth, ecg, resp []int64
	for i := range int64(rate * secs) {
		pleth, ecg, resp = append(pleth, 400+i%90), append(ecg, i%700-350), append(resp, 200+i/9)
	}
	pleth[7] = -32768
	dir := write(t, map[string]string{
		"numerics_1hz.csv.gz": gz("record,t_s,HR,PULSE,RESP,SpO2\n02,0,93,92,16,100\n02,1,94,93,16,100\n02,2,94,93,,100\n02,3,95,93,17,99\n"),
		"data.zip":            zipped(t, map[string]string{"02.vd": framed(pleth, ecg, resp), "02.fix.txt": "bidmc_02\nAge: 65\nGender: M\nLocation: micu\n"}),
	})
	records, err := sim.OpenRecordings([]string{dir}, sim.Reading{})
	if err != nil {
		t.Fatal(err)
	}
	r := records[0]
	if r.Title() != "Record 02, BIDMC" || r.Age != 65 || r.Sex != "M" || r.Unit != "micu" || r.Lasts != 4*time.Second || len(r.Signals) != 3 {
		t.Fatalf("%+v", r)
	}
	got := hear(t, records, 1)
	if got.messages != 4 || len(got.samples["02/respiratory-rate"]) != 3 || len(got.samples["02/heart-rate"]) != 4 {
		t.Errorf("%d messages, %+v", got.messages, got.samples)
	}
	for name, want := range map[string]struct {
		raw   []int64
		scale float64
	}{"pleth": {pleth, 1000}, "ecg-ii": {ecg, 500}, "resp-wave": {resp, 1000}} {
		list := physical(t, got.waves["02/"+name])
		if len(list) != rate*secs {
			t.Fatalf("%s: %d samples", name, len(list))
		}
		for i, v := range list {
			w := float64(want.raw[i]) / want.scale
			if want.raw[i] == -32768 {
				w = math.NaN()
			}
			if !same(v, w) {
				t.Fatalf("%s: sample %d is %g, was recorded as %g", name, i, v, w)
			}
		}
	}
}

// pack212 packs pairs of twelve-bit samples.
func pack212(list []int) string {
	var b []byte
	for i := 0; i < len(list); i += 2 {
		a, c := list[i]&0xfff, 0
		if i+1 < len(list) {
			c = list[i+1] & 0xfff
		}
		b = append(b, byte(a), byte(a>>8|c>>8<<4), byte(c))
	}
	return string(b)
}

func TestReplayWFDB(t *testing.T) {
	var dat212 []int
	var dat16 []byte
	for i := range 360 * 2 {
		dat212 = append(dat212, 1024+i%900-400, 1000-i%30)
		dat16 = binary.LittleEndian.AppendUint16(dat16, uint16(int16(i*3-900)))
	}
	dir := write(t, map[string]string{
		"100.hea": "100 3 360 720 10:30:00 4/5/2026\n100.dat 212 200/mV 11 1024 995 0 0 MLII\n100.dat 212 200/mV 11 1024 1011 0 0 V5\nabp.dat 16+4 20(0)/mmHg 16 0 0 0 0 ABP\n# invented\n",
		"100.dat": pack212(dat212),
		"abp.dat": "skip" + string(dat16),
		"num.hea": "num 2 1 3\nnum.dat 16 1/bpm 16 0 0 0 0 HR\nnum.dat 16 10/% 16 0 0 0 0 SpO2\n",
		"num.dat": string([]byte{70, 0, 0xd4, 3, 71, 0, 0, 0x80, 72, 0, 0xca, 3}),
	})
	records, err := sim.OpenRecordings([]string{filepath.Join(dir, "100.hea"), filepath.Join(dir, "num.dat")}, sim.Reading{})
	if err != nil {
		t.Fatal(err)
	}
	if r := records[0]; r.Lasts != 2*time.Second || !r.Start.Equal(time.Date(2026, 5, 4, 10, 30, 0, 0, time.UTC)) || len(r.Signals) != 2 ||
		len(r.Left) != 1 || !strings.Contains(r.Left[0], "ABP at 360 Hz") {
		t.Fatalf("%+v", r)
	}
	got := hear(t, records, 10)
	ecg, v := physical(t, got.waves["100/ecg-ii"]), physical(t, got.waves["100/ecg-v"])
	if len(ecg) != 720 || len(v) != 720 {
		t.Fatalf("%d and %d samples", len(ecg), len(v))
	}
	for i := range ecg {
		if !same(ecg[i], float64(dat212[2*i]-1024)/200) || !same(v[i], float64(dat212[2*i+1]-1024)/200) {
			t.Fatalf("sample %d: %g, %g", i, ecg[i], v[i])
		}
	}
	if s := got.samples["num/spo2"]; len(s) != 2 || s[0].Value != 98 || s[1].Value != 97 || len(got.samples["num/heart-rate"]) != 3 {
		t.Errorf("numbers %+v", got.samples)
	}
}

func TestReplaySingleVD(t *testing.T) {
	var ecg []int64
	for i := range int64(720) {
		ecg = append(ecg, 1024+i%50)
	}
	dir := write(t, map[string]string{"101.vd.gz": gz(channel(ecg))})
	records, err := sim.OpenRecordings([]string{filepath.Join(dir, "101.vd.gz")}, sim.Reading{Signals: "MLII:mV:200:1024", Rate: 360})
	if err != nil {
		t.Fatal(err)
	}
	if got := physical(t, hear(t, records, 0).waves["101/ecg-ii"]); len(got) != 720 || !same(got[49], 0.245) {
		t.Errorf("%d samples, %g", len(got), got[49])
	}
}

func TestReplayErrors(t *testing.T) {
	dir := write(t, map[string]string{
		"notime.csv": "a,b\n1,2\n", "nomap.csv": "t,b\n1,2\n", "text.csv": "t,HR\n0,high\n", "back.csv": "t,HR\n5,70\n1,70\n", "empty.csv": "", "strange.bin": "x",
		"x.vd": "\x01", "f8.hea": "f8 1 250 10\nf8.dat 8 200 8 0 0 0 0 II\n", "up.hea": "up 1 250 10\n../secret 16 200 16 0 0 0 0 II\n", "few.hea": "few 2 250 10\nfew.dat 16 200 16 0 0 0 0 II\n",
		"seg.hea": "seg/3 1 250 10\n", "cut.zip": "PK",
	})
	for _, c := range []struct {
		file, want string
		how        sim.Reading
	}{
		{"notime.csv", "notime.csv:1: no column", sim.Reading{}},
		{"nomap.csv", "map one with --map", sim.Reading{}},
		{"nomap.csv", "is no metric of the catalogue", sim.Reading{Columns: sim.Columns{Map: map[string]string{"b": "mood"}}}},
		{"nomap.csv", "no column \"c\"", sim.Reading{Columns: sim.Columns{Map: map[string]string{"c": "spo2"}}}},
		{"text.csv", "text.csv:2: column 2: \"high\" is no number", sim.Reading{}},
		{"back.csv", "back.csv:3", sim.Reading{}},
		{"empty.csv", "no header line", sim.Reading{}},
		{"strange.bin", "is no recording that is known", sim.Reading{}},
		{"absent.csv", "cannot be read", sim.Reading{}},
		{"x.vd", "name it with --signals", sim.Reading{}},
		{"x.vd", "channel 1 (II) is cut off", sim.Reading{Signals: "II:mV:500|V:mV:500", Rate: 250}},
		{"x.vd", "NAME:UNIT:SCALE", sim.Reading{Signals: "II", Rate: 250}},
		{"f8.hea", "f8.hea:2: signal format \"8\" is not read, 16 and 212 are; convert", sim.Reading{}},
		{"up.hea", "must lie beside the header", sim.Reading{}},
		{"few.hea", "announces 2 signals and describes 1", sim.Reading{}},
		{"seg.hea", "segments one by one", sim.Reading{}},
		{"cut.zip", "no zip archive", sim.Reading{Signals: "II:mV:500", Rate: 250}},
		{".", "is not recognised", sim.Reading{Only: []string{"none"}}},
	} {
		t.Run(c.file, func(t *testing.T) {
			if c.file == "." {
				dir = write(t, nil)
			}
			_, err := sim.OpenRecordings([]string{filepath.Join(dir, c.file)}, c.how)
			if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWFDBNotes(t *testing.T) {
	word := func(code, delta int) string {
		return string(binary.LittleEndian.AppendUint16(nil, uint16(code<<10|delta)))
	}
	got, err := sim.ParseWFDBNotes([]byte(word(28, 18) + word(63, 3) + "(N\x00\x00" + word(1, 59) + word(59, 0) + "\x01\x00\x00\x00" + word(5, 1) + word(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	want := []sim.WFDBNote{{18, 28, "(N"}, {77, 1, ""}, {77 + 65536 + 1, 5, ""}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func FuzzWFDB(f *testing.F) {
	f.Add([]byte("100 2 360 4\n100.dat 212 200(1024)/mV 11 1024 995 0 0 MLII\n100.dat 212x2+1 200 11 1024 995 0 0 V5\n"), []byte("0123456789"))
	f.Add([]byte("a 1 1\nb.dat 16 0 16 0 0 0 0 HR\n# note\n"), []byte{1, 0, 2})
	f.Fuzz(func(t *testing.T, header, data []byte) {
		sim.ParseWFDBNotes(data) //nolint:errcheck // it must not panic
		h, err := sim.ParseWFDBHeader("f.hea", header)
		n := 0
		if err == nil {
			dir := fstest.MapFS{}
			for _, s := range h.Signals {
				dir[s.File] = &fstest.MapFile{Data: data}
			}
			n, err = sim.DrainWFDB(dir, h)
		}
		if err != nil && vigil.KindOf(err) != vigil.Invalid {
			t.Fatal(err)
		}
		if err == nil && n > len(data)*len(h.Signals) {
			t.Fatalf("%d samples from %d bytes", n, len(data))
		}
	})
}

func FuzzVD(f *testing.F) {
	f.Add([]byte(framed([]int64{1, 2, 3}, []int64{-32768, 5})), "II:mV:500|PLETH:NU:1000", 125, true)
	f.Add([]byte(channel([]int64{1024, 1030})), "MLII:mV:200:1024", 360, false)
	f.Fuzz(func(t *testing.T, data []byte, signals string, rate int, framed bool) {
		n, err := sim.DrainVD(data, signals, max(rate, -rate), framed)
		if err != nil && vigil.KindOf(err) != vigil.Invalid {
			t.Fatal(err)
		}
		if n > len(data)*16 {
			t.Fatalf("%d samples from %d bytes", n, len(data))
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add("record,t_s,HR\n02,0,93\n02,1,94\n")
	f.Add("time,SpO2\n2026-05-04T10:00:00Z,97\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := sim.ReadCSV("f.csv", strings.NewReader(text), sim.Columns{}); err != nil && vigil.KindOf(err) != vigil.Invalid {
			t.Fatal(err)
		}
	})
}
