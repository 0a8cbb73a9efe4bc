// Package telemetrytest examines implementations of the ports telemetry.Log and telemetry.Series.
//
// It is called by the driver's tests in a few lines; it holds no store of its own. Start at Run.
package telemetrytest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Disk is a place that keeps what was made durable over a power cut and that can be made to fail.
type Disk interface {
	// Open opens both ports on what the disk holds; the series are nil where only a log is examined, the log likewise.
	Open(t *testing.T) (telemetry.Log, telemetry.Series)
	// PowerCut returns the disk as it would be found after the power went away now: what was not synced is gone, or, with
	// keep from 1 to 100, some of it is not.
	PowerCut(t *testing.T, keep int) Disk
	// FailSync makes every further sync of a file fail.
	FailSync()
}

// examination is one case by its name.
type examination struct {
	name string
	test func(*testing.T, Disk)
}

// Run examines the ports; newDisk returns an empty disk.
func Run(t *testing.T, newDisk func(t *testing.T) Disk) {
	RunLog(t, newDisk)
	examine(t, newDisk, []examination{
		{"SeriesScans", seriesScans},
		{"SeriesFlushSurvivesPowerCut", seriesFlushSurvivesPowerCut},
		{"SeriesDeletesRange", seriesDeletesRange},
		{"ClosedSeriesIsUnavailable", closedSeriesIsUnavailable},
	})
}

// RunLog examines a log alone.
func RunLog(t *testing.T, newDisk func(t *testing.T) Disk) {
	examine(t, newDisk, []examination{
		{"LogKeepsOrder", logKeepsOrder},
		{"LogSeeksByTime", logSeeksByTime},
		{"LogTruncates", logTruncates},
		{"LogReplaces", logReplaces},
		{"LogKeepsReplaced", logKeepsReplaced},
		{"LogSurvivesPowerCut", logSurvivesPowerCut},
		{"LogStopsAtFailedSync", logStopsAtFailedSync},
		{"ClosedLogIsUnavailable", closedLogIsUnavailable},
	})
}

func examine(t *testing.T, newDisk func(t *testing.T) Disk, list []examination) {
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) { c.test(t, newDisk(t)) })
	}
}

