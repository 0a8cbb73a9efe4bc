package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/engine/backup"
	"github.com/vigil-health/vigil/internal/server"
)

// passphraseFlags name the passphrase of a backup. It stands in a file or in the environment, never on the command line.
type passphraseFlags struct {
	PassphraseFile string `help:"File with the passphrase of the backup." placeholder:"FILE"`
	Passphrase     string `hidden:"" env:"VIGIL_BACKUP_PASSPHRASE"`
}

func (f passphraseFlags) passphrase() (string, error) {
	if f.PassphraseFile == "" {
		return f.Passphrase, nil
	}
	b, err := os.ReadFile(f.PassphraseFile)
	if err != nil {
		return "", vigil.Errorf(vigil.Invalid, "backup.passphrase", "the passphrase cannot be read: %w", err)
	}
	if text := strings.TrimRight(string(b), "\r\n"); text != "" {
		return text, nil
	}
	return "", vigil.Errorf(vigil.Invalid, "backup.passphrase", "%s is empty", f.PassphraseFile)
}

// openFlags are what opens a backup.
type openFlags struct {
	passphraseFlags `embed:""`
	Identity        string `help:"File with the secret key (age-keygen) that the backup was encrypted to." placeholder:"FILE"`
}

// open returns the archive, decrypted; "-" is the standard input.
func (f openFlags) open(name string) (io.Reader, func() error, error) {
	key := archive.Key{}
	var err error
	if key.Passphrase, err = f.passphrase(); err != nil {
		return nil, nil, err
	}
	if f.Identity != "" {
		b, err := os.ReadFile(f.Identity)
		if err != nil {
			return nil, nil, vigil.Errorf(vigil.Invalid, "backup.identity", "the identity cannot be read: %w", err)
		}
		key.Identity = string(b)
	}
	file := os.Stdin
	if name != "-" {
		if file, err = os.Open(name); err != nil {
			return nil, nil, vigil.Errorf(vigil.NotFound, "backup.open", "the backup cannot be read: %w", err)
		}
	}
	r, err := key.Open(file)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return r, file.Close, nil
}

// backupCmd makes a backup of a running Vigil, or of a data directory whose Vigil is stopped.
type backupCmd struct {
	remoteFlags     `embed:""`
	passphraseFlags `embed:""`
	To              string `required:"" help:"File, or directory in which a file named after the time is made; - is the standard output." placeholder:"FILE|DIR"`
	Data            string `help:"Data directory of a Vigil that does not run; without it the running one makes the backup." placeholder:"DIR"`
	Recipient       string `help:"Encrypt to this public key (age1…)." placeholder:"KEY"`
	JSON            bool   `name:"json" help:"Print what the backup holds as JSON."`
}

// Run implements the command.
func (c *backupCmd) Run(ctx context.Context, cfg server.Config, log *slog.Logger) error {
	key := archive.Key{Recipient: c.Recipient}
	var err error
	if key.Passphrase, err = c.passphrase(); err != nil {
		return err
	}
	if key.Empty() {
		fmt.Fprintln(os.Stderr, "warning: this backup is not encrypted. It holds every record and the house's private keys: keep it as you keep the server (--recipient or --passphrase-file encrypt it).")
	}
	to := c.To
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		to = filepath.Join(to, "vigil-"+time.Now().UTC().Format("20060102T150405Z")+map[bool]string{true: ".tar", false: ".tar.age"}[key.Empty()])
	}
	size, write := int64(0), func(w io.Writer) error { return c.make(ctx, cfg, log, w) }
	if to == "-" {
		w, err := key.Seal(os.Stdout)
		if err != nil {
			return err
		}
		return errors.Join(write(w), w.Close())
	}
	if err := archive.Create(to, key, write); err != nil {
		return err
	}
	if info, err := os.Stat(to); err == nil {
		size = info.Size()
	}
	if c.JSON {
		return printJSON(map[string]any{"file": to, "bytes": size})
	}
	fmt.Printf("%s: %.1f MB. Try it: vigil verify %s\n", to, float64(size)/1e6, to)
	return nil
}

// make writes a backup, of the directory when one is named, else of the running Vigil.
func (c *backupCmd) make(ctx context.Context, cfg server.Config, log *slog.Logger, w io.Writer) (err error) {
	show := newGauge("backed up", !c.JSON)
	defer show.end()
	show.say("reading everything once")
	if c.Data == "" {
		r, err := c.open(ctx, "admin")
		if err != nil {
			return err
		}
		return fetchBackup(ctx, r, w, show)
	}
	cfg.Data = c.Data
	b, done, err := server.OpenStopped(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	_, err = b.Write(ctx, func(h backup.Header) (io.Writer, error) {
		return io.MultiWriter(w, &gaugeWriter{show, 0, h.Bytes}), nil
	})
	return err
}

// fetchBackup has the running Vigil make a backup.
func fetchBackup(ctx context.Context, r *remote, w io.Writer, show *gauge) (err error) {
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+"/api/backup", nil)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "backup.url", "%s is no address; write http://127.0.0.1:8080", r.url)
	}
	patient := *r.http
	patient.Timeout = 0 // a backup lasts as long as it lasts; ctx ends it
	res, err := patient.Do(req)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "backup.fetch", "no Vigil answers at %s: %w", r.url, err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err != nil {
			return err
		}
		return refusal(req, res.StatusCode, text)
	}
	total, _ := strconv.ParseInt(res.Header.Get("Vigil-Backup-Bytes"), 10, 64) //nolint:errcheck // for the bar only
	if n, err := io.Copy(io.MultiWriter(w, &gaugeWriter{show, 0, total}), res.Body); err != nil {
		return vigil.Errorf(vigil.Unavailable, "backup.fetch", "the backup broke off after %d bytes: %w", n, err)
	}
	return nil
}

