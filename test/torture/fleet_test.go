package torture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/sim"
)

// sample is one numbered message of a device: what it says follows from its number.
type sample struct {
	at    int64 // Unix ms, at least two apart on one device
	n     int
	wave  bool // carries eight points of ECG besides the heart rate
	acked bool
}

func (s sample) value() float64 { return 60 + float64(s.n%500)/10 }

// wavePoints returns the ECG that goes with the sample, 32 ms of it.
func (s sample) wavePoints() (out [8]int16) {
	for i := range out {
		out[i] = int16(s.n%4000 + 1 + i*7)
	}
	return out
}

// dose names the medication of a dispenser's message.
func (s sample) dose() string { return fmt.Sprintf("pill-%d", s.n) }

// patch is one device and everything that it ever sent: a smart patch, or a pill dispenser whose messages are events.
type patch struct {
	id, patient string
	dispenser   bool
	samples     []sample
	lastWave    int64 // Unix ms
}

func (p *patch) payload(i int) []byte {
	s := p.samples[i]
	switch {
	case p.dispenser:
		return fmt.Appendf(nil, `{"ts":%d,"event":"taken","medication":%q}`, s.at, s.dose())
	case s.wave:
		ecg, _ := json.Marshal(s.wavePoints())
		return fmt.Appendf(nil, `{"ts":%d,"hr":%g,"ecg":%s}`, s.at, s.value(), ecg)
	}
	return fmt.Appendf(nil, `{"ts":%d,"hr":%g}`, s.at, s.value())
}

// apart is how far messages of the device lie apart at least, in ms: the API returns at most 200 events at once.
func (p *patch) apart() int64 {
	if p.dispenser {
		return 25
	}
	return 2
}

// fleet are the devices behind one gateway, over MQTT or, when posts is set, in batches over HTTP. What was not
// acknowledged when the connection ended is sent again on the next one, as a device does.
type fleet struct {
	gateway, token string
	posts          bool
	patches        []*patch
	mu             sync.Mutex // guards the samples
	conn           *sim.LoadConn
	stop           context.CancelFunc
	done           chan struct{}
}

const fleetWindow = 64

// connect begins to send. The tag of a publish is patch<<32 + number of the sample.
func (f *fleet) connect(ctx context.Context, h *house) error {
	ctx, f.stop = context.WithCancel(ctx)
	f.done = make(chan struct{})
	if f.posts {
		go func() {
			defer close(f.done)
			f.post(ctx, h)
		}()
		return nil
	}
	conn, err := sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: f.gateway, Token: f.token, Window: fleetWindow, Acked: func(tag uint64, _ time.Time) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.patches[tag>>32].samples[uint32(tag)].acked = true
	}})
	if err != nil {
		return err
	}
	f.conn = conn
	go func() {
		defer close(f.done)
		f.send(ctx)
	}()
	return nil
}

