package pebble_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// TestRecording stores the numerics of a real intensive-care recording and reads every value back.
func TestRecording(t *testing.T) {
	reports := readRecording(t, dataFile(t, "icu_bidmc/numerics_1hz.csv.gz"))
	s := onDisk(t, t.TempDir())
	want := map[vigil.SeriesKey]map[int64]float64{}
	samples := 0
	for _, r := range reports {
		s.Append(r, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
		for _, x := range r.Samples {
			k := vigil.SeriesKey{Subject: r.Subject, Metric: x.Metric}
			if want[k] == nil {
				want[k] = map[int64]float64{}
			}
			want[k][x.Time] = x.Value
			samples++
		}
	}
	settle(s)
	if err := s.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx := access.AsSystem(context.Background(), "test")
	for k, values := range want {
		lines, err := s.Query(ctx, telemetry.Query{Subject: k.Subject, Metrics: []vigil.Metric{k.Metric}, From: day.Add(-time.Hour), To: day.Add(24 * time.Hour)})
		if err != nil || len(lines) != 1 || len(lines[0].Points) != len(values) {
			t.Fatalf("%v: %d lines, %v", k, len(lines), err)
		}
		for _, p := range lines[0].Points {
			if values[p.Time] != p.Mean {
				t.Errorf("%v at %d: %v, want %v", k, p.Time, p.Mean, values[p.Time])
			}
		}
	}
	bytes := s.Health().Series.Bytes
	t.Logf("%d samples of %d series in %d bytes: %.2f bytes a sample", samples, len(want), bytes, float64(bytes)/float64(samples))
}

func readRecording(t *testing.T, path string) []*vigil.Report {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(z)
	if _, err := rows.Read(); err != nil {
		t.Fatal(err)
	}
	var out []*vigil.Report
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		sec, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		at := day.Add(time.Duration(sec * float64(time.Second))).UnixNano()
		r := &vigil.Report{Device: vigil.DeviceID("monitor-" + row[0]), Subject: vigil.PatientSubject(row[0]), Received: at, Protocol: "replay"}
		for i, m := range []vigil.Metric{"heart-rate", "pulse-rate", "respiratory-rate", "spo2"} {
			if v, err := strconv.ParseFloat(row[2+i], 64); err == nil {
				r.Samples = append(r.Samples, vigil.Sample{Metric: m, Time: at, Value: v})
			}
		}
		out = append(out, r)
	}
}