func shut(t *testing.T, log telemetry.Log, series telemetry.Series) {
	t.Helper()
	var errs []error
	if log != nil {
		errs = append(errs, log.Close())
	}
	if series != nil {
		errs = append(errs, series.Close())
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func fill(t *testing.T, log telemetry.Log, n int) {
	t.Helper()
	for i := range n {
		offset, err := log.Append(t.Context(), int64(i/2*10), fmt.Appendf(nil, "record %d", i))
		if err != nil || offset != uint64(i+1) {
			t.Fatalf("append %d = %d, %v", i, offset, err)
		}
	}
}

func offsets(t *testing.T, log telemetry.Log, from uint64) []uint64 {
	t.Helper()
	var out []uint64
	err := log.Read(t.Context(), from, func(r telemetry.Record) error {
		if want := fmt.Sprintf("record %d", r.Offset-1); string(r.Data) != want {
			t.Errorf("offset %d holds %q, want %q", r.Offset, r.Data, want)
		}
		out = append(out, r.Offset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func logKeepsOrder(t *testing.T, d Disk) {
	log, series := d.Open(t)
	if s := log.Stats(); s.First != 1 || s.Next != 1 {
		t.Errorf("empty log = %+v", s)
	}
	fill(t, log, 20)
	if got := offsets(t, log, 5); len(got) != 16 || got[0] != 5 || got[15] != 20 {
		t.Errorf("read from 5 = %v", got)
	}
	shut(t, log, series)
	log, series = d.Open(t)
	defer shut(t, log, series)
	if got := offsets(t, log, 0); len(got) != 20 {
		t.Errorf("after reopening: %v", got)
	}
	if s := log.Stats(); s.First != 1 || s.Next != 21 {
		t.Errorf("after reopening: %+v", s)
	}
	n := 0
	if err := log.Read(t.Context(), 0, func(telemetry.Record) error { n++; return telemetry.ErrStop }); err != nil || n != 1 {
		t.Errorf("ErrStop: read %d, %v", n, err)
	}
	mine := errors.New("mine")
	if err := log.Read(t.Context(), 0, func(telemetry.Record) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the caller's error came back as %v", err)
	}
}

func logSeeksByTime(t *testing.T, d Disk) {
	log, series := d.Open(t)
	defer shut(t, log, series)
	fill(t, log, 20) // two each at 0, 10, 20 ... 90
	for _, c := range []struct {
		at   int64
		want uint64
	}{{-5, 1}, {0, 1}, {1, 3}, {10, 3}, {45, 11}, {90, 19}, {91, 21}} {
		if got, err := log.Seek(t.Context(), c.at); err != nil || got != c.want {
			t.Errorf("Seek(%d) = %d, %v, want %d", c.at, got, err, c.want)
		}
	}
}

func logTruncates(t *testing.T, d Disk) {
	log, series := d.Open(t)
	fill(t, log, 20)
	if err := log.Truncate(t.Context(), 15); err != nil {
		t.Fatal(err)
	}
	if got := offsets(t, log, 0); len(got) != 6 || got[0] != 15 {
		t.Errorf("after truncating to 15: %v", got)
	}
	if got, err := log.Seek(t.Context(), 0); err != nil || got != 15 {
		t.Errorf("Seek(0) = %d, %v", got, err)
	}
	if err := log.Truncate(t.Context(), 99); err != nil {
		t.Fatal(err)
	}
	shut(t, log, series)
	log, series = d.Open(t)
	defer shut(t, log, series)
	if s := log.Stats(); s.First != 21 || s.Next != 21 {
		t.Errorf("an emptied log must not use its offsets again: %+v", s)
	}
}

func logReplaces(t *testing.T, d Disk) {
	log, series := d.Open(t)
	defer shut(t, log, series)
	fill(t, log, 3)
	if err := log.Replace(t.Context(), telemetry.Record{Offset: 2, At: 0, Data: []byte("other")}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := log.Read(t.Context(), 1, func(r telemetry.Record) error { got = append(got, string(r.Data)); return nil }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[record 0 other record 2]" {
		t.Errorf("got %v", got)
	}
	if err := log.Replace(t.Context(), telemetry.Record{Offset: 9}); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("replacing what is not there: %v", err)
	}
}

func logSurvivesPowerCut(t *testing.T, d Disk) {
	log, series := d.Open(t)
	defer shut(t, log, series)
	for round := range 20 {
		fillFrom(t, log, round*10, 10)
		cutLog, cutSeries := d.PowerCut(t, round*5).Open(t)
		if got := offsets(t, cutLog, 0); len(got) != (round+1)*10 {
			t.Fatalf("round %d: %d of %d acknowledged records are there", round, len(got), (round+1)*10)
		}
		shut(t, cutLog, cutSeries)
	}
}

func fillFrom(t *testing.T, log telemetry.Log, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		if _, err := log.Append(t.Context(), int64(i), fmt.Appendf(nil, "record %d", i)); err != nil {
			t.Fatal(err)
		}
	}
}

func logStopsAtFailedSync(t *testing.T, d Disk) {
	log, _ := d.Open(t)
	fill(t, log, 5)
	d.FailSync()
	for i := range 3 {
		if _, err := log.Append(t.Context(), 99, []byte("lost")); vigil.KindOf(err) != vigil.Unavailable {
			t.Errorf("append %d after a failed sync: %v", i, err)
		}
	}
	if log.Stats().Fault == nil {
		t.Error("Stats does not tell of the fault")
	}
	cut, series := d.PowerCut(t, 0).Open(t)
	defer shut(t, cut, series)
	if got := offsets(t, cut, 0); len(got) != 5 {
		t.Errorf("after the restart: %v", got)
	}
}

func entries(from, n int) []telemetry.Entry {
	var out []telemetry.Entry
	for i := from; i < from+n; i++ {
		out = append(out, telemetry.Entry{Key: fmt.Appendf(nil, "k%04d", i), Value: fmt.Appendf(nil, "v%d", i)})
	}
	return out
}

func keys(t *testing.T, s telemetry.Series, from, to string) []string {
	t.Helper()
	var out []string
	err := s.Scan(t.Context(), []byte(from), []byte(to), func(k, _ []byte) error {
		out = append(out, string(k))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func seriesScans(t *testing.T, d Disk) {
	log, s := d.Open(t)
	defer shut(t, log, s)
	if err := s.Write(t.Context(), append(entries(0, 100), telemetry.Entry{Key: []byte("k0050")})); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(keys(t, s, "k0048", "k0053")); got != "[k0048 k0049 k0051 k0052]" {
		t.Errorf("scan = %s", got)
	}
	if got := keys(t, s, "k0053", "k0048"); len(got) != 0 {
		t.Errorf("a range turned round holds %v", got)
	}
	key, value, err := s.Last(t.Context(), []byte("k0000"), []byte("k0051"))
	if err != nil || string(key) != "k0049" || string(value) != "v49" {
		t.Errorf("Last = %q, %q, %v", key, value, err)
	}
	if key, _, err := s.Last(t.Context(), []byte("x"), []byte("z")); err != nil || key != nil {
		t.Errorf("Last of nothing = %q, %v", key, err)
	}
}

func seriesFlushSurvivesPowerCut(t *testing.T, d Disk) {
	log, s := d.Open(t)
	defer shut(t, log, s)
	for round := range 5 {
		if err := s.Write(t.Context(), entries(round*100, 100)); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		cutLog, cut := d.PowerCut(t, round*20).Open(t)
		if got := keys(t, cut, "k", "l"); len(got) != (round+1)*100 {
			t.Fatalf("round %d: %d of %d flushed keys are there", round, len(got), (round+1)*100)
		}
		shut(t, cutLog, cut)
	}
}

func seriesDeletesRange(t *testing.T, d Disk) {
	log, s := d.Open(t)
	defer shut(t, log, s)
	if err := s.Write(t.Context(), entries(0, 100)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRange(t.Context(), []byte("k0010"), []byte("k0090")); err != nil {
		t.Fatal(err)
	}
	cutLog, cut := d.PowerCut(t, 0).Open(t)
	defer shut(t, cutLog, cut)
	for _, x := range []telemetry.Series{s, cut} {
		if got := keys(t, x, "k", "l"); len(got) != 20 {
			t.Errorf("%d keys are left: %v", len(got), got)
		}
	}
}

func closedLogIsUnavailable(t *testing.T, d Disk) {
	log, s := d.Open(t)
	shut(t, log, s)
	if _, err := log.Append(t.Context(), 0, bytes.Repeat([]byte{1}, 9)); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("append to a closed log: %v", err)
	}
}

func closedSeriesIsUnavailable(t *testing.T, d Disk) {
	log, s := d.Open(t)
	shut(t, log, s)
	if err := s.Scan(t.Context(), []byte("a"), []byte("b"), func(_, _ []byte) error { return nil }); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("scan of a closed series store: %v", err)
	}
}

// logKeepsReplaced replaces the first, some middle and the last records, the middle one twice, over a restart, a search, a
// truncation and further records.
func logKeepsReplaced(t *testing.T, d Disk) {
	log, series := d.Open(t)
	fill(t, log, 10) // two each at 0, 10, 20, 30, 40
	for _, c := range []struct {
		offset uint64
		data   string
	}{{1, "a"}, {5, "b"}, {5, "c"}, {6, "d"}, {10, "e"}} {
		if err := log.Replace(t.Context(), telemetry.Record{Offset: c.offset, At: int64(c.offset-1) / 2 * 10, Data: []byte(c.data)}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(from uint64) (out []string) {
		t.Helper()
		last := uint64(0)
		err := log.Read(t.Context(), from, func(r telemetry.Record) error {
			if r.Offset <= last || r.At != int64(r.Offset-1)/2*10 {
				t.Errorf("offset %d after %d, at %d", r.Offset, last, r.At)
			}
			last = r.Offset
			out = append(out, string(r.Data))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	whole := "[a record 1 record 2 record 3 c d record 6 record 7 record 8 e]"
	if got := fmt.Sprint(read(0)); got != whole {
		t.Errorf("read %s", got)
	}
	shut(t, log, series)
	log, series = d.Open(t)
	defer func() { shut(t, log, series) }()
	if s := log.Stats(); s.First != 1 || s.Next != 11 || s.Lost != 0 {
		t.Errorf("after reopening: %+v", s)
	}
	if got := fmt.Sprint(read(0)); got != whole {
		t.Errorf("after reopening: %s", got)
	}
	if got := fmt.Sprint(read(10)); got != "[e]" {
		t.Errorf("the last alone: %s", got)
	}
	for at, want := range map[int64]uint64{-1: 1, 0: 1, 15: 5, 20: 5, 40: 9, 41: 11} {
		if got, err := log.Seek(t.Context(), at); err != nil || got != want {
			t.Errorf("Seek(%d) = %d, %v, want %d", at, got, err, want)
		}
	}
	if offset, err := log.Append(t.Context(), 50, []byte("record 10")); err != nil || offset != 11 {
		t.Errorf("append = %d, %v", offset, err)
	}
	if err := log.Truncate(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(read(0)); got != "[d record 6 record 7 record 8 e record 10]" {
		t.Errorf("after truncating: %s", got)
	}
}