// send repeats what is open, then goes on with new samples until the connection or ctx ends.
func (f *fleet) send(ctx context.Context) {
	for p := range f.patches {
		for _, i := range f.open(p) {
			if f.publish(p, i) != nil {
				return
			}
		}
	}
	for ctx.Err() == nil {
		for p := range f.patches {
			if f.publish(p, f.add(p)) != nil {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// post sends batches over HTTP: what is open first, then three new messages a device, until ctx ends or the door is gone.
func (f *fleet) post(ctx context.Context, h *house) {
	for ctx.Err() == nil {
		type item struct {
			Device string          `json:"device"`
			Data   json.RawMessage `json:"data"`
		}
		var batch []item
		var sent [][2]int
		for p := range f.patches {
			open := f.open(p)
			for range 3 {
				if i := f.add(p); len(open) == 0 && i >= 0 {
					open = append(open, i)
				}
			}
			f.mu.Lock()
			for _, i := range open {
				batch, sent = append(batch, item{f.patches[p].id, f.patches[p].payload(i)}), append(sent, [2]int{p, i})
			}
			f.mu.Unlock()
		}
		if f.postBatch(ctx, h, batch) != nil {
			return
		}
		f.mu.Lock()
		for _, s := range sent {
			f.patches[s[0]].samples[s[1]].acked = true
		}
		f.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
	}
}

func (f *fleet) postBatch(ctx context.Context, h *house, batch any) error {
	body, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.http+"/ingest", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(f.gateway, f.token)
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("the batch was answered %s, %w", res.Status, err)
	}
	return nil
}

func (f *fleet) open(p int) (out []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, s := range f.patches[p].samples {
		if !s.acked {
			out = append(out, i)
		}
	}
	return out
}

const waveEvery = 100 // ms between the blocks of ECG of a patch

// add makes the next sample of a device and returns its number, -1 while it is too early for one.
func (f *fleet) add(p int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.patches[p]
	s := sample{at: time.Now().UnixMilli(), n: len(d.samples)}
	if s.n > 0 && s.at < d.samples[s.n-1].at+d.apart() {
		if d.dispenser {
			return -1
		}
		s.at = d.samples[s.n-1].at + d.apart()
	}
	if s.wave = !d.dispenser && s.at >= d.lastWave+waveEvery; s.wave {
		d.lastWave = s.at
	}
	d.samples = append(d.samples, s)
	return s.n
}

func (f *fleet) publish(p, i int) error {
	if i < 0 {
		return nil
	}
	f.mu.Lock()
	body := f.patches[p].payload(i)
	f.mu.Unlock()
	if _, err := f.conn.Room(1); err != nil {
		return err
	}
	f.conn.Publish("vigil/"+f.patches[p].id+"/data", body, uint64(p)<<32|uint64(i), time.Now())
	err := f.conn.Flush()
	if err == nil && os.Getenv(lieEnv) != "" {
		f.mu.Lock()
		f.patches[p].samples[i].acked = true
		f.mu.Unlock()
	}
	return err
}

// disconnect returns when no acknowledgement can come any more.
func (f *fleet) disconnect() {
	if f.stop == nil {
		return
	}
	f.stop()
	if f.conn != nil {
		f.conn.Close() //nolint:errcheck // the other side was killed
	}
	<-f.done
	f.conn, f.stop = nil, nil
}

// querySpan is short enough that each of 5,000 points holds one millisecond at most.
const querySpan = 4 * time.Second

// looked is what a look-up found, by kind of telemetry.
type looked struct{ samples, waves, events, lost int }

func (l *looked) add(o looked) {
	l.samples, l.waves, l.events, l.lost = l.samples+o.samples, l.waves+o.waves, l.events+o.events, l.lost+o.lost
}

// check asks for every acknowledged message from a time on, with the points of its waveform.
func (p *patch) check(t *testing.T, h *house, since int64) (out looked) {
	t.Helper()
	var want []sample
	for _, s := range p.samples {
		if s.acked && s.at >= since {
			want = append(want, s)
		}
	}
	for len(want) > 0 {
		from, to := want[0].at, want[0].at+querySpan.Milliseconds()
		values, doses := p.stored(t, h, from, to)
		for len(want) > 0 && want[0].at < to {
			s := want[0]
			want = want[1:]
			if p.dispenser {
				out.events++
				if doses[s.at] != s.dose() {
					out.lost++
					t.Errorf("%s: dose %q of %d ms was acknowledged; stored is %q", p.id, s.dose(), s.at, doses[s.at])
				}
				continue
			}
			out.samples++
			if v, ok := values[s.at]; !ok || math.Abs(v-s.value()) > 0.01 {
				out.lost++
				t.Errorf("%s: sample %d of %d ms was acknowledged; stored is %v (present: %v), want %v", p.id, s.n, s.at, v, ok, s.value())
			}
			if s.wave {
				out.waves++
				if err := p.waveStored(t, h, s); err != nil {
					out.lost++
					t.Errorf("%s: waveform %d of %d ms was acknowledged: %v", p.id, s.n, s.at, err)
				}
			}
		}
	}
	return out
}

// stored returns heart rates and doses of the device's patient by their time in ms.
func (p *patch) stored(t *testing.T, h *house, from, to int64) (map[int64]float64, map[int64]string) {
	t.Helper()
	q := url.Values{"from_ms": {fmt.Sprint(from)}, "to_ms": {fmt.Sprint(to)}, "points": {"5000"}, "metrics": {"heart-rate"}}
	var trend struct {
		Series []struct {
			Points [][4]float64 `json:"points"`
		} `json:"series"`
		Events []struct {
			At   int64  `json:"time_ms"`
			Kind string `json:"kind"`
			Text string `json:"text"`
		} `json:"events"`
	}
	if err := h.call(t.Context(), "GET", "/api/patients/"+p.patient+"/trend?"+q.Encode(), &trend); err != nil {
		t.Fatal(err)
	}
	values, doses := map[int64]float64{}, map[int64]string{}
	for _, s := range trend.Series {
		for _, pt := range s.Points {
			values[int64(pt[0])] = pt[1]
		}
	}
	for _, e := range trend.Events {
		if e.Kind == "medication" {
			doses[e.At] = e.Text
		}
	}
	return values, doses
}

// waveStored says how the stored points differ from those that went with the sample.
func (p *patch) waveStored(t *testing.T, h *house, s sample) error {
	t.Helper()
	q := url.Values{"from_ms": {fmt.Sprint(s.at)}, "to_ms": {fmt.Sprint(s.at + 32)}, "metric": {"ecg-patch"}}
	var wave struct {
		StartMS int64    `json:"start_ms"`
		Samples []*int16 `json:"samples"`
	}
	if err := h.call(t.Context(), "GET", "/api/patients/"+p.patient+"/waveform?"+q.Encode(), &wave); err != nil {
		return err
	}
	points := s.wavePoints()
	if wave.StartMS != s.at || len(wave.Samples) != len(points) {
		return fmt.Errorf("%d points from %d ms are stored, want %d", len(wave.Samples), wave.StartMS, len(points))
	}
	for i, v := range wave.Samples {
		if v == nil || *v != points[i] {
			return fmt.Errorf("point %d differs", i)
		}
	}
	return nil
}
