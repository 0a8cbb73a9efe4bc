package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/server"
)

// migrateCmd moves the records between SQLite and PostgreSQL.
type migrateCmd struct {
	Data string `help:"Data directory." placeholder:"DIR" env:"VIGIL_DATA_DIR"`
	From string `help:"Where the records are: postgres://user@host/database, or sqlite:DIR for a data directory; without it where the configuration says." placeholder:"PLACE" env:"VIGIL_RECORDS"`
	To   string `required:"" help:"Where they go, likewise. It must be empty." placeholder:"PLACE" env:"VIGIL_MIGRATE_TO"`
	JSON bool   `name:"json" help:"Print each table with its rows and its sum as JSON."`
}

// Run implements the command.
func (c *migrateCmd) Run(ctx context.Context, cfg server.Config) error {
	if c.Data != "" {
		cfg.Data = c.Data
	}
	cfg, err := cfg.From(c.From)
	if err != nil {
		return err
	}
	show := newGauge("copied", !c.JSON)
	tables, err := server.Migrate(ctx, cfg, c.To, func(table string, rows, of int64) {
		show.say(fmt.Sprintf("%s: %d of %d rows", table, rows, of))
	})
	show.end()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(map[string]any{"tables": tables, "sha256": relational.Digest(tables)})
	}
	rows := int64(0)
	for _, t := range tables {
		rows += t.Rows
	}
	fmt.Printf("%d rows of %d tables are there, and read back the same (content %s).\n", rows, len(tables), relational.Digest(tables)[:16])
	if dir, ok := strings.CutPrefix(c.To, "sqlite:"); ok {
		fmt.Printf("Take \"records:\" out of vigil.yaml; the records are in %s%crecords.db now. What was copied is still where it was.\n", dir, os.PathSeparator)
	} else {
		fmt.Println("Set \"records:\" in vigil.yaml, or VIGIL_RECORDS, to the URL and start Vigil. What was copied is still where it was.")
	}
	return nil
}
