package sim

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
)

// WFDBHeader is a record header (WFDB Applications Guide, header(5)).
type WFDBHeader struct {
	Record  string
	Rate    float64 // frames a second
	Frames  int     // 0 when the header does not say
	Start   time.Time
	Signals []WFDBSignal
	Info    []string // comment lines
}

// WFDBSignal is one signal of a record: physical value = (sample - Baseline) / Gain.
type WFDBSignal struct {
	File     string
	Format   int // 16 or 212
	PerFrame int
	Skip     int64 // bytes before the first sample
	Gain     float64
	Baseline float64
	Units    string
	Name     string
}

const (
	wfdbSignals  = 64
	wfdbPerFrame = 1000
)

func wfdbError(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "replay.wfdb", format, args...)
}

// ParseWFDBHeader reads a .hea file. It never panics; its Invalid error says which line and how to mend it.
func ParseWFDBHeader(name string, text []byte) (*WFDBHeader, error) {
	h := &WFDBHeader{Rate: 250}
	want := -1
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if c, ok := strings.CutPrefix(line, "#"); ok {
			h.Info = append(h.Info, strings.TrimSpace(c))
			continue
		}
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case want < 0:
			n, err := h.recordLine(f)
			if err != nil {
				return nil, wfdbError("%s:%d: %s", name, i+1, vigil.Message(err))
			}
			want = n
		case len(h.Signals) < want:
			s, err := wfdbSignalLine(f)
			if err != nil {
				return nil, wfdbError("%s:%d: %s", name, i+1, vigil.Message(err))
			}
			h.Signals = append(h.Signals, s)
		}
	}
	if want < 0 || len(h.Signals) < want {
		return nil, wfdbError("%s: it announces %d signals and describes %d; fetch the header again", name, max(want, 0), len(h.Signals))
	}
	return h, nil
}

// recordLine reads "100 2 360 650000 0:0:0 1/1/2000" and returns the number of signals.
func (h *WFDBHeader) recordLine(f []string) (int, error) {
	h.Record = f[0]
	if strings.Contains(f[0], "/") {
		return 0, wfdbError("%s is a record of several segments; replay its segments one by one", f[0])
	}
	if len(f) < 2 {
		return 0, wfdbError("the number of signals is missing")
	}
	n, err := strconv.Atoi(f[1])
	if err != nil || n < 1 || n > wfdbSignals {
		return 0, wfdbError("%q is no number of signals from 1 to %d", f[1], wfdbSignals)
	}
	if len(f) > 2 {
		rate, _, _ := strings.Cut(f[2], "/")
		rate, _, _ = strings.Cut(rate, "(")
		if h.Rate, err = strconv.ParseFloat(rate, 64); err != nil || !(h.Rate > 0 && h.Rate <= 20_000) {
			return 0, wfdbError("%q is no rate between 0 and 20000 per second", f[2])
		}
	}
	if len(f) > 3 {
		if h.Frames, err = strconv.Atoi(f[3]); err != nil || h.Frames < 0 || h.Frames > 1<<40 {
			return 0, wfdbError("%q is no number of samples", f[3])
		}
	}
	if len(f) > 5 {
		clock, _, _ := strings.Cut(f[4], ".")
		if at, err := time.Parse("15:4:5 2/1/2006", clock+" "+f[5]); err == nil {
			h.Start = at
		}
	}
	return n, nil
}

