package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// benchHouse is a server process of its own on a temporary data directory, so that its CPU and memory are its own.
type benchHouse struct {
	dir  string
	http string // address
	mqtt string // address
	ward *sim.LoadWard
	cmd  *exec.Cmd
	tail chan error // how the process ended
}

// openBenchHouse makes the directory, admits the ward and starts the server on free ports of the loopback.
func openBenchHouse(ctx context.Context, f benchFlags, size sim.LoadSize) (h *benchHouse, err error) {
	h = &benchHouse{}
	if h.dir, err = os.MkdirTemp(f.Dir, "vigil-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	cfg := server.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.HTTPS, cfg.MQTT, cfg.MQTTS, cfg.TURN = h.dir, "", "", "", "", ""
	s, err := server.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return h, err
	}
	h.ward, err = sim.SeedLoad(ctx, sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now}, size)
	if err = errors.Join(err, s.Close()); err != nil {
		return h, err
	}
	var extra []string
	if f.Profile != "" {
		extra = append(extra, "--cpu-profile", f.Profile)
	}
	return h, h.start(ctx, "serve", extra...)
}

// start runs the server by the command serve or demo and waits until it says where it listens.
func (h *benchHouse) start(ctx context.Context, command string, extra ...string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{command, "--data", h.dir, "--http=127.0.0.1:0", "--mqtt=127.0.0.1:0", "--https=", "--mqtts=", "--turn="}, extra...)
	h.cmd = exec.Command(exe, args...)
	h.cmd.Dir = h.dir // no configuration of the caller's
	logs, err := h.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := h.cmd.Start(); err != nil {
		return err
	}
	ready, tail := make(chan [2]string, 1), make(chan error, 1)
	h.tail = tail
	go func() {
		last := listenLogs(logs, ready)
		err := h.cmd.Wait()
		if err != nil {
			err = vigil.Errorf(vigil.Internal, "bench.server", "the server ended: %w: %s", err, last)
		}
		tail <- err
	}()
	select {
	case at := <-ready:
		h.http, h.mqtt = at[0], at[1]
		return nil
	case err := <-tail:
		tail <- err
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

var readyLine = regexp.MustCompile(`msg=server\.ready http=(\S+) mqtt=(\S+)`)

// listenLogs reports the addresses of the ready line and returns the last line that is an error.
func listenLogs(r io.Reader, ready chan<- [2]string) (last string) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
			ready <- [2]string{m[1], m[2]}
		} else if strings.Contains(lines.Text(), "level=ERROR") || strings.HasPrefix(lines.Text(), "vigil:") {
			last = lines.Text()
		}
	}
	return last
}

// stop ends the server as an operator would.
func (h *benchHouse) stop() error {
	if h.tail == nil {
		return nil
	}
	err := h.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	err = errors.Join(err, <-h.tail)
	h.tail = nil
	return err
}

// close stops the server and removes the directory; a house that is not ours stays as it is.
func (h *benchHouse) close() error {
	if h.dir == "" {
		return nil
	}
	return errors.Join(h.stop(), os.RemoveAll(h.dir))
}

// get reads JSON from the server as the signed-in nurse.
func (h *benchHouse) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.http+path, nil)
	if err != nil {
		return err
	}
	req.AddCookie(&http.Cookie{Name: "vigil_session", Value: h.ward.Session})
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return vigil.Errorf(vigil.Internal, "bench.get", "%s answers %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// usage is what the server process used and did so far.
type usage struct {
	at       time.Time
	cpu      time.Duration
	rss      float64 // bytes
	heap     float64 // bytes, live and not yet collected
	stacks   float64 // bytes
	logBytes float64
}

// usage asks the server's own metrics, which read the operating system's counters of its process.
func (h *benchHouse) usage(ctx context.Context) (u usage, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.http+"/metrics", nil)
	if err != nil {
		return u, err
	}
	u.at = time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return u, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		switch name {
		case "process_cpu_seconds_total":
			u.cpu = time.Duration(v * 1e9)
		case "process_resident_memory_bytes":
			u.rss = v
		case "go_memstats_heap_alloc_bytes":
			u.heap = v
		case "go_memstats_stack_inuse_bytes":
			u.stacks = v
		case "vigil_telemetry_log_bytes_total":
			u.logBytes = v
		}
	}
	if res.StatusCode == http.StatusForbidden {
		return u, nil // a target on another machine does not tell; its CPU is reported as 0
	}
	if u.cpu == 0 {
		return u, fmt.Errorf("the server's metrics do not tell its CPU time: %w", lines.Err())
	}
	return u, lines.Err()
}
