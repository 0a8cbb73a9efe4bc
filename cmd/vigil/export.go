package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
)

// exportCmd writes a patient's telemetry from a running Vigil to a file.
type exportCmd struct {
	remoteFlags `embed:""`
	Patient     string        `arg:"" help:"Id of the patient's record."`
	Token       string        `help:"API token instead of login and password." env:"VIGIL_API_TOKEN"`
	Format      string        `help:"csv, parquet, or ndjson (FHIR Observations)." enum:"csv,parquet,ndjson" default:"csv"`
	Kinds       []string      `help:"What to export: numerics, waveforms, events." enum:"numerics,waveforms,events" default:"numerics"`
	Metrics     []string      `help:"Only these metrics, for example heart-rate,spo2." placeholder:"METRIC"`
	From        string        `help:"From when on: 2026-03-01 or 2026-03-01T12:00:00Z." placeholder:"TIME"`
	To          string        `help:"Until when; without it now." placeholder:"TIME"`
	Last        time.Duration `help:"How much before --to, when --from is not given." default:"24h"`
	Output      string        `short:"o" help:"File to write; - is the standard output." default:"-"`
}

// Run implements the command. A file appears under its name only when it is whole.
func (c *exportCmd) Run(ctx context.Context) error {
	path, err := c.path(time.Now())
	if err != nil {
		return err
	}
	r := newRemote(c.URL)
	if c.Token == "" {
		if r, err = c.open(ctx, "nurse"); err != nil {
			return err
		}
	}
	if c.Output == "-" {
		return c.fetch(ctx, r, path, os.Stdout)
	}
	return c.write(ctx, r, path, c.Output)
}

// write fetches the answer to a file, which appears under its name when it is whole.
func (c *exportCmd) write(ctx context.Context, r *remote, path, file string) error {
	part := file + ".part"
	f, err := os.Create(part)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "export.file", "%w", err)
	}
	err = errors.Join(c.fetch(ctx, r, path, f), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, file)
}

func (c *exportCmd) path(now time.Time) (string, error) {
	to, err := moment(c.To, now)
	if err != nil {
		return "", err
	}
	from, err := moment(c.From, to.Add(-c.Last))
	if err != nil {
		return "", err
	}
	q := url.Values{
		"format": {c.Format}, "kinds": {strings.Join(c.Kinds, ",")}, "metrics": {strings.Join(c.Metrics, ",")},
		"from_ms": {strconv.FormatInt(from.UnixMilli(), 10)}, "to_ms": {strconv.FormatInt(to.UnixMilli(), 10)},
	}
	return "/api/patients/" + url.PathEscape(c.Patient) + "/telemetry/export?" + q.Encode(), nil
}

// moment reads a day or a time; without a zone it is the local one.
func moment(s string, def time.Time) (time.Time, error) {
	if s == "" {
		return def, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return def, vigil.Errorf(vigil.Invalid, "export.time", "%q is no time; write 2026-03-01 or 2026-03-01T12:00:00Z", s)
}

// fetch streams the answer to w and shows how much has come.
func (c *exportCmd) fetch(ctx context.Context, r *remote, path string, w io.Writer) (err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+path, nil)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "export.url", "%s is no address; write http://127.0.0.1:8080", r.url)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	patient := *r.http
	patient.Timeout = 0 // an export lasts as long as it lasts; ctx ends it
	res, err := patient.Do(req)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "export.fetch", "no Vigil answers at %s: %w", r.url, err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err != nil {
			return err
		}
		return refusal(req, res.StatusCode, text)
	}
	count := &counted{w: w, show: terminal(os.Stderr)}
	if _, err := io.Copy(count, res.Body); err != nil {
		return vigil.Errorf(vigil.Unavailable, "export.fetch", "the export broke off after %d bytes: %w", count.n, err)
	}
	fmt.Fprintf(os.Stderr, "%s%.1f MB exported\n", map[bool]string{true: "\r"}[count.show], float64(count.n)/1e6)
	return nil
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// counted shows how much went through: how much will come the server does not know.
type counted struct {
	w    io.Writer
	n    int64
	last int64
	show bool
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if c.n += int64(n); c.show && c.n-c.last > 1<<20 {
		c.last = c.n
		fmt.Fprintf(os.Stderr, "\r%.0f MB", float64(c.n)/1e6)
	}
	return n, err
}
