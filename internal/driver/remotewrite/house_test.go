package remotewrite_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/driver/remotewrite"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// house is a store with what it said, and the positions of its outlets.
type house struct {
	store *telemetry.Store
	db    *relational.DB
	begin time.Time
	said  int
	want  map[string]float64 // "subject metric ms" → value
}

func open(t testing.TB) *house {
	t.Helper()
	dir := t.TempDir()
	log, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	series, err := pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := relational.OpenSQLite(filepath.Join(dir, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := telemetry.Open(context.Background(), telemetry.Config{Log: log, Series: series, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(context.Background())
	t.Cleanup(func() { _, _, _, _ = s.Close(), log.Close(), series.Close(), db.Close() })
	return &house{store: s, db: db, begin: time.Now().Add(-time.Hour).Truncate(time.Second), want: map[string]float64{}}
}

// say appends so many reports of two patients, two values each.
func (h *house) say(t testing.TB, n int) {
	t.Helper()
	for range n {
		at := h.begin.Add(time.Duration(h.said/2) * time.Second)
		r := &vigil.Report{Subject: vigil.PatientSubject(fmt.Sprint("p", h.said%2)), Device: "monitor", Received: time.Now().UnixNano(), Protocol: "test"}
		for _, m := range []vigil.Metric{"heart-rate", "spo2"} {
			v := float64(h.said%97) + 0.25
			r.Samples = append(r.Samples, vigil.Sample{Metric: m, Time: at.UnixNano(), Value: v})
			h.want[fmt.Sprintf("%s %s %d", r.Subject, m, at.UnixMilli())] = v
		}
		h.said++
		if err := h.store.AppendWait(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// run starts an outlet; the returned function ends it and waits.
func (h *house) run(t testing.TB, url string, change ...func(*remotewrite.Config)) (*remotewrite.Outlet, func()) {
	t.Helper()
	cfg := remotewrite.Config{URL: url, Source: h.store, Positions: h.db.Positions(), BatchSamples: 50, Every: 5 * time.Millisecond, Backoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond}
	for _, fn := range change {
		fn(&cfg)
	}
	o, err := remotewrite.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return o, stop
}

func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks at a condition
	}
}

// receiver is a store of ten lines that decodes what it gets, and answers as it is told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    map[string]float64
	twice  int
	most   int // samples it takes at once
	answer func(n int) int
	calls  int
	head   http.Header
	labels map[string]string // of the last series
}

func listen(t testing.TB) *receiver {
	r := &receiver{got: map[string]float64{}, answer: func(int) int { return 204 }}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.head = req.Header
	body, _ := io.ReadAll(req.Body)
	text, err := snappy.Decode(nil, body)
	if err != nil {
		w.WriteHeader(400)
		return
	}
	points := map[string]float64{}
	fields(text, func(_ protowire.Number, series []byte) { r.series(series, points) })
	status := r.answer(r.calls)
	if r.most > 0 && len(points) > r.most {
		status = 413
	}
	if status < 300 {
		for k, v := range points {
			if _, ok := r.got[k]; ok {
				r.twice++
			}
			r.got[k] = v
		}
	}
	w.WriteHeader(status)
}

func (r *receiver) series(b []byte, points map[string]float64) {
	labels, last := map[string]string{}, int64(math.MinInt64)
	fields(b, func(num protowire.Number, part []byte) {
		if num == 1 {
			var pair [2]string
			fields(part, func(n protowire.Number, s []byte) { pair[n-1] = string(s) })
			labels[pair[0]] = pair[1]
			return
		}
		_, _, n := protowire.ConsumeTag(part)
		bits, m := protowire.ConsumeFixed64(part[n:])
		part = part[n+m:]
		_, _, n = protowire.ConsumeTag(part)
		ms, _ := protowire.ConsumeVarint(part[n:])
		if int64(ms) <= last {
			panic("samples out of order")
		}
		last = int64(ms)
		points[fmt.Sprintf("%s %s %d", labels["subject"], labels["metric"], ms)] = math.Float64frombits(bits)
	})
	r.labels = labels
}

func fields(b []byte, fn func(protowire.Number, []byte)) {
	for len(b) > 0 {
		num, _, n := protowire.ConsumeTag(b)
		v, m := protowire.ConsumeBytes(b[n:])
		if n < 0 || m < 0 {
			panic("no protobuf")
		}
		fn(num, v)
		b = b[n+m:]
	}
}
