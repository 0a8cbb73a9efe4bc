package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/remotewrite"
)

// Finding is one thing that the examination looked at, in plain words with its mend.
type Finding struct {
	Name    string
	OK      bool
	Text    string
	Running bool // a Vigil runs on the directory: its doors are taken by itself
}

// Examine looks at an installation that is not running: the directory, its space, the stores. It changes nothing that
// a start would not.
func Examine(ctx context.Context, cfg Config) ([]Finding, error) {
	var out []Finding
	add := func(name string, ok bool, format string, args ...any) {
		out = append(out, Finding{Name: name, OK: ok, Text: fmt.Sprintf(format, args...)})
	}
	if _, err := os.Stat(cfg.Data); os.IsNotExist(err) {
		add("data", true, "%s does not exist yet; the first start makes it", cfg.Data)
		return out, nil
	}
	unlock, err := cfg.prepare()
	if err != nil {
		if vigil.KindOf(err) == vigil.Conflict {
			add("data", true, "a Vigil is running on %s; its state is at /api/status and on the System page. Stop it to examine the stores", cfg.Data)
			out[len(out)-1].Running = true
			return out, nil
		}
		add("data", false, "%s", vigil.Message(err))
		return out, nil
	}
	defer unlock() //nolint:errcheck // the process ends
	add("data", true, "%s can be written", cfg.Data)
	if c := cfg.Outlets.RemoteWrite; c.URL != "" {
		_, err := remotewrite.New(remotewrite.Config{URL: c.URL, Labels: c.Labels})
		add("remote_write", err == nil, "%s", outletFinding(err))
	}
	if cfg.Backup.To != "" {
		ok, text := examineBackups(cfg)
		add("backup", ok, "%s", text)
	}
	free := diskFree(cfg.Data)
	add("disk", free > 1<<30, "%.1f GB free; Vigil stops acknowledging devices when the disk is full, so keep more than 1 GB", float64(free)/1e9)
	most := openFiles()
	add("files", most >= wantFiles, "%s", filesFinding(most))
	if _, err := cfg.quotas(); err != nil {
		add("quotas", false, "%s", vigil.Message(err))
	}
	if policy, err := cfg.policy(); err != nil {
		add("retention", false, "%s", vigil.Message(err))
	} else {
		add("retention", true, "telemetry is kept, unless an administrator decided otherwise: %s", policy)
	}
	ok, text := examineRecords(ctx, cfg)
	add("records", ok, "%s", text)
	ok, text = examineLog(ctx, cfg)
	add("log", ok, "%s", text)
	series, err := pebble.OpenSeries(cfg.path("series"), pebble.Options{})
	if err != nil {
		add("series", false, "the series store cannot be opened: %v", err)
	} else {
		add("series", true, "the series store opens")
		series.Close()
	}
	return out, nil
}

// wantFiles is enough for ten thousand connections beside the stores.
const wantFiles = 16_384

func filesFinding(most uint64) string {
	if most >= wantFiles {
		return fmt.Sprintf("%d files may be open; every connection is one", most)
	}
	return fmt.Sprintf("only %d files may be open, and every connection is one: with more than about %d devices the rest cannot connect. Set LimitNOFILE=65536 in the systemd unit, or ulimit -Hn", most, max(int(most)-512, 0))
}

// examineRecords opens the record store and has it look at itself.
func examineRecords(ctx context.Context, cfg Config) (ok bool, text string) {
	db, err := cfg.OpenRecords(ctx)
	switch {
	case err == nil:
		defer db.Close()
		return db.Examine(ctx)
	case cfg.Records != "":
		return false, vigil.Message(err)
	}
	return false, fmt.Sprintf("the record store cannot be opened: %v. Restore records.db from a backup, or move it away to start anew", err)
}

// examineBackups says how old the newest of the configured backups is.
func examineBackups(cfg Config) (ok bool, text string) {
	if err := cfg.Backup.fill(); err != nil {
		return false, vigil.Message(err)
	}
	list, err := (&Backups{cfg: cfg}).List()
	switch {
	case err != nil:
		return false, vigil.Message(err)
	case len(list) == 0:
		return true, fmt.Sprintf("there is no backup in %s yet; a running Vigil makes one every %s", cfg.Backup.To, cfg.Backup.Every)
	}
	return true, fmt.Sprintf("the newest of %d backups in %s was made %s", len(list), cfg.Backup.To, list[0].At.Format(time.RFC3339))
}

// examineLog opens the telemetry log where it is kept.
func examineLog(ctx context.Context, cfg Config) (ok bool, text string) {
	e := &Engines{logger: slog.New(slog.DiscardHandler)}
	if err := e.openLog(ctx, cfg); err != nil {
		return false, fmt.Sprintf("the telemetry log cannot be opened: %s", vigil.Message(err))
	}
	defer e.close() //nolint:errcheck // nothing was written
	if cfg.Log.URL == "" {
		return true, "the telemetry log opens"
	}
	s := e.log.Stats()
	return true, fmt.Sprintf("NATS answers and has the telemetry log, records %d to %d; its servers must run with sync_interval: always", s.First, s.Next-1)
}
