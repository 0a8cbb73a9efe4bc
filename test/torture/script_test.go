package torture_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/notify"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// The script is a program of numbered writes to every store: the test binary runs it when scriptEnv is set. Its standard
// output is what was acknowledged, one line "<kind> <number>" each, written after the store said so.
//
//	t telemetry report   r record created   R the same record updated   a alarm with its page   m message   u audit entry
const (
	scriptEnv = "VIGIL_TORTURE_SCRIPT" // "<directory> <first number> <how many>"
	kinds     = "trRamu"
)

// began is the script's clock: it stands still, so that nothing grows old.
var began = time.Date(2025, 10, 9, 8, 0, 0, 0, time.UTC)

func scriptNow() time.Time { return began.Add(12 * time.Hour) }

// stores are all stores of a data directory, as the program opens them.
type stores struct {
	db        *relational.DB
	log       *pebble.Log
	series    *pebble.Series
	telemetry *telemetry.Store
	audit     *audit.Trail
	records   *record.Store
}

func openStores(dir string, tune func(*telemetry.Config)) (s *stores, err error) {
	s = &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.db, err = relational.OpenSQLite(filepath.Join(dir, "records.db")); err != nil {
		return s, err
	}
	if s.log, err = pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{MemTable: 1 << 20}); err != nil {
		return s, err
	}
	if s.series, err = pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{MemTable: 1 << 20}); err != nil {
		return s, err
	}
	cfg := telemetry.Config{Log: s.log, Series: s.series, Now: scriptNow, CheckpointEvery: time.Hour, BatchReports: 64, Logger: slog.New(slog.DiscardHandler)}
	if tune != nil {
		tune(&cfg)
	}
	if s.telemetry, err = telemetry.Open(context.Background(), cfg); err != nil {
		return s, err
	}
	s.audit = audit.New(audit.Config{Backend: s.db.Audit(), Now: scriptNow})
	s.records = record.New(record.Config{Backend: s.db.Records(), Now: scriptNow, Audit: s.audit})
	return s, nil
}

