package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/engine/backup"
)

// Verification is what a reading of everything found.
type Verification struct {
	OK      bool           `json:"ok"`
	Faults  []string       `json:"faults"`
	Content backup.Content `json:"content"`
	// Compared says that the content was held against what the backup says it holds.
	Compared bool `json:"compared"`
}

func verification(got backup.Content, want *backup.Content) Verification {
	v := Verification{Content: got, Compared: want != nil, Faults: []string{}}
	if want != nil {
		v.Faults = append(v.Faults, backup.Differences(*want, got)...)
	} else if n := got.Telemetry.Damaged; n > 0 {
		v.Faults = append(v.Faults, "telemetry: some stretches are damaged and left out; everything else is served")
	}
	v.OK = len(v.Faults) == 0
	return v
}

const (
	// restoringName is where a restore unpacks. While it is there, the directory is not whole and no Vigil starts on it.
	restoringName = "restoring"
	// restoredName tells the first start of what moment the records are; see Engines.judgeAgain.
	restoredName = "restored.json"
)

// Restore unpacks a backup, decrypted, into a data directory that is empty or does not exist. What was unpacked is read
// from end to end and compared with what the backup says before it is put in place; killed at any moment, it leaves a
// directory on which no Vigil starts and on which Restore begins anew. It returns Conflict when the directory holds
// something, Invalid when the backup is damaged.
func Restore(ctx context.Context, r io.Reader, cfg Config, progress func(done, total int64)) (m backup.Manifest, err error) {
	unlock, err := cfg.prepare()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := cfg.clearInterrupted(); err != nil {
		return m, err
	}
	if err := cfg.mustBeEmpty(); err != nil {
		return m, err
	}
	dir := cfg.path(restoringName)
	m, err = archive.Read(ctx, r, dir, progress)
	if err == nil {
		err = compare(ctx, dir, m)
	}
	if err != nil {
		return m, errors.Join(err, os.RemoveAll(dir))
	}
	note, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	if err := writeFile(filepath.Join(dir, restoredName), note, 0o600); err != nil {
		return m, err
	}
	return m, cfg.putInPlace(dir)
}

// compare reads what was unpacked and holds it against the manifest.
func compare(ctx context.Context, dir string, m backup.Manifest) error {
	got, err := inspect(ctx, dir, m.TelemetryAt)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "backup.compare", "what the backup holds cannot be read: %w", err)
	}
	if faults := backup.Differences(m.Content, got); len(faults) > 0 {
		return vigil.Errorf(vigil.Invalid, "backup.compare", "the backup does not hold what it says (%d differences): %s", len(faults), faults[0])
	}
	return nil
}

// putInPlace moves what was unpacked up into the data directory; the empty directory goes last.
func (c Config) putInPlace(dir string) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(name)
	})
	if err != nil {
		return err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := os.Rename(filepath.Join(dir, e.Name()), c.path(e.Name())); err != nil {
			return err
		}
	}
	if err := syncDir(c.Data); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil {
		return err
	}
	return syncDir(c.Data)
}

// clearInterrupted removes what an interrupted restore left: the directory was empty when it began, and nothing started on it since.
func (c Config) clearInterrupted() error {
	if _, err := os.Lstat(c.path(restoringName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range append(keyFiles(), "records.db", "records.db-wal", "records.db-shm", "log", "series", restoredName, restoringName+".check") {
		if err := os.RemoveAll(c.path(name)); err != nil {
			return err
		}
	}
	if err := syncDir(c.Data); err != nil {
		return err
	}
	return os.RemoveAll(c.path(restoringName))
}

func (c Config) mustBeEmpty() error {
	list, err := os.ReadDir(c.Data)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !slices.Contains([]string{"lock", "lost+found", restoringName + ".check"}, e.Name()) {
			return vigil.Errorf(vigil.Conflict, "backup.restore", "%s is not empty (%s); a backup is restored into an empty directory only", c.Data, e.Name())
		}
	}
	return nil
}

// mustBeWhole refuses a directory in which a restore was interrupted.
func (c Config) mustBeWhole() error {
	if _, err := os.Lstat(c.path(restoringName)); err == nil {
		return vigil.Errorf(vigil.Conflict, "server.data", "a restore into %s was interrupted; run vigil restore again", c.Data)
	}
	return nil
}

// restored returns the manifest of the backup that the directory was restored from and not started since, nil when there is none.
func (c Config) restored() (*backup.Manifest, error) {
	b, err := os.ReadFile(c.path(restoredName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &backup.Manifest{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "backup.restored", "%s is damaged; remove it: %w", c.path(restoredName), err)
	}
	return m, nil
}

// VerifyArchive unpacks a backup, decrypted, into a new directory below tmp, reads it from end to end, and removes it.
func VerifyArchive(ctx context.Context, r io.Reader, tmp string, progress func(done, total int64)) (m backup.Manifest, out Verification, err error) {
	dir, err := os.MkdirTemp(tmp, "vigil-verify-")
	if err != nil {
		return m, out, vigil.Errorf(vigil.Unavailable, "backup.verify", "no room to unpack the backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	to := filepath.Join(dir, "data")
	if m, err = archive.Read(ctx, r, to, progress); err != nil {
		return m, out, err
	}
	got, err := inspect(ctx, to, m.TelemetryAt)
	return m, verification(got, &m.Content), err
}

// VerifyStopped reads a data directory of which no Vigil runs from end to end, without changing it. After a restore it is
// compared with what the backup said it holds, until the first start. It returns Conflict when a Vigil runs.
func VerifyStopped(ctx context.Context, cfg Config) (out Verification, err error) {
	if err := cfg.used(); err != nil {
		return out, vigil.Errorf(vigil.NotFound, "backup.verify", "%s is no data directory of Vigil: %w", cfg.Data, err)
	}
	unlock, err := cfg.prepare()
	if err != nil {
		if vigil.KindOf(err) == vigil.Conflict {
			err = vigil.Errorf(vigil.Conflict, "backup.verify", "a Vigil runs on %s; leave --data out and it reads everything itself", cfg.Data)
		}
		return out, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := errors.Join(cfg.mustBeWhole(), cfg.sweep()); err != nil {
		return out, err
	}
	m, err := cfg.restored()
	if err != nil {
		return out, err
	}
	dir, err := os.MkdirTemp(cfg.Data, stagingName)
	if err != nil {
		return out, vigil.Errorf(vigil.Unavailable, "backup.verify", "the data directory cannot be written: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := cfg.copyRecords(ctx, dir); err != nil {
		return out, err
	}
	for _, name := range []string{"log", "series"} {
		err := copyTree(cfg.path(name), filepath.Join(dir, name), func(name string) bool { return filepath.Ext(name) == ".sst" })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return out, err
		}
	}
	at, want := time.Now(), (*backup.Content)(nil)
	if m != nil {
		at, want = m.TelemetryAt, &m.Content
	}
	got, err := inspect(ctx, dir, at)
	return verification(got, want), err
}

// copyRecords copies the record store of a Vigil that does not run into a directory, as a SQLite file.
func (c Config) copyRecords(ctx context.Context, dir string) error {
	if c.Records != "" {
		db, err := c.OpenRecords(ctx)
		if err != nil {
			return err
		}
		return errors.Join(db.Snapshot(ctx, filepath.Join(dir, "records.db")), db.Close())
	}
	for _, name := range []string{"records.db", "records.db-wal"} {
		err := copyFile(c.path(name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
