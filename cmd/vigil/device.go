package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"text/tabwriter"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/server"
)

type deviceCmd struct {
	List deviceListCmd `cmd:"" help:"List the device profiles of the catalogue."`
	Try  deviceTryCmd  `cmd:"" help:"Show what a profile makes of a message, without storing anything."`
}

type deviceListCmd struct{}

// Run implements the command.
func (deviceListCmd) Run() error {
	profiles, err := catalog.Devices()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, key := range catalog.DeviceKeys() {
		p := profiles[key]
		fmt.Fprintf(w, "%s\t%s\t%s\t%d values, %d waveforms, %d event fields\n", key, p.Kind, p.Title, len(p.Fields), len(p.Waveforms), len(p.Events))
	}
	return w.Flush()
}

type deviceTryCmd struct {
	Profile string `arg:"" help:"Profile: a YAML file, or the key of a shipped one."`
	Sample  string `arg:"" optional:"" help:"Message: a JSON file; without it the shipped sample."`
}

// Run implements the command.
func (c *deviceTryCmd) Run() error {
	p, err := c.profile()
	if err != nil {
		return err
	}
	var sample []byte
	if c.Sample == "" {
		if sample, _, err = catalog.DeviceSample(p.Key); err != nil {
			return vigil.Errorf(vigil.Invalid, "device.try", "%s ships no sample; name a JSON file", p.Key)
		}
	} else if sample, err = os.ReadFile(c.Sample); err != nil {
		return vigil.Errorf(vigil.Invalid, "device.try", "%w", err)
	}
	res, err := ingest.Try(p, sample)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(res); err != nil {
		return err
	}
	problems := 0
	for _, m := range res.Messages {
		problems += len(m.Problems)
	}
	if problems > 0 {
		return vigil.Errorf(vigil.Invalid, "device.try", "%d parts of the message would go to the quarantine", problems)
	}
	return nil
}

func (c *deviceTryCmd) profile() (*catalog.Profile, error) {
	text, err := os.ReadFile(c.Profile)
	if err == nil {
		return catalog.ParseProfile(c.Profile, text)
	}
	profiles, perr := catalog.Devices()
	if perr != nil {
		return nil, perr
	}
	if p := profiles[c.Profile]; p != nil && errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	return nil, vigil.Errorf(vigil.Invalid, "device.try", "%s is neither a file nor a shipped profile; `vigil device list` names those", c.Profile)
}

type userCmd struct {
	SetupToken setupTokenCmd `cmd:"" help:"Make a fresh setup token for the first account (stop Vigil first)."`
	Token      tokenCmd      `cmd:"" help:"API tokens for programs that read, Grafana for example."`
	Client     clientCmd     `cmd:"" help:"Programs of other systems that prove themselves with a key (SMART Backend Services)."`
}

type setupTokenCmd struct {
	doorFlags `embed:""`
}

// Run implements the command.
func (c *setupTokenCmd) Run(ctx context.Context, cfg server.Config) error {
	c.apply(&cfg)
	db, err := cfg.OpenRecords(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	token, err := access.NewAccounts(access.AccountsConfig{Backend: db.Accounts()}).SetupToken(system(ctx))
	if err == nil && token == "" {
		return vigil.Errorf(vigil.Conflict, "user.setup-token", "an account exists already; an administrator makes further ones")
	}
	if err == nil {
		fmt.Println(token)
	}
	return err
}

type doctorCmd struct {
	doorFlags `embed:""`
}

// Run implements the command: it looks at what a start would meet, and says each finding with its mend.
func (c *doctorCmd) Run(ctx context.Context, cfg server.Config, _ *slog.Logger) error {
	c.apply(&cfg)
	bad, running := 0, false
	say := func(ok bool, format string, args ...any) {
		mark := "ok  "
		if !ok {
			mark, bad = "BAD ", bad+1
		}
		fmt.Printf("%s %s\n", mark, fmt.Sprintf(format, args...))
	}
	findings, err := server.Examine(ctx, cfg)
	if err != nil {
		return err
	}
	for _, f := range findings {
		say(f.OK, "%s: %s", f.Name, f.Text)
		running = running || f.Running
	}
	if _, err := catalog.Devices(); err != nil {
		say(false, "catalogue: %v", err)
	}
	if cfg.Devices != "" {
		own, err := catalog.LoadDevices(os.DirFS(cfg.Devices), ".")
		say(err == nil, "own device profiles in %s: %s", cfg.Devices, either(err, fmt.Sprintf("%d profiles", len(own))))
	}
	for _, d := range [][2]string{{"http", cfg.HTTP}, {"https", cfg.HTTPS}, {"mqtt", cfg.MQTT}, {"mqtts", cfg.MQTTS}} {
		if d[1] == "" || running {
			continue
		}
		l, err := net.Listen("tcp", d[1])
		if err == nil {
			l.Close()
		}
		say(err == nil, "port %s %s: %s", d[0], d[1], either(err, "free"))
	}
	if bad > 0 {
		return vigil.Errorf(vigil.Invalid, "doctor", "%d findings to mend", bad)
	}
	fmt.Println("\nEverything looks well.")
	return nil
}

func either(err error, good string) string {
	if err != nil {
		return err.Error()
	}
	return good
}
