package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
)

// ReplayProfile is the catalogue profile that replayed recordings speak.
const ReplayProfile = "replay-monitor"

// Recording is what one patient's monitor said at some time: numbers, waveforms or both.
type Recording struct {
	ID      string    // within its source, "02"
	Source  string    // "BIDMC", or the file
	Sex     string    // F, M or "" for unknown
	Age     int       // years, 0 for unknown
	Unit    string    // "micu"
	Start   time.Time // zero when the recording has no date of its own
	Lasts   time.Duration
	Signals []Signal // waveforms that are replayed
	Left    []string // what is not replayed, and why
	rows    []row    // ascending
	open    func() (waveSource, error)
}

// Title is the invented name under which the recording's patient is admitted: "Record 02, BIDMC".
func (r *Recording) Title() string {
	if r.Source == "" {
		return "Record " + r.ID
	}
	return "Record " + r.ID + ", " + r.Source
}

// Metrics returns the metrics of the recording's numbers.
func (r *Recording) Metrics() (out []vigil.Metric) {
	seen := map[vigil.Metric]bool{}
	for _, row := range r.rows {
		for _, v := range row.values {
			if !seen[v.metric] {
				seen[v.metric] = true
				out = append(out, v.metric)
			}
		}
	}
	return out
}

// row is the numbers of one moment.
type row struct {
	at     time.Duration
	values []reading
}

type reading struct {
	metric vigil.Metric
	value  float64
}

// Signal is one waveform of a recording.
type Signal struct {
	Name    string // as recorded
	Rate    float64
	Metric  vigil.Metric
	from    string  // field of the profile
	scale   float64 // of the profile
	channel int     // of the source
}

// waveSource reads the waveforms of a recording second by second with bounded memory.
type waveSource interface {
	// next returns the physical values of the next second of every channel, NaN where missing. The slices are valid
	// until the next call. After the end it returns io.EOF.
	next() ([][]float64, error)
	Close() error
}

// monitorVoice knows how the replay profile wants to hear metrics.
type monitorVoice struct{ profile *catalog.Profile }

func newVoice() (monitorVoice, error) {
	all, err := catalog.Devices()
	if err != nil {
		return monitorVoice{}, err
	}
	if all[ReplayProfile] == nil {
		return monitorVoice{}, vigil.Errorf(vigil.Internal, "replay.profile", "the catalogue has no profile %s", ReplayProfile)
	}
	return monitorVoice{all[ReplayProfile]}, nil
}

// code returns the name under which the profile takes a number.
func (v monitorVoice) code(m vigil.Metric) (string, bool) {
	for _, f := range v.profile.Fields {
		if f.Metric == m {
			return f.From, true
		}
	}
	return "", false
}

// signal fits a recorded waveform to the profile, or says why it cannot be replayed.
func (v monitorVoice) signal(name string, rate float64, channel int) (Signal, string) {
	metric, ok := waveMetric(name)
	if !ok {
		return Signal{}, fmt.Sprintf("%s: no waveform is known under this name", name)
	}
	for _, w := range v.profile.Waveforms {
		if w.Metric == metric && math.Abs(w.Rate-rate) < 1e-6*rate {
			return Signal{name, rate, metric, w.From, w.Scale, channel}, ""
		}
	}
	return Signal{}, fmt.Sprintf("%s at %g Hz: the profile %s has no %s at this rate, and nothing is resampled; add a line to it", name, rate, ReplayProfile, metric)
}

// Packet is one message of one device.
type Packet struct {
	Device  string
	Payload []byte
}

// Replay plays recordings as their monitors would send them.
//
//	recording ─► one message a second: its numbers and the waveforms of that second ─► batch of all recordings ─► Send
type Replay struct {
	Recordings []*Recording
	Device     func(r *Recording) string
	// Send hands a batch over and returns when it was acknowledged.
	Send func(ctx context.Context, batch []Packet) error
	// Speed is how many seconds of the recording pass in one; 0 is as fast as they are acknowledged. At 1 the recording
	// happens now. Faster, it ends now: the past comes late, as from a device that was cut off.
	Speed    float64
	Original bool // keep the times of the recording
	Progress func(done float64)
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error

	voice  monitorVoice
	began  time.Time
	shift  time.Time // when the first second of the recordings happens
	counts Replayed
}

// Replayed counts what was sent and acknowledged.
type Replayed struct{ Messages, Values, Samples int }

// Lasts returns the length of the longest recording.
func (p *Replay) Lasts() (d time.Duration) {
	for _, r := range p.Recordings {
		d = max(d, r.Lasts)
	}
	return d
}

// Begins returns when the first second of a recording happens, if playing began at now.
func (p *Replay) Begins(r *Recording, now time.Time) time.Time {
	switch {
	case p.Original:
		return r.Start
	case p.Speed == 0:
		return now.Add(-p.Lasts())
	case p.Speed > 1:
		return now.Add(time.Duration(float64(p.Lasts())/p.Speed) - p.Lasts())
	}
	return now
}

const batchMax = 400 // messages; some 2 kB each with waveforms

