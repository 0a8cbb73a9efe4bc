// Command vigil is the one program of the house: serve, demo, replay, device, doctor and the rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/server"
)

// version is set by the build.
var version = "dev"

// program is the command line. Without a command Vigil serves.
type program struct {
	Config  string           `help:"Configuration file (YAML)." placeholder:"FILE" env:"VIGIL_CONFIG"`
	Verbose bool             `short:"v" help:"Log what happens in detail."`
	Version kong.VersionFlag `help:"Print the version."`

	Serve     serveCmd     `cmd:"" default:"withargs" help:"Run Vigil (the default). Starts without any configuration."`
	Demo      demoCmd      `cmd:"" help:"Run Vigil with a simulated hospital, to look around."`
	Replay    replayCmd    `cmd:"" help:"Play recordings into a running Vigil as devices would send them."`
	Story     storyCmd     `cmd:"" help:"Tell a story to a running Vigil, once or many times."`
	Export    exportCmd    `cmd:"" help:"Write a patient's telemetry to a file: CSV, Parquet, FHIR."`
	Report    reportCmd    `cmd:"" help:"Reports: alarms, as PDF or CSV."`
	Device    deviceCmd    `cmd:"" help:"Device profiles: list, try."`
	Rule      ruleCmd      `cmd:"" help:"Alarm rules: test, list, show, propose, approve, shadow, enable, retire, rollback, replay."`
	Doctor    doctorCmd    `cmd:"" help:"Say in plain words what is wrong with an installation."`
	User      userCmd      `cmd:"" help:"Accounts: setup-token, API tokens, programs of other systems."`
	Peer      peerCmd      `cmd:"" help:"Other FHIR servers, an EHR for example: list, test, key, retry."`
	Model     modelCmd     `cmd:"" help:"Trained models: list, show, validate."`
	Telemetry telemetryCmd `cmd:"" help:"Kept telemetry: retention, hold."`
	Backup    backupCmd    `cmd:"" help:"Make a backup, while Vigil runs or of a stopped one."`
	Restore   restoreCmd   `cmd:"" help:"Make a data directory out of a backup."`
	Verify    verifyCmd    `cmd:"" help:"Read a backup, a data directory or a running Vigil from end to end and say whether it is whole."`
	Migrate   migrateCmd   `cmd:"" help:"Copy all records of a stopped Vigil to PostgreSQL, or back to a data directory."`
	Bench     benchCmd     `cmd:"" help:"Measure this machine: ingest, alarm, start."`
}

// gcPercent trades memory for CPU: what a message allocates is dead within milliseconds, so that collecting half as
// often halves the cost of the collector. GOGC in the environment wins.
const gcPercent = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var p program
	k := kong.Parse(&p, kong.Name("vigil"), kong.Description("The open healthcare-IoT platform."), kong.UsageOnError(),
		kong.Vars{"version": version}, kong.BindTo(ctx, (*context.Context)(nil)))
	level := slog.LevelInfo
	if p.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	cfg, err := loadConfig(p.Config)
	if err == nil {
		err = k.Run(cfg, log)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vigil:", err)
		os.Exit(exitCode(err))
	}
}

func loadConfig(path string) (server.Config, error) {
	asked := path != ""
	if !asked {
		path = "vigil.yaml"
	}
	cfg, err := server.LoadConfig(path, asked)
	cfg.Version = version
	return cfg, err
}

// exitCode maps the kinds of error once: 1 ours, 2 the input, 3 not now.
func exitCode(err error) int {
	switch vigil.KindOf(err) {
	case vigil.Invalid, vigil.NotFound, vigil.Conflict, vigil.Denied:
		return 2
	case vigil.Unavailable:
		return 3
	}
	if errors.Is(err, context.Canceled) {
		return 0
	}
	return 1
}
