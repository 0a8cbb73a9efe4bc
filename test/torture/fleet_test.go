package torture_test

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/sim"
)

// sample is one numbered message of a patch: its heart rate follows from its number.
type sample struct {
	at    int64 // Unix ms, at least two apart on one device
	n     int
	acked bool
}

func (s sample) value() float64 { return 60 + float64(s.n%500)/10 }

func (s sample) payload() []byte {
	return fmt.Appendf(nil, `{"ts":%d,"hr":%g}`, s.at, s.value())
}

// patch is one device and everything that it ever sent.
type patch struct {
	id      string
	samples []sample
}

// fleet are the patches behind one gateway. What was not acknowledged when the connection ended is sent again on the
// next one, as a device does.
type fleet struct {
	gateway, token string
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
	conn, err := sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: f.gateway, Token: f.token, Window: fleetWindow, Acked: func(tag uint64, _ time.Time) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.patches[tag>>32].samples[uint32(tag)].acked = true
	}})
	if err != nil {
		return err
	}
	f.conn, f.done = conn, make(chan struct{})
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

func (f *fleet) add(p int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.patches[p]
	s := sample{at: time.Now().UnixMilli(), n: len(d.samples)}
	if s.n > 0 {
		s.at = max(s.at, d.samples[s.n-1].at+2)
	}
	d.samples = append(d.samples, s)
	return s.n
}

func (f *fleet) publish(p, i int) error {
	f.mu.Lock()
	body := f.patches[p].samples[i].payload()
	f.mu.Unlock()
	if _, err := f.conn.Room(1); err != nil {
		return err
	}
	f.conn.Publish("vigil/"+f.patches[p].id+"/data", body, uint64(p)<<32|uint64(i), time.Now())
	return f.conn.Flush()
}

// disconnect returns when no acknowledgement can come any more.
func (f *fleet) disconnect() {
	if f.conn == nil {
		return
	}
	f.stop()
	f.conn.Close() //nolint:errcheck // the other side was killed
	<-f.done
	f.conn = nil
}

// acked counts acknowledged samples of all patches.
func (f *fleet) acked() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.patches {
		for _, s := range p.samples {
			if s.acked {
				n++
			}
		}
	}
	return n
}

// querySpan is short enough that each of 5,000 points holds one millisecond at most.
const querySpan = 4 * time.Second

// check asks for every acknowledged sample from a time on and returns how many it looked up, are missing or differ.
func (p *patch) check(t *testing.T, h *house, since int64) (checked, lost int) {
	t.Helper()
	var want []sample
	for _, s := range p.samples {
		if s.acked && s.at >= since {
			want = append(want, s)
		}
	}
	for len(want) > 0 {
		from, to := want[0].at, want[0].at+querySpan.Milliseconds()
		have := p.stored(t, h, from, to)
		for len(want) > 0 && want[0].at < to {
			s := want[0]
			want = want[1:]
			checked++
			if v, ok := have[s.at]; !ok || math.Abs(v-s.value()) > 0.01 {
				lost++
				t.Errorf("%s: sample %d of %d ms was acknowledged; stored is %v (present: %v), want %v", p.id, s.n, s.at, v, ok, s.value())
			}
		}
	}
	return checked, lost
}

func (p *patch) stored(t *testing.T, h *house, from, to int64) map[int64]float64 {
	t.Helper()
	q := url.Values{"from_ms": {fmt.Sprint(from)}, "to_ms": {fmt.Sprint(to)}, "points": {"5000"}, "metrics": {"heart-rate"}}
	var trend struct {
		Series []struct {
			Points [][4]float64 `json:"points"`
		} `json:"series"`
	}
	if err := h.call(t.Context(), "GET", "/api/patients/"+p.id+"/trend?"+q.Encode(), &trend); err != nil {
		t.Fatal(err)
	}
	out := map[int64]float64{}
	for _, s := range trend.Series {
		for _, pt := range s.Points {
			out[int64(pt[0])] = pt[1]
		}
	}
	return out
}
