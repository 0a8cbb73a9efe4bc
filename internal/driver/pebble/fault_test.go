package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// TestBitFlips flips bits in the tables of both databases: whatever comes out is right, and what is missing is counted.
func TestBitFlips(t *testing.T) {
	mem := vfs.NewMem()
	fillDisk(t, mem)
	var tables []string
	for _, dir := range []string{"log", "series"} {
		names, err := mem.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".sst") {
				tables = append(tables, filepath.Join(dir, name))
			}
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	const flips = 30
	refused, noticed, harmless := 0, 0, 0
	for range flips {
		bad := vfs.NewMem()
		for _, dir := range []string{"log", "series"} {
			if _, err := vfs.Clone(mem, bad, dir, dir); err != nil {
				t.Fatal(err)
			}
		}
		name := tables[rng.IntN(len(tables))]
		flip(t, bad, name, rng)
		s, shut, err := openDisk(bad)
		if err != nil {
			refused++
			continue
		}
		found, wrong := readAll(t, s)
		h := s.Health()
		if wrong > 0 {
			t.Errorf("%s: %d wrong values came out", name, wrong)
		}
		switch damaged := h.Quarantined + h.Log.Lost + h.Series.Lost; {
		case damaged > 0:
			noticed++
		case found < 3000:
			t.Errorf("%s: %d of 3000 samples found and nothing counted", name, found)
		default:
			harmless++
		}
		shut()
	}
	t.Logf("of %d flips %d were noticed while reading, %d refused at opening, %d hit nothing that is read", flips, noticed, refused, harmless)
	if noticed == 0 {
		t.Error("no flip was noticed while reading")
	}
}

func flip(t *testing.T, fs *vfs.MemFS, name string, rng *rand.Rand) {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	w, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

func fillDisk(t *testing.T, fs vfs.FS) {
	t.Helper()
	s, shut, err := openDisk(fs)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		r := vital("Patient/sara", i)
		r.Samples = r.Samples[:1]
		r.Protocol = fmt.Sprint(rng.Uint64()) // does not compress
		s.Append(r, func(error) {})
	}
	settle(s)
	shut()
	if s, shut, err = openDisk(fs); err != nil { // the log's tail moves from its write-ahead log into a table
		t.Fatal(err)
	}
	shut()
}

func openDisk(fs vfs.FS) (*telemetry.Store, func(), error) {
	log, err := pebble.OpenLog("log", pebble.Options{FS: fs})
	if err != nil {
		return nil, nil, err
	}
	series, err := pebble.OpenSeries("series", pebble.Options{FS: fs})
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	s, err := telemetry.Open(context.Background(), telemetry.Config{Log: log, Series: series, BatchReports: 20, Now: func() time.Time { return day.Add(2 * time.Hour) }})
	if err != nil {
		return nil, nil, errors.Join(err, log.Close(), series.Close())
	}
	s.Start(context.Background())
	return s, func() { _, _, _ = s.Close(), log.Close(), series.Close() }, nil
}

// readAll returns the fewest samples that any way of reading finds, and how many were wrong.
func readAll(t *testing.T, s *telemetry.Store) (found, wrong int) {
	t.Helper()
	ctx := access.AsSystem(context.Background(), "test")
	check := func(at int64, value float64) {
		i := int(time.Duration(at-day.UnixNano()) / time.Second)
		if vital("x", i).Samples[0].Value != value {
			wrong++
		}
	}
	lines, err := s.Query(ctx, telemetry.Query{Subject: "Patient/sara", From: day, To: day.Add(time.Hour)})
	if err != nil {
		t.Error(err)
	}
	for _, l := range lines {
		found += len(l.Points)
		for _, p := range l.Points {
			check(p.Time, p.Mean)
		}
	}
	n := 0
	if err := s.Recent(ctx, day, func(r *vigil.Report) error {
		n++
		check(r.Samples[0].Time, r.Samples[0].Value)
		return nil
	}); err != nil {
		t.Error(err)
	}
	return min(found, n), wrong
}

// TestBitFlipsInWriteAheadLog flips bits in what is only in the log's write-ahead log: nothing is silently left out.
func TestBitFlipsInWriteAheadLog(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s, shut, err := openDisk(mem)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		r := vital("Patient/sara", i)
		r.Samples = r.Samples[:1]
		s.Append(r, func(error) {})
	}
	settle(s)
	defer shut()
	rng := rand.New(rand.NewPCG(5, 6))
	refused, noticed, whole := 0, 0, 0
	for range 30 {
		bad := mem.CrashClone(vfs.CrashCloneCfg{})
		names, err := bad.List("log")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".log") {
				flip(t, bad, filepath.Join("log", name), rng)
			}
		}
		s, shut, err := openDisk(bad)
		if err != nil {
			refused++
			continue
		}
		found, wrong := readAll(t, s)
		h := s.Health()
		switch {
		case wrong > 0:
			t.Errorf("%d wrong values came out", wrong)
		case found == 3000:
			whole++
		case h.Quarantined+h.Log.Lost > 0:
			noticed++
		default:
			t.Errorf("%d of 3000 found and nothing counted", found)
		}
		shut()
	}
	t.Logf("%d refused at opening, %d noticed while reading, %d whole", refused, noticed, whole)
}