// wfdbSignalLine reads "100.dat 212 200(1024)/mV 11 1024 995 -22131 0 MLII".
func wfdbSignalLine(f []string) (WFDBSignal, error) {
	s := WFDBSignal{File: f[0], PerFrame: 1, Gain: 200, Units: "mV"}
	if s.File == "" || strings.ContainsAny(s.File, `/\`) || s.File == ".." || s.File == "." {
		return s, wfdbError("the signal file %q must lie beside the header", f[0])
	}
	if len(f) < 2 {
		return s, wfdbError("the format of %s is missing", s.File)
	}
	rest, skip, _ := strings.Cut(f[1], "+")
	rest, _, _ = strings.Cut(rest, ":") // skew between signals: at most a few samples, kept as recorded
	format, per, spf := strings.Cut(rest, "x")
	var err error
	if s.Format, err = strconv.Atoi(format); err != nil || s.Format != 16 && s.Format != 212 {
		return s, wfdbError("signal format %q is not read, 16 and 212 are; convert the record with `xform -i RECORD -o NEW`", format)
	}
	if spf {
		if s.PerFrame, err = strconv.Atoi(per); err != nil || s.PerFrame < 1 || s.PerFrame > wfdbPerFrame {
			return s, wfdbError("%q is no number of samples a frame", per)
		}
	}
	if skip != "" {
		if s.Skip, err = strconv.ParseInt(skip, 10, 64); err != nil || s.Skip < 0 {
			return s, wfdbError("%q is no number of bytes to skip", skip)
		}
	}
	if len(f) > 4 {
		if zero, err := strconv.ParseFloat(f[4], 64); err == nil {
			s.Baseline = zero
		}
	}
	if len(f) > 2 {
		if err := s.gain(f[2]); err != nil {
			return s, err
		}
	}
	if len(f) > 8 {
		s.Name = strings.Join(f[8:], " ")
	}
	return s, nil
}

// gain reads "200(1024)/mV".
func (s *WFDBSignal) gain(text string) error {
	text, units, ok := strings.Cut(text, "/")
	if ok {
		s.Units = units
	}
	text, base, ok := strings.Cut(text, "(")
	if ok {
		b, err := strconv.ParseFloat(strings.TrimSuffix(base, ")"), 64)
		if err != nil {
			return wfdbError("%q is no baseline", base)
		}
		s.Baseline = b
	}
	g, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(g) || math.IsInf(g, 0) {
		return wfdbError("%q is no gain", text)
	}
	if g != 0 { // 0: not calibrated, the default is used
		s.Gain = g
	}
	return nil
}

// wfdb reads the signal files of a record frame by frame.
type wfdb struct {
	head  *WFDBHeader
	files []*wfdbFile
	buf   [][]float64
	left  int // frames
	rate  int
}

// wfdbFile is one signal file with the signals interleaved in it.
type wfdbFile struct {
	in      *bufio.Reader
	closer  io.Closer
	format  int
	signals []int
	half    int // format 212: the second sample of a pair
	has     bool
}

func openWFDB(dir fs.FS, h *WFDBHeader, frames int) (w *wfdb, err error) {
	w = &wfdb{head: h, left: frames, rate: int(math.Round(h.Rate)), buf: make([][]float64, len(h.Signals))}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	byName := map[string]*wfdbFile{}
	for i, s := range h.Signals {
		f := byName[s.File]
		if f == nil {
			in, err := dir.Open(s.File)
			if err != nil {
				return w, wfdbError("the signal file %s is not beside the header; fetch it too", s.File)
			}
			f = &wfdbFile{in: bufio.NewReaderSize(in, 64<<10), closer: in, format: s.Format}
			byName[s.File] = f
			w.files = append(w.files, f)
			if _, err := io.CopyN(io.Discard, f.in, s.Skip); err != nil {
				return w, wfdbError("%s is shorter than what the header skips", s.File)
			}
		}
		if f.format != s.Format {
			return w, wfdbError("%s has two formats, %d and %d; mend the header", s.File, f.format, s.Format)
		}
		f.signals = append(f.signals, i)
	}
	return w, nil
}

// sample returns the next sample of the file and whether it is valid.
func (f *wfdbFile) sample() (v int, ok bool, err error) {
	var b [3]byte
	if f.format == 16 {
		if _, err := io.ReadFull(f.in, b[:2]); err != nil {
			return 0, false, err
		}
		v := int(int16(binary.LittleEndian.Uint16(b[:2])))
		return v, v != math.MinInt16, nil
	}
	if f.has {
		f.has = false
		return f.half, f.half != -2048, nil
	}
	n, err := io.ReadFull(f.in, b[:])
	if n < 2 {
		return 0, false, err
	}
	if n == 3 {
		f.half, f.has = twelve(int(b[2])|int(b[1]&0xf0)<<4), true
	}
	v = twelve(int(b[0]) | int(b[1]&0x0f)<<8)
	return v, v != -2048, nil
}

// twelve extends the sign of twelve bits.
func twelve(v int) int {
	if v >= 2048 {
		return v - 4096
	}
	return v
}

// next implements waveSource.
func (w *wfdb) next() ([][]float64, error) {
	for i := range w.buf {
		w.buf[i] = w.buf[i][:0]
	}
	n := min(w.rate, w.left)
	for k := range n {
		if err := w.frame(); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			if w.left = 0; k > 0 {
				return w.buf, nil
			}
			return nil, io.EOF
		} else if err != nil {
			return nil, err
		}
	}
	if w.left -= n; n == 0 {
		return nil, io.EOF
	}
	return w.buf, nil
}

func (w *wfdb) frame() error {
	for _, f := range w.files {
		for _, i := range f.signals {
			s := &w.head.Signals[i]
			for range s.PerFrame {
				v, ok, err := f.sample()
				if err != nil {
					return err
				}
				x := math.NaN()
				if ok {
					x = (float64(v) - s.Baseline) / s.Gain
				}
				w.buf[i] = append(w.buf[i], x)
			}
		}
	}
	return nil
}

// Close implements waveSource.
func (w *wfdb) Close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.closer.Close())
	}
	return errors.Join(errs...)
}

// recordWFDB makes a recording of a record: numbers when it has at most two frames a second, else waveforms.
func recordWFDB(dir fs.FS, header string, voice monitorVoice) (*Recording, error) {
	text, err := readSome(dir, header, 1<<20)
	if err != nil {
		return nil, err
	}
	h, err := ParseWFDBHeader(header, text)
	if err != nil {
		return nil, err
	}
	frames, err := wfdbFrames(dir, h)
	if err != nil {
		return nil, err
	}
	r := &Recording{ID: strings.TrimSuffix(path.Base(header), ".hea"), Start: h.Start, open: func() (waveSource, error) { return openWFDB(dir, h, frames) }}
	if h.Rate <= 2 {
		return r, r.numbersOf(dir, h, voice)
	}
	r.Lasts = seconds(frames, h.Rate)
	for i, s := range h.Signals {
		if h.Rate != math.Trunc(h.Rate) {
			r.Left = append(r.Left, s.Name+": "+strconv.FormatFloat(h.Rate, 'g', -1, 64)+" Hz is no whole number of samples a second")
			continue
		}
		r.addSignal(voice, s.Name, h.Rate*float64(s.PerFrame), i)
	}
	return r, nil
}

// seconds returns how long samples last, whole seconds.
func seconds[T int | float64](samples int, rate T) time.Duration {
	s := math.Min(math.Ceil(float64(samples)/float64(rate)), 1e9)
	return time.Duration(s) * time.Second
}

// wfdbFrames returns how many frames the signal files hold, by their sizes: a header may say more, or nothing.
func wfdbFrames(dir fs.FS, h *WFDBHeader) (frames int, err error) {
	perFrame, skip := map[string]int64{}, map[string]int64{} // in half bytes
	for _, s := range h.Signals {
		perFrame[s.File] += int64(s.PerFrame) * map[int]int64{16: 4, 212: 3}[s.Format]
		skip[s.File] = s.Skip
	}
	for name, half := range perFrame {
		info, err := fs.Stat(dir, name)
		if err != nil {
			return 0, wfdbError("the signal file %s is not beside the header; fetch it too", name)
		}
		frames = max(frames, int((max(0, info.Size()-skip[name])*2+half-1)/half))
	}
	if h.Frames > 0 {
		frames = min(frames, h.Frames)
	}
	return frames, nil
}

// numbersOf reads a numerics record, such as the n records of MIMIC.
func (r *Recording) numbersOf(dir fs.FS, h *WFDBHeader, voice monitorVoice) (err error) {
	metrics := make([]vigil.Metric, len(h.Signals))
	for i, s := range h.Signals {
		m, ok := numericMetric(s.Name)
		if _, has := voice.code(m); !ok || !has {
			r.Left = append(r.Left, s.Name+": no number is known under this name")
			continue
		}
		metrics[i] = m
	}
	w, err := openWFDB(dir, h, cmp.Or(h.Frames, 1<<40)) // the files end it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	r.open, w.rate = nil, 1
	for k := 0; k*max(len(h.Signals), 1) < csvValues; k++ {
		block, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		now := row{at: time.Duration(float64(k) / h.Rate * float64(time.Second)).Round(time.Millisecond)}
		for i, b := range block {
			if metrics[i] != "" && len(b) > 0 && !math.IsNaN(b[0]) {
				now.values = append(now.values, reading{metrics[i], b[0]})
			}
		}
		r.rows = append(r.rows, now)
		r.Lasts = now.at.Truncate(time.Second) + time.Second
	}
	return nil
}

// WFDBNote is one annotation of a record.
type WFDBNote struct {
	Sample int64
	Code   int    // as in ecgcodes.h: 1 is a normal beat, 5 a premature ventricular one, 28 a change of rhythm
	Text   string // "(AFIB"
}

// ParseWFDBNotes reads annotations in the MIT format (annot(5)), at most a million.
func ParseWFDBNotes(data []byte) (out []WFDBNote, err error) {
	const skip, num, sub, chn, aux, most = 59, 60, 61, 62, 63, 1_000_000
	at := int64(0)
	for len(data) >= 2 && len(out) < most {
		word := binary.LittleEndian.Uint16(data)
		data = data[2:]
		code, delta := int(word>>10), int(word&0x3ff)
		switch {
		case word == 0:
			return out, nil
		case code == skip:
			if len(data) < 4 {
				return out, wfdbError("the annotations are cut off")
			}
			at += int64(int32(uint32(binary.LittleEndian.Uint16(data))<<16 | uint32(binary.LittleEndian.Uint16(data[2:]))))
			data = data[4:]
		case code == aux:
			if len(data) < delta {
				return out, wfdbError("the annotations are cut off")
			}
			if len(out) > 0 {
				out[len(out)-1].Text = strings.TrimRight(strings.ToValidUTF8(string(data[:delta]), "?"), "\x00")
			}
			data = data[min(delta+delta%2, len(data)):]
		case code == num, code == sub, code == chn:
		default:
			at += int64(delta)
			out = append(out, WFDBNote{Sample: at, Code: code})
		}
	}
	return out, nil
}