func (s *stores) close() error {
	var errs []error
	if s.telemetry != nil {
		errs = append(errs, s.telemetry.Close())
	}
	if s.series != nil {
		errs = append(errs, s.series.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.audit != nil {
		errs = append(errs, s.audit.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

func scriptContext() context.Context { return access.AsSystem(context.Background(), "torture") }

func scriptSubject(n int) vigil.Subject { return vigil.PatientSubject(fmt.Sprintf("p%d", n%3)) }

func scriptReport(n int) *vigil.Report {
	at := began.Add(time.Duration(n) * time.Second).UnixNano()
	r := &vigil.Report{
		Device: "patch-1", Subject: scriptSubject(n), Received: at, Protocol: "mqtt",
		Samples: []vigil.Sample{{Metric: "heart-rate", Time: at, Value: scriptValue(n)}},
	}
	if n%5 == 0 {
		r.Waveforms = []vigil.Waveform{{Metric: "ecg-patch", Start: at, Period: 4e6, Scale: 0.005, Data: scriptWave(n)}}
	}
	if n%7 == 0 {
		r.Events = []vigil.Event{{Kind: "dose-taken", Time: at, Data: map[string]string{"medication": strconv.Itoa(n)}}}
	}
	return r
}

func scriptValue(n int) float64 { return float64(40 + n%211) }

func scriptWave(n int) []int16 {
	out := make([]int16, 60)
	for i := range out {
		out[i] = int16(n*31 + i*i)
	}
	return out
}

func scriptRecord(n, version int) fhir.Resource {
	return fhir.New("Observation", fmt.Sprintf("note-%d", n)).With("status", "final").With("code", fhir.Concept("pain score")).
		With("subject", fhir.Ref(string(scriptSubject(n)), "")).
		With("valueString", fmt.Sprintf("%d/%d %s", n, version, strings.Repeat("x", n%300)))
}

func scriptAlarm(n int) alarm.Change {
	at := began.Add(time.Duration(n) * time.Second)
	id := fmt.Sprintf("alarm-%d", n)
	a := vigil.Alarm{ID: id, Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, State: vigil.AlarmRaised,
		Subject: scriptSubject(n), Rule: "map-low", Title: "MAP low", Value: scriptValue(n), Onset: at, Raised: at, Updated: at}
	return alarm.Change{Alarm: a, Pages: []alarm.Page{{ID: "page-" + id, Alarm: id, Step: 1, At: at}}}
}

// play runs the script on the directory and says on out what was acknowledged. It goes on where a store refuses.
func play(dir string, from, count int, out io.Writer) error {
	s, err := openStores(dir, nil)
	if err != nil {
		return err
	}
	s.telemetry.Start(context.Background())
	s.script(from, count, out)
	return s.close()
}

// script writes the numbers to every store at once.
func (s *stores) script(from, count int, out io.Writer) {
	var mu sync.Mutex
	say := func(kind byte, n int, err error) {
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(out, "%c %d\n", kind, n)
		}
	}
	var writers sync.WaitGroup
	each := func(fn func(n int)) {
		writers.Go(func() {
			for n := from; n < from+count; n++ {
				fn(n)
			}
		})
	}
	ctx := scriptContext()
	each(func(n int) {
		var wait sync.WaitGroup
		wait.Add(1)
		s.telemetry.Append(scriptReport(n), func(err error) { say('t', n, err); wait.Done() })
		if n%4 == 0 { // commits of one to four reports
			wait.Wait()
		}
		if n%40 == 39 {
			s.telemetry.Checkpoint(ctx) //nolint:errcheck // the store says so in its health
		}
	})
	each(func(n int) {
		_, err := s.records.Batch(ctx, []record.Write{{Op: record.OpUpdate, Resource: scriptRecord(n, 1)}})
		say('r', n, err)
		if err == nil && n%3 == 0 {
			_, err := s.records.Update(ctx, scriptRecord(n, 2), 0)
			say('R', n, err)
		}
	})
	each(func(n int) {
		say('a', n, s.db.Alarms().Put(ctx, scriptAlarm(n)))
		_, err := s.db.Outbox().Add(ctx, notify.Message{ID: fmt.Sprintf("page-alarm-%d", n), Alarm: fmt.Sprintf("alarm-%d", n), Text: strconv.Itoa(n), State: notify.Waiting, Created: scriptNow()})
		say('m', n, err)
	})
	each(func(n int) {
		say('u', n, s.audit.Append(ctx, audit.Entry{Action: "torture.entry", What: strconv.Itoa(n), Outcome: audit.OK}))
	})
	writers.Wait()
}

// runScript is the whole program when scriptEnv is set.
func runScript(args string) int {
	f := strings.Fields(args)
	from, err1 := strconv.Atoi(f[1])
	count, err2 := strconv.Atoi(f[2])
	if err := errors.Join(err1, err2, play(f[0], from, count, os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ledger is what a script was told is stored, over all its lives on one disk.
type ledger struct {
	acked map[byte]map[int]bool
	next  int // the first number that was never tried
}

func newLedger() *ledger {
	l := &ledger{acked: map[byte]map[int]bool{}}
	for i := range len(kinds) {
		l.acked[kinds[i]] = map[int]bool{}
	}
	return l
}

// Write takes the script's output; the last line counts when it is whole.
func (l *ledger) take(output []byte) {
	lines := strings.Split(string(output), "\n")
	for _, line := range lines[:len(lines)-1] {
		kind, num, ok := strings.Cut(line, " ")
		if n, err := strconv.Atoi(num); ok && err == nil && len(kind) == 1 && l.acked[kind[0]] != nil {
			l.acked[kind[0]][n] = true
		}
	}
}

func (l *ledger) size() (n int) {
	for _, m := range l.acked {
		n += len(m)
	}
	return n
}

// found is what the stores of a directory hold.
type found struct {
	has   map[byte]map[int]bool
	wrong []string // what is there and is not what was written
	told  []string // damage that the stores speak of
}

// examine opens the stores of a directory and reads everything that the script can have written before the number next.
func examine(dir string, next int) (f *found, err error) {
	s, err := openStores(dir, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	f = &found{has: newLedger().acked}
	if err := f.readTelemetry(s); err != nil {
		f.told = append(f.told, err.Error())
	}
	if err := f.readRecords(s, next); err != nil {
		f.told = append(f.told, err.Error())
	}
	if err := f.readDesk(s); err != nil {
		f.told = append(f.told, err.Error())
	}
	h := s.telemetry.Health()
	if n := h.Quarantined + h.Log.Lost + h.Series.Lost; n > 0 {
		f.told = append(f.told, fmt.Sprintf("telemetry: %d damaged", n))
	}
	if r := s.db.Health().Reason; r != "" {
		f.told = append(f.told, r)
	}
	return f, nil
}

func (f *found) readTelemetry(s *stores) error {
	ctx := scriptContext()
	waves, doses := map[int]bool{}, map[int]bool{}
	number := func(at int64) int { return int(time.Duration(at-began.UnixNano()) / time.Second) }
	for p := range 3 {
		subject := scriptSubject(p)
		from, to := began.Add(-time.Hour), began.Add(48*time.Hour)
		events, err := s.telemetry.Events(ctx, subject, nil, from, to)
		if err != nil {
			return err
		}
		for _, e := range events {
			n := number(e.Time)
			if doses[n] = true; e.Data["medication"] != strconv.Itoa(n) || e.Kind != "dose-taken" {
				f.wrong = append(f.wrong, fmt.Sprintf("event %d says %v", n, e.Data))
			}
		}
		blocks, err := s.telemetry.Waveform(ctx, subject, "ecg-patch", from, to)
		if err != nil {
			return err
		}
		for _, b := range blocks {
			n := number(b.Start)
			if waves[n] = true; !slices.Equal(b.Data, scriptWave(n)) {
				f.wrong = append(f.wrong, fmt.Sprintf("waveform %d differs", n))
			}
		}
		lines, err := s.telemetry.Query(ctx, telemetry.Query{Subject: subject, From: from, To: to})
		if err != nil {
			return err
		}
		for _, l := range lines {
			for _, pt := range l.Points {
				n := number(pt.Time)
				if pt.Mean != scriptValue(n) || n%3 != p || pt.Count != 1 {
					f.wrong = append(f.wrong, fmt.Sprintf("sample %d is %v", n, pt.Mean))
				}
				if (n%5 != 0 || waves[n]) && (n%7 != 0 || doses[n]) {
					f.has['t'][n] = true
				}
			}
		}
	}
	return nil
}

func (f *found) readRecords(s *stores, next int) error {
	ctx := scriptContext()
	var errs []error
	for n := range next + beyond {
		rec, err := s.records.Read(ctx, "Observation", fmt.Sprintf("note-%d", n))
		if vigil.KindOf(err) == vigil.NotFound {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r, err := fhir.Parse(rec.JSON)
		version := 1
		if f.has['r'][n] = true; rec.Version > 1 {
			f.has['R'][n], version = true, 2
		}
		if want := scriptRecord(n, version).Str("valueString"); err != nil || r.Str("valueString") != want {
			f.wrong = append(f.wrong, fmt.Sprintf("record %d is %q", n, rec.JSON))
		}
	}
	return errors.Join(errs...)
}

const beyond = 20 // numbers that were never tried and are looked up all the same

func (f *found) readDesk(s *stores) error {
	ctx := scriptContext()
	list, err := s.db.Alarms().Open(ctx)
	pages, perr := s.db.Alarms().Unsent(ctx)
	messages, merr := s.db.Outbox().List(ctx, "", "", 0)
	paged := map[string]bool{}
	for _, p := range pages {
		paged[p.Alarm] = p.ID == "page-"+p.Alarm
	}
	for _, a := range list {
		n, err := strconv.Atoi(strings.TrimPrefix(a.ID, "alarm-"))
		if err != nil || a.Value != scriptValue(n) || a.Subject != scriptSubject(n) || perr == nil && !paged[a.ID] {
			f.wrong = append(f.wrong, fmt.Sprintf("alarm %s: %v, paged %v", a.ID, a.Value, paged[a.ID]))
		}
		f.has['a'][n] = true
	}
	for _, m := range messages {
		n, err := strconv.Atoi(m.Text)
		if err != nil || m.Alarm != fmt.Sprintf("alarm-%d", n) {
			f.wrong = append(f.wrong, "message "+m.ID)
		}
		f.has['m'][n] = true
	}
	_, uerr := s.audit.Verify(ctx)
	for after := int64(0); uerr == nil; {
		page, err := s.audit.List(ctx, audit.Filter{After: after, Oldest: true, Limit: 1000})
		if uerr = err; err != nil || len(page) == 0 {
			break
		}
		for _, r := range page {
			if n, err := strconv.Atoi(r.What); r.Action == "torture.entry" && err == nil {
				f.has['u'][n] = true
			}
			after = r.Seq
		}
	}
	return errors.Join(err, perr, merr, uerr)
}

// verdict is what the comparison of a ledger with what is stored says.
type verdict struct {
	checked, lost, invented int
	text                    []string
}

// judge compares; nothing acknowledged may be missing, nothing may be there that was never tried or was written otherwise.
func judge(l *ledger, f *found) (v verdict) {
	for i := range len(kinds) {
		kind := kinds[i]
		for n := range l.acked[kind] {
			if v.checked++; !f.has[kind][n] {
				v.lost++
				v.text = append(v.text, fmt.Sprintf("%c %d was acknowledged and is not there", kind, n))
			}
		}
		for n := range f.has[kind] {
			if n < 0 || n >= l.next {
				v.invented++
				v.text = append(v.text, fmt.Sprintf("%c %d was never written", kind, n))
			}
		}
	}
	v.invented += len(f.wrong)
	v.text = append(v.text, f.wrong...)
	slices.Sort(v.text)
	return v
}
