package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
)

// OpenRecords opens the record store where the site keeps it. It returns what relational.OpenPostgres does.
func (c Config) OpenRecords(ctx context.Context) (*relational.DB, error) {
	if c.Records == "" {
		return relational.OpenSQLite(c.path("records.db"))
	}
	return relational.OpenPostgres(ctx, c.Records)
}

// used reports whether a Vigil has run on the directory.
func (c Config) used() error {
	mark := "records.db"
	if c.Records != "" {
		mark = "series" // the records are elsewhere
	}
	_, err := os.Stat(c.path(mark))
	return err
}

// openRecords opens the record store for a house that runs. It refuses to begin anew beside records that were left behind.
func (c Config) openRecords(ctx context.Context) (*relational.DB, error) {
	db, err := c.OpenRecords(ctx)
	if err != nil || c.Records == "" {
		return db, err
	}
	unused, err := db.Unused(ctx)
	if _, left := os.Stat(c.path("records.db")); err == nil && unused && left == nil {
		err = vigil.Errorf(vigil.Conflict, "server.records", "the PostgreSQL database is empty, and %s has records: take them along with `vigil migrate --from sqlite:%s --to postgres://…`, "+
			"or move records.db away to begin with none", c.path("records.db"), c.Data)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// sqlitePlace names a data directory in --from and --to.
const sqlitePlace = "sqlite:"

// Migrate copies all records from where the site keeps them to another place, "postgres://…" or "sqlite:DIR", while no Vigil
// runs on the data directory or the database. The source stays as it is; the target, which must be empty, has either all of it,
// verified, or nothing; see relational.Copy. It returns Conflict when a Vigil runs or the target is not empty, NotFound when there
// is nothing to copy.
func Migrate(ctx context.Context, cfg Config, to string, told func(table string, rows, of int64)) (out []relational.Copied, err error) {
	unlock, err := cfg.prepare()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := cfg.mustBeWhole(); err != nil {
		return nil, err
	}
	from, err := cfg.source(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	target, err := cfg.target(ctx, to)
	if err != nil {
		return nil, err
	}
	out, err = relational.Copy(ctx, from, target, told)
	return out, errors.Join(err, target.Close())
}

// From returns the configuration with the records at a place as in --from.
func (c Config) From(place string) (Config, error) {
	dir, sqlite := strings.CutPrefix(place, sqlitePlace)
	switch {
	case place == "":
	case sqlite && dir != "":
		c.Data, c.Records = dir, ""
	case relational.IsPostgres(place):
		c.Records = place
	default:
		return c, badPlace(place)
	}
	return c, nil
}

func (c Config) source(ctx context.Context) (*relational.DB, error) {
	if c.Records == "" {
		if _, err := os.Stat(c.path("records.db")); err != nil {
			return nil, vigil.Errorf(vigil.NotFound, "migrate.from", "there are no records in %s: %w", c.Data, err)
		}
	}
	return c.OpenRecords(ctx)
}

func (c Config) target(ctx context.Context, place string) (*relational.DB, error) {
	dir, sqlite := strings.CutPrefix(place, sqlitePlace)
	switch {
	case relational.IsPostgres(place):
		return relational.OpenPostgres(ctx, place)
	case !sqlite || dir == "":
		return nil, badPlace(place)
	}
	if c.Records == "" && samePath(dir, c.Data) {
		return nil, vigil.Errorf(vigil.Invalid, "migrate.to", "the records are in %s already", dir)
	}
	if err := makeDir(dir); err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "migrate.to", "the directory cannot be made: %w", err)
	}
	return relational.OpenSQLite(filepath.Join(dir, "records.db"))
}

func samePath(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func badPlace(place string) error {
	scheme, _, _ := strings.Cut(place, ":") // no more of it: it may hold a password
	return vigil.Errorf(vigil.Invalid, "migrate.place", "%q names no place for records: write postgres://user@host/database or sqlite:DIRECTORY", scheme)
}
