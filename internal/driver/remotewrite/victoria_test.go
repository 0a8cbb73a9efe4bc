package remotewrite_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil/internal/driver/remotewrite"
)

// victoria starts a VictoriaMetrics on dir and addr; the returned function stops it and waits.
func victoria(t *testing.T, dir, addr string) func() {
	t.Helper()
	cmd := exec.Command("victoria-metrics", "-storageDataPath="+dir, "-httpListenAddr="+addr, "-search.latencyOffset=0s", "-loggerLevel=ERROR")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cmd.Process.Signal(os.Interrupt) //nolint:errcheck // Wait tells
			cmd.Wait()                       //nolint:errcheck // it was told to end
		}
	}
	t.Cleanup(stop)
	until(t, "VictoriaMetrics", func() bool {
		res, err := http.Get("http://" + addr + "/health")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	})
	return stop
}

// exported reads everything that VictoriaMetrics holds.
func exported(t *testing.T, addr string) map[string]float64 {
	t.Helper()
	res, err := http.Get("http://" + addr + "/api/v1/export?" + url.Values{"match[]": {`{site="riverside"}`}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var s struct {
			Metric     map[string]string
			Values     []float64
			Timestamps []int64
		}
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		for i, ms := range s.Timestamps {
			out[fmt.Sprintf("%s %s %d", s.Metric["subject"], s.Metric["metric"], ms)] = s.Values[i]
		}
	}
	return out
}

// A real store gets everything, also what was said while it was away.
func TestVictoriaMetrics(t *testing.T) {
	if _, err := exec.LookPath("victoria-metrics"); err != nil {
		t.Skip("victoria-metrics is not installed (Debian package of that name); scripts/services.sh installs it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := l.Addr().String(), t.TempDir()
	l.Close()
	stop := victoria(t, dir, addr)
	h := open(t)
	h.say(t, 500)
	o, _ := h.run(t, "http://"+addr+"/api/v1/write", func(c *remotewrite.Config) { c.Labels = map[string]string{"site": "riverside"} })
	until(t, "the first half", func() bool { return o.Stats().Sent > 300 })
	stop()
	h.say(t, 500)
	until(t, "trouble", func() bool { return o.Stats().Trouble != "" && o.Stats().Retries > 1 })
	h.say(t, 200)
	victoria(t, dir, addr)
	until(t, "everything to be sent", func() bool { return o.Stats().Records == 0 })
	until(t, "everything to be readable", func() bool { return len(exported(t, addr)) >= len(h.want) })
	if diff := cmp.Diff(h.want, exported(t, addr)); diff != "" {
		t.Errorf("%.2000s", diff)
	}
	if s := o.Stats(); s.Dropped != 0 || s.Lost != 0 || s.Sent < 2400 || s.Behind > time.Minute {
		t.Errorf("%+v", s)
	}
}
