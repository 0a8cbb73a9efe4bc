package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/driver/relational/pgtest"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/server"
)

var postgres *pgtest.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Run(m, func(s *pgtest.Server) { postgres = s }))
}

// TestMigrate moves a house with alarms to PostgreSQL and back. Each time it is the same house, whole by its sums.
func TestMigrate(t *testing.T) {
	dir, url := t.TempDir(), postgres.Database(t)
	first := server.Config{Data: filepath.Join(dir, "first")}
	s, stop := start(t, first.Data)
	before := live(t, s)
	if _, err := server.Migrate(t.Context(), first, url, nil); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("migrate while it runs: %v", err)
	}
	stop()
	there := first
	there.Records = url
	told := map[string]int64{}
	made, err := server.Migrate(t.Context(), first, url, func(table string, rows, _ int64) { told[table] = rows })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range made {
		if told[c.Table] != c.Rows {
			t.Errorf("of table %s %d rows were told, %d were copied", c.Table, told[c.Table], c.Rows)
		}
	}
	back, err := server.Migrate(t.Context(), there, "sqlite:"+filepath.Join(dir, "second"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, back); diff != "" || relational.Digest(made) != relational.Digest(back) || told["alarm"] == 0 {
		t.Errorf("%d alarms; there and back (-there +back):\n%s", told["alarm"], diff)
	}
	for name, again := range map[string]error{
		"NotEmpty":     second(server.Migrate(t.Context(), first, url, nil)),
		"NotEmptyFile": second(server.Migrate(t.Context(), there, "sqlite:"+first.Data, nil)),
	} {
		if vigil.KindOf(again) != vigil.Conflict || !strings.Contains(again.Error(), "not empty") {
			t.Errorf("%s: %v", name, again)
		}
	}
	s, stop = startWith(t, there)
	if diff := cmp.Diff(before, stateOf(t, s)); diff != "" {
		t.Errorf("the house on PostgreSQL (-before +after): %s", diff)
	}
	ctx := access.AsSystem(t.Context(), "test")
	if n, err := s.Engines.Audit.Verify(ctx); n == 0 || err != nil {
		t.Errorf("the audit trail: %d entries, %v", n, err)
	}
	if _, err := s.Engines.Records.Create(ctx, fhir.New("Communication", "").With("status", "completed")); err != nil {
		t.Error(err)
	}
	stop()
}

func TestMigrateRefuses(t *testing.T) {
	dir := t.TempDir()
	_, stop := start(t, dir)
	stop()
	cfg := server.Config{Data: dir}
	for name, c := range map[string]struct {
		cfg  server.Config
		to   string
		kind vigil.Kind
		must string
	}{
		"NoPlace":   {cfg, "mysql://root:secret@x/y", vigil.Invalid, `"mysql" names no place`},
		"NoDir":     {cfg, "sqlite:", vigil.Invalid, "write postgres://"},
		"Itself":    {cfg, "sqlite:" + dir, vigil.Invalid, "already"},
		"NoServer":  {cfg, "postgres://vigil:secret@127.0.0.1:1/x", vigil.Unavailable, "cannot be reached"},
		"NoRecords": {server.Config{Data: t.TempDir()}, "sqlite:" + t.TempDir(), vigil.NotFound, "no records"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.Migrate(t.Context(), c.cfg, c.to, nil)
			if vigil.KindOf(err) != c.kind || !strings.Contains(vigil.Message(err), c.must) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", vigil.KindOf(err), err)
			}
		})
	}
	t.Run("From", func(t *testing.T) {
		if _, err := cfg.From("records.db"); vigil.KindOf(err) != vigil.Invalid {
			t.Error(err)
		}
		if c, err := cfg.From("sqlite:/x"); err != nil || c.Data != "/x" || c.Records != "" {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// TestEmptyDatabaseBesideRecords: who sets records: and forgets to take the records along does not begin with none unnoticed.
func TestEmptyDatabaseBesideRecords(t *testing.T) {
	cfg := server.Config{Data: t.TempDir()}
	_, stop := start(t, cfg.Data)
	stop()
	cfg.Records = postgres.Database(t)
	if _, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); vigil.KindOf(err) != vigil.Conflict || !strings.Contains(err.Error(), "vigil migrate") {
		t.Errorf("it started: %v", err)
	}
	if err := os.Rename(filepath.Join(cfg.Data, "records.db"), filepath.Join(cfg.Data, "old.db")); err != nil {
		t.Fatal(err)
	}
	_, stop = startWith(t, cfg)
	stop()
}

// TestBackupFromPostgres: a backup holds the records as SQLite, and becomes a house with or without PostgreSQL.
func TestBackupFromPostgres(t *testing.T) {
	dir := t.TempDir()
	cfg := server.Config{Data: filepath.Join(dir, "first"), Records: postgres.Database(t)}
	s, stop := startWith(t, cfg)
	before := live(t, s)
	file := filepath.Join(dir, "a.tar.age")
	made, err := s.Engines.Backups.WriteFile(t.Context(), file, archive.Key{Passphrase: "x"})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if found, err := server.VerifyStopped(t.Context(), cfg); err != nil || !found.OK || found.Content.Records.Resources != made.Content.Records.Resources {
		t.Errorf("verify the stopped house: %+v, %v", found.Faults, err)
	}
	restored := server.Config{Data: filepath.Join(dir, "second")}
	if _, err := server.Restore(t.Context(), opened(t, file), restored, nil); err != nil {
		t.Fatal(err)
	}
	onPostgres := restored
	onPostgres.Records = postgres.Database(t)
	if _, err := server.Migrate(t.Context(), restored, onPostgres.Records, nil); err != nil {
		t.Fatal(err)
	}
	s, stop = startWith(t, onPostgres)
	defer stop()
	after := stateOf(t, s)
	after.Waiting = before.Waiting // counters begin anew
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the restored house (-before +after): %s", diff)
	}
}

// TestReadyWithoutPostgres: while nothing can be written the house says so, and goes on when the server is back.
func TestReadyWithoutPostgres(t *testing.T) {
	cfg := server.Config{Data: t.TempDir(), Records: postgres.Database(t)}
	s, stop := startWith(t, cfg)
	defer stop()
	ready := func() (int, string) {
		res, err := http.Get("http://" + s.Addr() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	write := func(ctx context.Context) error {
		_, err := s.Engines.Records.Create(access.AsSystem(ctx, "test"), fhir.New("Communication", "").With("status", "completed"))
		return err
	}
	if code, text := ready(); code != http.StatusOK {
		t.Fatal(code, text)
	}
	if err := postgres.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context()); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("a record without a server: %v", err)
	}
	until(t, "the house to say so", func() bool {
		code, text := ready()
		return code == http.StatusServiceUnavailable && strings.Contains(text, "cannot be reached")
	})
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context()); err != nil {
		t.Error(err)
	}
	until(t, "the house to be ready", func() bool { code, _ := ready(); return code == http.StatusOK })
}

// TestExaminePostgres: the server of the tests does not wait for its disk, which the examination must not let pass.
func TestExaminePostgres(t *testing.T) {
	for name, c := range map[string]struct{ url, must string }{
		"NoSync":   {postgres.Database(t), "fsync is off"},
		"NoServer": {"postgres://vigil:secret@127.0.0.1:1/x", "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			findings, err := server.Examine(t.Context(), server.Config{Data: t.TempDir(), Records: c.url})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if f.Name == "records" && (f.OK || !strings.Contains(f.Text, c.must) || strings.Contains(f.Text, "secret")) {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
