package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/backup"
)

// fill puts the defaults in and returns Invalid for what cannot be meant.
func (c *BackupConfig) fill() error {
	if c.To == "" {
		return nil
	}
	if c.Every == 0 {
		c.Every = 24 * time.Hour
	}
	if c.Keep == 0 {
		c.Keep = 7
	}
	if c.Every < time.Minute || c.Keep < 0 {
		return vigil.Errorf(vigil.Invalid, "server.config", "backup: every must be at least 1m and keep at least 1")
	}
	return nil
}

const (
	backupLayout = "20060102T150405Z"
	backupPrefix = "vigil-"
	// retryBackup is how long after a failure the next try is made.
	retryBackup = 10 * time.Minute
)

// Stored is one backup in the configured directory.
type Stored struct {
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	Bytes int64     `json:"bytes"`
}

// List returns the backups in the configured directory, newest first. It returns NotFound when none is configured.
func (b *Backups) List() ([]Stored, error) {
	if b.cfg.Backup.To == "" {
		return nil, vigil.Errorf(vigil.NotFound, "backup.list", "no directory for backups is configured; set backup.to in vigil.yaml")
	}
	list, err := os.ReadDir(b.cfg.Backup.To)
	if errors.Is(err, os.ErrNotExist) {
		return []Stored{}, nil
	}
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "backup.list", "the directory for backups cannot be read: %w", err)
	}
	out := []Stored{}
	for _, e := range list {
		stamp, _, whole := strings.Cut(strings.TrimPrefix(e.Name(), backupPrefix), ".tar")
		at, err := time.Parse(backupLayout, stamp)
		if err != nil || !whole || strings.HasSuffix(e.Name(), archive.Partial) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		out = append(out, Stored{e.Name(), at, info.Size()})
	}
	slices.SortFunc(out, func(a, b Stored) int { return b.At.Compare(a.At) })
	return out, nil
}

// Store makes a backup in the configured directory now and removes those beyond the number to keep.
func (b *Backups) Store(ctx context.Context) (out Stored, err error) {
	c := b.cfg.Backup
	if c.To == "" {
		_, err := b.List()
		return out, err
	}
	if err := makeDir(c.To); err != nil {
		return out, vigil.Errorf(vigil.Unavailable, "backup.store", "the directory for backups cannot be made: %w", err)
	}
	at := time.Now().UTC().Truncate(time.Second)
	out = Stored{Name: backupPrefix + at.Format(backupLayout) + ".tar", At: at}
	if c.Recipient != "" {
		out.Name += ".age"
	}
	if err := b.note(ctx, "backup.store", out.Name); err != nil {
		return out, err
	}
	m, err := b.WriteFile(ctx, filepath.Join(c.To, out.Name), archive.Key{Recipient: c.Recipient})
	if err != nil {
		return out, err
	}
	out.Bytes = m.Bytes
	b.newest.Store(at.UnixNano())
	b.log.Info("backup.stored", "bytes", m.Bytes, "subjects", len(m.Content.Telemetry.Subjects), "resources", m.Content.Records.Resources)
	return out, b.prune()
}

// note puts a backup on the audit trail before it is made: it takes every record out of the house.
func (b *Backups) note(ctx context.Context, action, what string) error {
	return b.audit.Append(ctx, audit.Entry{Action: action, What: what})
}

// prune removes the oldest backups, and what a killed process left half written.
func (b *Backups) prune() error {
	list, err := b.List()
	if err != nil {
		return err
	}
	for _, old := range list[min(len(list), b.cfg.Backup.Keep):] {
		err = errors.Join(err, os.Remove(filepath.Join(b.cfg.Backup.To, old.Name)))
	}
	left, _ := filepath.Glob(filepath.Join(b.cfg.Backup.To, backupPrefix+"*"+archive.Partial)) //nolint:errcheck // the pattern is sound
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// Run makes backups as the configuration says until ctx ends. A failure is shown on the System page, logged and tried again.
func (b *Backups) Run(ctx context.Context) error {
	if b.cfg.Backup.To == "" {
		return nil
	}
	ctx = access.AsSystem(ctx, "backup")
	b.look()
	tick := time.NewTicker(min(time.Minute, b.cfg.Backup.Every/4))
	defer tick.Stop()
	for {
		if now := time.Now(); b.due(now) {
			b.attempt(ctx, now)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *Backups) look() {
	if list, err := b.List(); err == nil && len(list) > 0 {
		b.newest.Store(list[0].At.UnixNano())
	}
}

func (b *Backups) due(now time.Time) bool {
	return now.UnixNano() >= max(b.next.Load(), b.newest.Load()+int64(b.cfg.Backup.Every))
}

func (b *Backups) attempt(ctx context.Context, now time.Time) {
	_, err := b.Store(ctx)
	if err == nil {
		b.trouble.Store(nil)
		return
	}
	if ctx.Err() != nil {
		return
	}
	text := vigil.Message(err)
	b.trouble.Store(&text)
	b.next.Store(now.Add(min(retryBackup, b.cfg.Backup.Every)).UnixNano())
	b.log.Warn("backup.failed", "error", err)
}

// checks is the line of the system page.
func (b *Backups) checks(now time.Time) []webapi.Check {
	c := b.cfg.Backup
	if c.To == "" {
		return nil
	}
	newest := time.Unix(0, b.newest.Load())
	from, text := newest, "The newest backup is "+now.Sub(newest).Round(time.Minute).String()+" old."
	if b.newest.Load() == 0 {
		from, text = b.began, "There is no backup yet."
	}
	late := now.Sub(from) > c.Every+c.Every/2
	switch trouble := b.trouble.Load(); {
	case trouble != nil:
		return []webapi.Check{{Name: "backup", Text: fmt.Sprintf("The last backup was not made: %s. %s It is tried again every %s.", *trouble, text, min(retryBackup, c.Every))}}
	case late:
		return []webapi.Check{{Name: "backup", Text: fmt.Sprintf("%s One is made every %s: it is late.", text, c.Every)}}
	}
	return []webapi.Check{{Name: "backup", OK: true, Text: fmt.Sprintf("%s One is made every %s, %d are kept.", text, c.Every, c.Keep)}}
}

// judgeAgain returns from when rules read the log at a start: the given time or, at the first start after a restore, before
// the moment of the records. What was measured between that and the end of the log is in the telemetry, and nobody judged
// it in these records. done says that it was judged.
func (b *Backups) judgeAgain(since time.Time) (from time.Time, done func() error, err error) {
	var m *backup.Manifest
	if m, err = b.cfg.restored(); err != nil || m == nil {
		return since, func() error { return nil }, err
	}
	if before := m.RecordsAt.Add(-catchUp); before.Before(since) {
		since = before
	}
	return since, func() error {
		if err := os.Remove(b.cfg.path(restoredName)); err != nil {
			return err
		}
		return syncDir(b.cfg.Data)
	}, nil
}
