package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/server"
)

// doorFlags are the addresses that every running command shares; a flag wins over the file.
type doorFlags struct {
	Data    string  `help:"Data directory." placeholder:"DIR" env:"VIGIL_DATA_DIR"`
	Records string  `help:"PostgreSQL database for the records, postgres://user@host/database; without it they are in the data directory." placeholder:"URL" env:"VIGIL_RECORDS"`
	HTTP    *string `help:"Address of plain HTTP, empty for none." placeholder:"ADDR" env:"VIGIL_HTTP"`
	HTTPS   *string `help:"Address of HTTPS, empty for none." placeholder:"ADDR" env:"VIGIL_HTTPS"`
	MQTT    *string `help:"Address of plain MQTT, empty for none." placeholder:"ADDR" env:"VIGIL_MQTT"`
	MQTTS   *string `help:"Address of MQTT over TLS, empty for none." placeholder:"ADDR" env:"VIGIL_MQTTS"`
	TURN    *string `help:"Address of the video relay, empty for none." placeholder:"ADDR" env:"VIGIL_TURN"`
}

func (f doorFlags) apply(cfg *server.Config) {
	if f.Data != "" {
		cfg.Data = f.Data
	}
	if f.Records != "" {
		cfg.Records = f.Records
	}
	for from, to := range map[*string]*string{f.HTTP: &cfg.HTTP, f.HTTPS: &cfg.HTTPS, f.MQTT: &cfg.MQTT, f.MQTTS: &cfg.MQTTS, f.TURN: &cfg.TURN} {
		if from != nil {
			*to = *from
		}
	}
}

type serveCmd struct {
	doorFlags  `embed:""`
	CPUProfile string `help:"Write a CPU profile while running." placeholder:"FILE" hidden:""`
}

// Run implements the command.
func (c *serveCmd) Run(ctx context.Context, cfg server.Config, log *slog.Logger) error {
	c.apply(&cfg)
	began := time.Now()
	if c.CPUProfile != "" {
		stop, err := startProfile(c.CPUProfile)
		if err != nil {
			return err
		}
		defer stop()
	}
	s, err := server.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	token, err := s.Engines.Accounts.SetupToken(system(ctx))
	if err != nil && vigil.KindOf(err) != vigil.Conflict { // Conflict: it is set up, which is how every later start finds it
		return errors.Join(err, s.Close())
	}
	fmt.Fprintf(os.Stdout, "Vigil %s is ready at http://%s (%s)\n", version, s.Addr(), time.Since(began).Round(time.Millisecond))
	if token != "" {
		fmt.Fprintf(os.Stdout, "\n  First start: open http://%s/setup and enter this setup token:\n\n      %s\n\n", s.Addr(), token)
	}
	return errors.Join(s.Run(ctx), s.Close())
}

// startProfile writes a CPU profile until stop is called.
func startProfile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