// Run plays once, beginning now, and returns what was acknowledged.
func (p *Replay) Run(ctx context.Context) (Replayed, error) {
	var err error
	if p.voice, err = newVoice(); err != nil {
		return Replayed{}, err
	}
	p.began, p.counts = p.Now(), Replayed{}
	var players []*player
	defer func() {
		for _, pl := range players {
			if pl.waves != nil {
				err = errors.Join(err, pl.waves.Close())
			}
		}
	}()
	for _, r := range p.Recordings {
		pl := &player{r: r, device: p.Device(r), base: p.Begins(r, p.began), voice: p.voice}
		if r.open != nil && len(r.Signals) > 0 {
			if pl.waves, err = r.open(); err != nil {
				return p.counts, fmt.Errorf("record %s: %w", r.ID, err)
			}
		}
		players = append(players, pl)
	}
	err = p.play(ctx, players)
	return p.counts, err
}

func (p *Replay) play(ctx context.Context, players []*player) error {
	var batch []Packet
	var values, samples int
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := p.Send(ctx, batch); err != nil {
			return err
		}
		p.counts.Messages += len(batch)
		p.counts.Values += values
		p.counts.Samples += samples
		batch, values, samples = batch[:0:0], 0, 0
		return nil
	}
	total := p.Lasts()
	for at := time.Duration(0); at < total; at += time.Second {
		if p.Speed > 0 {
			due := p.began.Add(time.Duration(float64(at+time.Second) / p.Speed)) // a second is said when it is over
			if err := p.Sleep(ctx, due.Sub(p.Now())); err != nil {
				return err
			}
		}
		for _, pl := range players {
			packets, err := pl.second(at)
			if err != nil {
				return fmt.Errorf("record %s at %s: %w", pl.r.ID, at, err)
			}
			batch = append(batch, packets...)
			values, samples = values+pl.values, samples+pl.samples
			pl.values, pl.samples = 0, 0
		}
		if p.Speed > 0 || len(batch) >= batchMax {
			if err := flush(); err != nil {
				return err
			}
		}
		if p.Progress != nil {
			p.Progress(float64(at+time.Second) / float64(total))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return flush()
}

// player is one recording being played.
type player struct {
	r               *Recording
	device          string
	base            time.Time
	voice           monitorVoice
	waves           waveSource
	over            bool // the waveforms are
	row             int
	values, samples int
}

// second returns the messages of [at, at+1s): the waveforms with the numbers of their first moment, then later numbers.
func (p *player) second(at time.Duration) (out []Packet, err error) {
	var blocks [][]float64
	if p.waves != nil && !p.over {
		blocks, err = p.waves.next()
		if errors.Is(err, io.EOF) {
			p.over, err = true, nil
		}
		if err != nil {
			return nil, err
		}
	}
	for first := true; ; first = false {
		var now *row
		if p.row < len(p.r.rows) && p.r.rows[p.row].at < at+time.Second {
			now = &p.r.rows[p.row]
		}
		when := at
		switch {
		case first && blocks != nil:
			if now != nil && now.at > at {
				now = nil
			}
		case now == nil:
			return out, nil
		default:
			when = now.at
		}
		if now != nil {
			p.row++
		}
		var b [][]float64
		if first {
			b = blocks
		}
		if m := p.message(p.base.Add(when), now, b); m != nil {
			out = append(out, Packet{p.device, m})
		}
	}
}

// message writes one message by the profile, nil when it would say nothing.
func (p *player) message(at time.Time, now *row, blocks [][]float64) []byte {
	m := newMessage(at)
	empty := len(m.b)
	if now != nil && len(now.values) > 0 {
		m.key("obs")
		for i, v := range now.values {
			code, _ := p.voice.code(v.metric)
			m.b = append(m.b, "[,"[min(i, 1)])
			m.b = append(m.b, `{"id":"`+code+`","v":`...)
			m.b = append(strconv.AppendFloat(m.b, v.value, 'f', -1, 64), '}')
			p.values++
		}
		m.b = append(m.b, ']')
	}
	first := true
	for _, s := range p.r.Signals {
		if s.channel >= len(blocks) || len(blocks[s.channel]) == 0 {
			continue
		}
		if first {
			m.key("waves")
			m.b = append(m.b, '{')
		} else {
			m.b = append(m.b, ',')
		}
		first = false
		m.b = append(m.b, '"')
		m.b = append(m.b, s.from[len("waves."):]...)
		m.b = append(m.b, `":`...)
		m.list(blocks[s.channel], s.scale)
		p.samples += len(blocks[s.channel])
	}
	if !first {
		m.b = append(m.b, '}')
	}
	if len(m.b) == empty {
		return nil
	}
	return m.end()
}

// sortRows puts numbers in order of time, those of one moment together.
func sortRows(rows []row) []row {
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].at < rows[j].at })
	out := rows[:0]
	for _, r := range rows {
		if n := len(out); n > 0 && out[n-1].at == r.at {
			out[n-1].values = append(out[n-1].values, r.values...)
			continue
		}
		out = append(out, r)
	}
	return out
}
