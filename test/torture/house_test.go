package torture_test

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
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// house is the real program on one data directory, started and killed again and again.
type house struct {
	bin, dir, config string
	ward             *sim.LoadWard
	cmd              *exec.Cmd
	http, mqtt       string // addresses of this life
	ended            chan struct{}
	lastWords        string
	client           *http.Client
}

// binEnv is the path of the program where another run of these tests has built it.
const binEnv = "VIGIL_TORTURE_BIN"

// builtIn is the directory that program made, for TestMain to remove.
var builtIn string

// program builds the program once for all tests and returns its path.
var program = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv(binEnv); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "vigil-torture-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	bin := filepath.Join(dir, "vigil")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/vigil-health/vigil/cmd/vigil").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

const seeded = "pill-dispenser" // profile of the devices that newHouse adds to the ward

// newHouse admits the ward, with dispensers beside it: the i-th of them stands at the bed of the i-th patch.
func newHouse(t *testing.T, size sim.LoadSize, dispensers int, webhook string) *house {
	t.Helper()
	return newHouseIn(t, filepath.Join(t.TempDir(), "data"), size, dispensers, webhook)
}

// newHouseIn does so in a data directory of the caller.
func newHouseIn(t *testing.T, dir string, size sim.LoadSize, dispensers int, webhook string) *house {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{bin: bin, dir: dir, client: &http.Client{Transport: &http.Transport{}}}
	h.config = filepath.Join(t.TempDir(), "vigil.yaml")
	t.Cleanup(h.client.CloseIdleConnections)
	text := fmt.Sprintf("data: %q\nhttp: 127.0.0.1:0\nhttps: \"\"\nmqtt: 127.0.0.1:0\nmqtts: \"\"\nturn: \"\"\nwebhook:\n  secret: torture\n  to: {\"*\": %q}\n", h.dir, webhook)
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := server.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.HTTPS, cfg.MQTT, cfg.MQTTS, cfg.TURN = h.dir, "", "", "", "", ""
	s, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.ward, err = sim.SeedLoad(t.Context(), sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now}, size)
	ctx := access.AsSystem(t.Context(), "torture")
	for i := range dispensers {
		id := vigil.DeviceID(dispenserName(i))
		_, _, rerr := s.Engines.Devices.Register(ctx, registry.Device{ID: id, Profile: seeded})
		err = errors.Join(err, rerr, s.Engines.Devices.Bind(ctx, id, vigil.PatientSubject(sim.LoadName(i)), time.Now().Add(-time.Hour)))
	}
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.kill)
	return h
}

func dispenserName(i int) string { return fmt.Sprintf("dispenser-%d", i+1) }

var readyLine = regexp.MustCompile(`msg=server\.ready http=(\S+) mqtt=(\S+)`)

// launch starts the program without waiting for it; the channel gives its addresses, or is closed when it ends first.
func (h *house) launch(t *testing.T) <-chan [2]string {
	t.Helper()
	h.cmd = exec.Command(h.bin, "--config", h.config, "serve")
	logs, err := h.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, cmd := make(chan [2]string, 1), h.cmd
	h.ended = make(chan struct{})
	go func() {
		defer close(h.ended)
		defer close(ready)
		for lines := bufio.NewScanner(logs); lines.Scan(); {
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
				ready <- [2]string{m[1], m[2]}
			} else if strings.Contains(lines.Text(), "level=ERROR") || strings.Contains(lines.Text(), "level=WARN") || strings.HasPrefix(lines.Text(), "vigil:") || strings.HasPrefix(lines.Text(), "panic:") {
				h.lastWords += lines.Text() + "\n"
			}
		}
		cmd.Wait() //nolint:errcheck // killed
	}()
	return ready
}

// start launches the program and waits until it serves.
func (h *house) start(t *testing.T) {
	t.Helper()
	at, ok := <-h.launch(t)
	if !ok {
		t.Fatalf("the program did not start: %s", h.lastWords)
	}
	h.http, h.mqtt = at[0], at[1]
}

// kill ends it as a power cut would, and waits until it is gone.
func (h *house) kill() {
	if h.cmd == nil {
		return
	}
	h.cmd.Process.Kill() //nolint:errcheck // it may be gone
	<-h.ended
	h.cmd = nil
	h.client.CloseIdleConnections()
}

// ready says what /readyz answers: "" while the house serves and acknowledges.
func (h *house) ready(ctx context.Context) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.http+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	res, err := h.client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return strings.TrimSpace(string(text))
	}
	return ""
}

// memory returns the resident memory of the program in bytes.
func (h *house) memory() (n int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fmt.Sscan(rest, &n) //nolint:errcheck // 0 is said then
	return n << 10
}

func (h *house) call(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.http+path, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	if method == http.MethodGet {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.AddCookie(&http.Cookie{Name: "vigil_session", Value: h.ward.Session})
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answers %s", method, path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}