// restoreCmd makes a data directory out of a backup.
type restoreCmd struct {
	openFlags `embed:""`
	From      string `required:"" help:"The backup; - is the standard input." placeholder:"FILE"`
	Data      string `help:"Data directory to make; it must be empty or not exist." placeholder:"DIR" env:"VIGIL_DATA_DIR"`
	JSON      bool   `name:"json" help:"Print what was restored as JSON."`
}

// Run implements the command.
func (c *restoreCmd) Run(ctx context.Context, cfg server.Config) error {
	if c.Data != "" {
		cfg.Data = c.Data
	}
	r, done, err := c.open(c.From)
	if err != nil {
		return err
	}
	show := newGauge("unpacked", !c.JSON)
	m, err := server.Restore(ctx, r, cfg, show.set)
	show.end()
	if err = errors.Join(err, done()); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(m)
	}
	fmt.Printf("%s holds what the backup held: %s\nStart it with: vigil serve --data %s\n", cfg.Data, summary(m.Content), cfg.Data)
	return nil
}

// verifyCmd reads a backup, a directory or what a running Vigil holds from end to end.
type verifyCmd struct {
	remoteFlags `embed:""`
	openFlags   `embed:""`
	File        string `arg:"" optional:"" help:"A backup; - is the standard input."`
	Data        string `help:"Data directory of a Vigil that does not run. Without a file and a directory the running Vigil reads everything itself." placeholder:"DIR"`
	Temp        string `help:"Where the backup is unpacked for a while." placeholder:"DIR"`
	JSON        bool   `name:"json" help:"Print what was found as JSON."`
}

// Run implements the command.
func (c *verifyCmd) Run(ctx context.Context, cfg server.Config) error {
	show := newGauge("unpacked", !c.JSON)
	found, err := c.look(ctx, cfg, show)
	show.end()
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(found)
	} else {
		fmt.Println(summary(found.Content))
		if found.Compared && found.OK {
			fmt.Println("everything is as the backup says")
		}
		for _, f := range found.Faults {
			fmt.Println("  " + f)
		}
	}
	if err == nil && !found.OK {
		err = vigil.Errorf(vigil.Conflict, "verify", "%d things are not as they should be", len(found.Faults))
	}
	return err
}

func (c *verifyCmd) look(ctx context.Context, cfg server.Config, show *gauge) (out server.Verification, err error) {
	switch {
	case c.File != "":
		r, done, err := c.openFlags.open(c.File)
		if err != nil {
			return out, err
		}
		_, out, err = server.VerifyArchive(ctx, r, c.Temp, show.set)
		return out, errors.Join(err, done())
	case c.Data != "":
		cfg.Data = c.Data
		show.say("reading everything once")
		return server.VerifyStopped(ctx, cfg)
	}
	r, err := c.remoteFlags.open(ctx, "admin")
	if err != nil {
		return out, err
	}
	r.http.Timeout = 0
	show.say("reading everything once")
	err = r.call(ctx, "POST", "/api/backup/verify", nil, &out)
	return out, err
}

// summary counts in one line.
func summary(c backup.Content) string {
	samples, waves, events := uint64(0), uint64(0), uint64(0)
	for _, d := range c.Telemetry.Subjects {
		samples, waves, events = samples+d.Samples, waves+d.WaveSamples, events+d.Events
	}
	return fmt.Sprintf("%d resources in %d versions, %d audit entries in an unbroken chain, %d subjects with %d samples, %d samples of waveforms, %d events",
		c.Records.Resources, c.Records.Versions, c.Records.Audit.Entries, len(c.Telemetry.Subjects), samples, waves, events)
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// gauge shows on a terminal how far something is.
type gauge struct {
	what string
	on   bool
	last int64
}

func newGauge(what string, wanted bool) *gauge {
	return &gauge{what: what, on: wanted && terminal(os.Stderr)}
}

func (b *gauge) say(text string) {
	if b.on {
		fmt.Fprintf(os.Stderr, "\r\033[K%s …", text)
	}
}

func (b *gauge) set(done, total int64) {
	if !b.on || done-b.last < 1<<20 && done < total {
		return
	}
	b.last = done
	const width = 30
	full := int(width * min(done, total) / max(total, 1))
	fmt.Fprintf(os.Stderr, "\r\033[K[%s%s] %.0f of %.0f MB %s", strings.Repeat("=", full), strings.Repeat(" ", width-full), float64(done)/1e6, float64(max(done, total))/1e6, b.what)
}

func (b *gauge) end() {
	if b.on {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
}

// gaugeWriter counts what goes by.
type gaugeWriter struct {
	bar         *gauge
	done, total int64
}

func (w *gaugeWriter) Write(p []byte) (int, error) {
	w.done += int64(len(p))
	w.bar.set(w.done, w.total)
	return len(p), nil
}
