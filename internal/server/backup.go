package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/backup"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Backups makes backups of one data directory, at most one at a time.
//
//	flush the audit trail ─► copy the records ─► checkpoint, link series, link log ─► keys ─► read it all and sum it up ─► archive
//
// The records are copied first: what they speak of is then in the telemetry, which is of a later moment (docs/adr/022).
type Backups struct {
	cfg       Config
	db        *relational.DB
	logStore  telemetry.Log
	series    *pebble.Series
	telemetry *telemetry.Store
	audit     *audit.Trail
	log       *slog.Logger
	busy      sync.Mutex
	trouble   atomic.Pointer[string] // why the last scheduled backup was not made
	next      atomic.Int64           // Unix nanoseconds: not tried again before
	newest    atomic.Int64           // of the scheduled backups, likewise; 0 for none
	began     time.Time
}

func newBackups(cfg Config, e *Engines) *Backups {
	return &Backups{cfg: cfg, db: e.db, logStore: e.log, series: e.series, telemetry: e.Telemetry, audit: e.Audit, log: e.logger, began: time.Now()}
}

// OpenStopped opens the stores of a data directory of which no Vigil runs, to back them up. It returns Conflict when one
// runs and NotFound when the directory is none of Vigil's.
func OpenStopped(ctx context.Context, cfg Config, log *slog.Logger) (b *Backups, done func() error, err error) {
	if err := cfg.used(); err != nil {
		return nil, nil, vigil.Errorf(vigil.NotFound, "backup.open", "%s is no data directory of Vigil: %w", cfg.Data, err)
	}
	unlock, err := cfg.prepare()
	if err != nil {
		if vigil.KindOf(err) == vigil.Conflict {
			err = vigil.Errorf(vigil.Conflict, "backup.open", "a Vigil runs on %s; leave --data out and it makes the backup itself", cfg.Data)
		}
		return nil, nil, err
	}
	e := &Engines{logger: log}
	done = func() error { return errors.Join(e.close(), unlock()) }
	if err = e.openStores(ctx, cfg); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return newBackups(cfg, e), done, nil
}

// snapshot is a consistent copy of the data directory beside it, until close.
type snapshot struct {
	backup.Header
	dir     string
	content backup.Content
	unlock  func()
}

// stagingName begins the names of directories in which snapshots are laid; what a killed process left is removed at the start.
const stagingName = "staging-"

