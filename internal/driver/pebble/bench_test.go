package pebble_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

var day = time.Date(2025, 10, 9, 0, 0, 0, 0, time.UTC)

var vitals = []vigil.Metric{"heart-rate", "spo2", "respiratory-rate", "art-systolic", "art-diastolic"}

type fatalf interface {
	Helper()
	Fatal(...any)
	Cleanup(func())
}

// onDisk starts a store on the real file system.
func onDisk(t fatalf, dir string) *telemetry.Store {
	t.Helper()
	log, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	series, err := pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := telemetry.Open(context.Background(), telemetry.Config{Log: log, Series: series, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(context.Background())
	t.Cleanup(func() {
		_, _, _ = s.Close(), log.Close(), series.Close()
	})
	return s
}

func vital(sub vigil.Subject, i int) *vigil.Report {
	at := day.Add(time.Duration(i) * time.Second).UnixNano()
	r := &vigil.Report{Device: "monitor-7", Subject: sub, Received: at + 3e6, Protocol: "mqtt", Samples: make([]vigil.Sample, len(vitals))}
	for k, m := range vitals {
		r.Samples[k] = vigil.Sample{Metric: m, Time: at, Value: float64(60+k*10) + math.Round(8*math.Sin(float64(i)/90+float64(k))+noise(i*8+k))}
	}
	return r
}

// noise is between -1 and 1 and the same for the same i.
func noise(i int) float64 {
	x := uint64(i) * 0x9e3779b97f4a7c15
	return float64((x^x>>29)*0xbf58476d1ce4e5b9>>40)/(1<<23) - 1
}

func settle(s *telemetry.Store) {
	for h := s.Health(); h.QueueLen > 0 || h.Applied < h.LogPosition; h = s.Health() {
		time.Sleep(50 * time.Microsecond)
	}
}

// BenchmarkAppend measures 5-value reports of 1,000 patients from Append to readable, on the real disk.
func BenchmarkAppend(b *testing.B) {
	s := onDisk(b, b.TempDir())
	subjects := make([]vigil.Subject, 1000)
	for i := range subjects {
		subjects[i] = vigil.PatientSubject(fmt.Sprintf("3f1c7a52-%06d", i))
	}
	var wg sync.WaitGroup
	done := func(err error) {
		if err != nil {
			b.Error(err)
		}
		wg.Done()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		wg.Add(1)
		s.Append(vital(subjects[i%len(subjects)], i/len(subjects)), done)
	}
	wg.Wait()
	settle(s)
	b.ReportMetric(float64(b.N*len(vitals))/b.Elapsed().Seconds(), "values/s")
}

// daysOf fills one patient with days of five metrics at 1 Hz.
func daysOf(b *testing.B, days int) *telemetry.Store {
	s := onDisk(b, b.TempDir())
	for i := range days * 24 * 3600 {
		s.Append(vital("Patient/sara", i), func(error) {})
	}
	settle(s)
	if err := s.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	return s
}

// benchmarkQuery reports the median and the slowest of a hundred beside the mean.
func benchmarkQuery(b *testing.B, days, points int) {
	s := daysOf(b, days)
	ctx := access.AsSystem(context.Background(), "bench")
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		lines, err := s.Query(ctx, telemetry.Query{Subject: "Patient/sara", From: day, To: day.AddDate(0, 0, days), Points: points})
		if err != nil || len(lines) != 5 {
			b.Fatal(len(lines), err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(s.Health().Series.Bytes)/float64(days*24*3600*5), "bytes/sample")
}

func BenchmarkQuery24h500Points(b *testing.B)    { benchmarkQuery(b, 1, 500) }
func BenchmarkQuery24hRaw(b *testing.B)          { benchmarkQuery(b, 1, 0) }
func BenchmarkQuery30Days500Points(b *testing.B) { benchmarkQuery(b, 30, 500) }

func BenchmarkLast1000(b *testing.B) {
	s := onDisk(b, b.TempDir())
	var subjects []vigil.Subject
	for i := range 1000 {
		subjects = append(subjects, vigil.PatientSubject(fmt.Sprint(i)))
		s.Append(vital(subjects[i], 1), func(error) {})
	}
	settle(s)
	ctx := access.AsSystem(context.Background(), "bench")
	b.ReportAllocs()
	for b.Loop() {
		if last, err := s.Last(ctx, subjects...); err != nil || len(last) != 5000 {
			b.Fatal(len(last), err)
		}
	}
}

// BenchmarkReplay measures opening a store whose last 500,000 values are only in the log.
func BenchmarkReplay(b *testing.B) {
	mem := vfs.NewCrashableMem()
	s, shut, err := openDisk(mem)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100_000 {
		s.Append(vital(vigil.PatientSubject(fmt.Sprint(i%100)), i/100), func(error) {})
	}
	settle(s)
	cut := mem.CrashClone(vfs.CrashCloneCfg{})
	shut()
	for b.Loop() {
		again := cut.CrashClone(vfs.CrashCloneCfg{})
		s, shut, err := openDisk(again)
		if err != nil || s.Health().Replayed != 100_000 {
			b.Fatal(s.Health(), err)
		}
		b.StopTimer()
		shut()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N*500_000)/b.Elapsed().Seconds(), "values/s")
}

// dataFile finds a recording in VIGIL_DATA or beside the module, or skips.
func dataFile(t *testing.T, name string) string {
	t.Helper()
	dirs := []string{os.Getenv("VIGIL_DATA")}
	if dir, err := os.Getwd(); err == nil {
		for range 6 {
			dirs = append(dirs, filepath.Join(dir, "../shared/data"))
			dir = filepath.Dir(dir)
		}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); dir != "" && err == nil {
			return path
		}
	}
	t.Skip("the recording " + name + " is not here; set VIGIL_DATA to the folder that holds it")
	return ""
}

// BenchmarkLogAppend is one synced record at a time, as driver/jetstream measures it.
func BenchmarkLogAppend(b *testing.B) {
	for name, size := range map[string]int{"4KB": 4 << 10, "256KB": 256 << 10} {
		b.Run(name, func(b *testing.B) {
			log, err := pebble.OpenLog(b.TempDir(), pebble.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer log.Close()
			data := bytes.Repeat([]byte("vigil"), size/5)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := log.Append(b.Context(), 0, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
