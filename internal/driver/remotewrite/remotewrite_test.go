package remotewrite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/remotewrite"
)

func (r *receiver) has(want map[string]float64) func() bool {
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.got) >= len(want)
	}
}

func (r *receiver) compare(t *testing.T, want map[string]float64) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.got); diff != "" {
		t.Errorf("%.2000s", diff)
	}
}

func TestFollowsAndRestarts(t *testing.T) {
	h, r := open(t), listen(t)
	h.say(t, 300)
	o, stop := h.run(t, r.URL, func(c *remotewrite.Config) {
		c.Headers, c.Labels = map[string]string{"Authorization": "Bearer x"}, map[string]string{"site": "riverside", "subject": "cannot be changed"}
	})
	until(t, "the past", r.has(h.want))
	h.say(t, 50)
	until(t, "the present", func() bool { return r.has(h.want)() && o.Stats().Records == 0 })
	stop()
	r.compare(t, h.want)
	if s := o.Stats(); s.Sent != 700 || s.Dropped+s.Lost+s.Retries != 0 || s.Behind != 0 || s.Trouble != "" {
		t.Errorf("%+v", s)
	}
	want := map[string]string{"__name__": "vigil_spo2_percent", "device": "monitor", "loinc": "59408-5", "mdc": "150456", "metric": "spo2", "site": "riverside", "subject": "Patient/p1", "unit": "%"}
	if diff := cmp.Diff(want, r.labels); diff != "" {
		t.Error(diff)
	}
	for k, v := range map[string]string{"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0", "Authorization": "Bearer x"} {
		if r.head.Get(k) != v {
			t.Errorf("%s is %q", k, r.head.Get(k))
		}
	}
	h.say(t, 40) // while nobody sends
	o, stop = h.run(t, r.URL)
	until(t, "what was said meanwhile", r.has(h.want))
	stop()
	r.compare(t, h.want)
	if s := o.Stats(); s.Sent != 80 || r.twice != 0 {
		t.Errorf("after a restart %+v, %d twice", s, r.twice)
	}
}

func TestClassesOfErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  func(n int) int
		most    int
		dropped bool
	}{
		{"Overloaded", func(n int) int { return []int{503, 429, 500, 204}[n%4] }, 0, false},
		{"DoorShut", func(n int) int { return []int{401, 403, 404, 302, 204}[n%5] }, 0, false},
		{"TooLarge", func(int) int { return 200 }, 7, false},
		{"Refused", func(n int) int { return []int{400, 204}[n%2] }, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, r := open(t), listen(t)
			r.answer, r.most = c.answer, c.most
			h.say(t, 200)
			o, stop := h.run(t, r.URL)
			until(t, "the end of the log", func() bool { s := o.Stats(); return s.Sent+s.Dropped == 400 })
			stop()
			s := o.Stats()
			if c.dropped {
				if s.Dropped == 0 || s.Dropped+uint64(len(r.got)) != 400 || s.Retries != 0 {
					t.Errorf("%+v, %d arrived", s, len(r.got))
				}
				return
			}
			r.compare(t, h.want)
			if s.Dropped != 0 || r.twice != 0 || s.Trouble != "" || (s.Retries == 0) != (c.most > 0) {
				t.Errorf("%+v, %d twice", s, r.twice)
			}
		})
	}
}

// While nobody answers the outlet waits, says so, keeps its place and loses nothing.
func TestReceiverAway(t *testing.T) {
	h, r := open(t), listen(t)
	r.answer = func(int) int { return 503 }
	h.say(t, 30)
	o, stop := h.run(t, r.URL)
	until(t, "trouble", func() bool { s := o.Stats(); return s.Retries > 2 && strings.Contains(s.Trouble, "503") })
	if s := o.Stats(); s.Records != 30 || s.Sent != 0 {
		t.Errorf("%+v", s)
	}
	stop() // in the middle of a wait
	r.answer = func(int) int { return 200 }
	_, stop = h.run(t, r.URL)
	until(t, "everything", r.has(h.want))
	stop()
	r.compare(t, h.want)
}

func TestRefusesWhatCannotBe(t *testing.T) {
	for _, cfg := range []remotewrite.Config{{URL: "store:8428"}, {URL: "ftp://x/y"}, {}, {URL: "http://x/y", Labels: map[string]string{"a-b": "c"}}, {URL: "http://x/y", Labels: map[string]string{"__name__": "c"}}} {
		if _, err := remotewrite.New(cfg); vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), "outlets.remote_write") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func BenchmarkOutlet(b *testing.B) {
	h, r := open(b), listen(b)
	h.say(b, 2000)
	for b.Loop() {
		r.got = map[string]float64{}
		o, stop := h.run(b, r.URL+"/"+time.Now().Format("150405.000000000"), func(c *remotewrite.Config) { c.BatchSamples = 5000 })
		until(b, "everything", func() bool { return o.Stats().Sent == 4000 })
		stop()
	}
	b.ReportMetric(float64(b.N)*4000/b.Elapsed().Seconds(), "samples/s")
}