// sweep removes the snapshots that a killed process left.
func (c Config) sweep() error {
	list, err := filepath.Glob(c.path(stagingName + "*"))
	for _, dir := range list {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// take makes a snapshot, and reads it from end to end. It returns Conflict while another backup is made.
func (b *Backups) take(ctx context.Context) (s *snapshot, err error) {
	if !b.busy.TryLock() {
		return nil, vigil.Errorf(vigil.Conflict, "backup.take", "another backup is being made; try again when it is through")
	}
	s = &snapshot{unlock: b.busy.Unlock, Header: backup.Header{Format: backup.Format, Version: b.cfg.Version, Created: time.Now().UTC()}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp(b.cfg.Data, stagingName); err != nil {
		return s, vigil.Errorf(vigil.Unavailable, "backup.take", "the data directory cannot be written: %w", err)
	}
	if err = b.audit.Flush(ctx); err != nil {
		return s, err
	}
	s.RecordsAt = time.Now().UTC()
	if err = b.db.Snapshot(ctx, filepath.Join(s.dir, "records.db")); err != nil {
		return s, err
	}
	if err = b.copyTelemetry(ctx, s.dir); err != nil {
		return s, fmt.Errorf("copy telemetry: %w", err)
	}
	s.TelemetryAt = time.Now().UTC()
	if err = copyKeys(b.cfg.Data, s.dir); err != nil {
		return s, err
	}
	if s.content, err = inspect(ctx, s.dir, s.TelemetryAt); err != nil {
		return s, fmt.Errorf("read the copy: %w", err)
	}
	s.Bytes, err = archive.Size(s.dir)
	return s, err
}

// copyTelemetry copies series and log. A log elsewhere, on NATS, stays there: then the series are complete without it, and an
// empty log goes into the copy.
func (b *Backups) copyTelemetry(ctx context.Context, dir string) error {
	log, here := b.logStore.(interface{ Snapshot(dir string) error })
	if !here {
		if err := b.caughtUp(ctx); err != nil {
			return err
		}
	}
	return b.telemetry.Freeze(ctx, func() error {
		if err := b.series.Snapshot(filepath.Join(dir, "series")); err != nil {
			return err
		}
		if here {
			return log.Snapshot(filepath.Join(dir, "log"))
		}
		empty, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
		if err != nil {
			return err
		}
		return empty.Close()
	})
}

// caughtUp waits until the series have what was acknowledged before the call.
func (b *Backups) caughtUp(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for until := b.telemetry.Health().LogPosition; b.telemetry.Health().Applied < until; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *snapshot) close() error {
	defer s.unlock()
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// keyFiles are the secrets of a house: whoever has them can speak in its name.
func keyFiles() []string {
	return []string{"tls", "turn.secret", "push.json", "notify.secret", peerKeyFile}
}

func copyKeys(from, to string) error {
	for _, name := range keyFiles() {
		err := copyTree(filepath.Join(from, name), filepath.Join(to, name), func(string) bool { return false })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// copyTree copies a file or a directory; files that link says yes to are linked, where the file system can.
func copyTree(from, to string, link func(name string) bool) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		place := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(place, 0o700)
		case !d.Type().IsRegular():
			return nil
		case link(name) && os.Link(name, place) == nil:
			return nil
		}
		return copyFile(name, place)
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// inspect reads the stores in the directory from end to end and says what they hold. The stores are opened on links and
// copies beside it, so that the files stay as they are.
func inspect(ctx context.Context, dir string, at time.Time) (out backup.Content, err error) {
	if out.Records, err = relational.Inspect(ctx, filepath.Join(dir, "records.db")); err != nil {
		return out, err
	}
	check := strings.TrimRight(dir, "/") + ".check"
	if err := os.RemoveAll(check); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(check)) }()
	for _, name := range []string{"log", "series"} {
		never := func(name string) bool { return strings.HasSuffix(name, ".sst") } // changes
		if err := copyTree(filepath.Join(dir, name), filepath.Join(check, name), never); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return out, err
		}
	}
	e := &Engines{logger: slog.New(slog.DiscardHandler)}
	defer func() { err = errors.Join(err, e.close()) }()
	small := pebble.Options{CacheSize: 8 << 20, MemTable: 8 << 20}
	log, err := pebble.OpenLog(filepath.Join(check, "log"), small)
	if err != nil {
		return out, err
	}
	e.log = log
	if e.series, err = pebble.OpenSeries(filepath.Join(check, "series"), small); err != nil {
		return out, err
	}
	e.Telemetry, err = telemetry.Open(ctx, telemetry.Config{Log: e.log, Series: e.series, Now: func() time.Time { return at }})
	if err != nil {
		return out, err
	}
	out.Telemetry, err = e.Telemetry.Digest(access.AsSystem(ctx, "backup"))
	return out, err
}

// Write makes a backup and writes it to what begin returns, which is called once the copy is made.
func (b *Backups) Write(ctx context.Context, begin func(h backup.Header) (io.Writer, error)) (m backup.Manifest, err error) {
	s, err := b.take(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	w, err := begin(s.Header)
	if err != nil {
		return m, err
	}
	return archive.Write(ctx, w, s.dir, s.Header, s.content)
}

// WriteFile makes a backup in a file, which appears under its name when it is whole and on disk. It returns Conflict when
// the file exists.
func (b *Backups) WriteFile(ctx context.Context, path string, key archive.Key) (m backup.Manifest, err error) {
	err = archive.Create(path, key, func(w io.Writer) error {
		m, err = b.Write(ctx, func(backup.Header) (io.Writer, error) { return w, nil })
		return err
	})
	return m, err
}

// Verify reads all that the stores hold now, as a backup would, and says what it is.
func (b *Backups) Verify(ctx context.Context) (out Verification, err error) {
	s, err := b.take(ctx)
	if err != nil {
		return out, err
	}
	return verification(s.content, nil), s.close()
}
