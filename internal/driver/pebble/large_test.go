package pebble_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Large regimes, run by hand or by make bench; docs/reference/benchmarks.md has their figures.
var (
	restartGB  = flag.Float64("restart.gb", 0, "fill a store to so many GB, kill it, and time its opening")
	restartDir = flag.String("restart.dir", "", "where; a temporary directory when empty")
	manySeries = flag.Int("series.n", 0, "hold so many live series and report the memory")
)

const fillEnv = "VIGIL_TEST_FILL"

// TestRestartOfALargeStore fills a store in a process of its own, kills it with signal 9 in full flight and measures how
// long opening takes: reading the last values and replaying the log since the checkpoint.
func TestRestartOfALargeStore(t *testing.T) {
	if dir := os.Getenv(fillEnv); dir != "" {
		fill(t, dir)
		return
	}
	if *restartGB == 0 {
		t.Skip("a large regime: -restart.gb=10")
	}
	dir, err := os.MkdirTemp(*restartDir, "vigil-restart-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	child := exec.Command(os.Args[0], "-test.run=^TestRestartOfALargeStore$", "-test.timeout=0")
	child.Env = append(os.Environ(), fillEnv+"="+dir)
	child.Stdout, child.Stderr = os.Stderr, os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for sizeOf(t, dir) < int64(*restartGB*1e9) {
		time.Sleep(500 * time.Millisecond)
	}
	if err := child.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	t.Logf("%.1f GB in %s, then killed", float64(sizeOf(t, dir))/1e9, time.Since(began).Round(time.Second))
	for i := range 3 {
		began := time.Now()
		log, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		series, err := pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		opened := time.Since(began)
		s, err := telemetry.Open(context.Background(), telemetry.Config{Log: log, Series: series, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		h := s.Health()
		t.Logf("opening %d: databases %s, with last values and replay %s; %d reports replayed, %d damaged", i+1, opened.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), h.Replayed, h.Quarantined+h.Log.Lost+h.Series.Lost)
		if err := log.Close(); err != nil { // without a checkpoint: the next opening replays as much
			t.Fatal(err)
		}
		if err := series.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func sizeOf(t *testing.T, dir string) (n int64) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil // files come and go
	})
	return n
}

// fill writes until it is killed: numerics of many patients, and noise as waveforms, which no codec makes smaller.
func fill(t *testing.T, dir string) {
	s := onDisk(t, dir)
	rng := rand.New(rand.NewPCG(1, 2))
	var room sync.WaitGroup
	for i := 0; ; i++ {
		var reports []*vigil.Report
		now := time.Now().UnixNano()
		for k := range 1000 {
			r := vital(vigil.PatientSubject(fmt.Sprintf("many-%06d", (i*1000+k)%20_000)), i)
			for j := range r.Samples {
				r.Samples[j].Time = now
			}
			reports = append(reports, r)
		}
		for k := range 100 {
			w := vigil.Waveform{Metric: "ecg-ii", Start: now, Period: 4e6, Scale: 1, Data: make([]int16, 7500)}
			for j := range w.Data {
				w.Data[j] = int16(rng.Uint32())
			}
			reports = append(reports, &vigil.Report{Device: "m", Subject: vigil.PatientSubject(fmt.Sprint("wave-", (i*100+k)%1000)), Received: now, Waveforms: []vigil.Waveform{w}})
		}
		room.Wait()
		room.Add(1)
		s.AppendAll(reports, func(err error) {
			if err != nil {
				t.Error(err)
			}
			room.Done()
		})
	}
}

// TestManyLiveSeries holds live series in memory and says what they cost.
func TestManyLiveSeries(t *testing.T) {
	if *manySeries == 0 {
		t.Skip("a large regime: -series.n=500000")
	}
	before, _ := memory()
	s := onDisk(t, t.TempDir())
	patients := *manySeries / len(vitals)
	for second := range 121 { // two minutes of 1 Hz
		for i := range patients {
			s.Append(vital(vigil.PatientSubject(fmt.Sprintf("3f1c7a52-%06d", i)), second), func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		if second%30 != 0 {
			continue
		}
		settle(s)
		_, busy := memory()
		heap, rss := memory()
		t.Logf("after %d samples each: heap %d MB, resident %d MB, after collecting %d MB", second+1, heap>>20, busy>>20, rss>>20)
	}
	heap, rss := memory()
	n := patients * len(vitals)
	t.Logf("%d live series: heap %d MB (%d bytes a series), resident %d MB", n, heap>>20, (heap-before)/n, rss>>20)
	if last, err := s.Last(access.AsSystem(context.Background(), "test"), "Patient/3f1c7a52-000001"); err != nil || len(last) != len(vitals) {
		t.Errorf("last values %v, %v", last, err)
	}
	if rss > 2<<30 {
		t.Errorf("%d MB are resident, at most 2048", rss>>20)
	}
}

// memory returns the live heap and what the process has resident.
func memory() (heap, rss int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return int(m.HeapAlloc), 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &rss); err == nil {
				rss <<= 10
			}
		}
	}
	return int(m.HeapAlloc), rss
}
