package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

type benchStartCmd struct {
	benchFlags `embed:""`
	Rounds     int           `help:"Starts of each kind." default:"5"`
	Idle       time.Duration `help:"How long the server idles before its memory is read." default:"10s"`
}

// startFigures is what vigil bench start reports; times are medians.
type startFigures struct {
	Empty    float64 `json:"first_start_ms"`
	Again    float64 `json:"second_start_demo_ms"`
	IdleRSS  float64 `json:"idle_rss_mb"`
	DemoRSS  float64 `json:"demo_rss_mb"`
	Binary   float64 `json:"binary_mb"`
	UI       float64 `json:"ui_first_load_kb"`
	UIFiles  int     `json:"ui_files"`
	UILosses string  `json:"ui_note,omitempty"`
}

// Run implements the command.
func (c *benchStartCmd) Run(ctx context.Context) error {
	if c.Rounds < 1 {
		return vigil.Errorf(vigil.Invalid, "bench.start", "needs at least one round")
	}
	line := newProgress()
	out := &startFigures{}
	err := errors.Join(c.empty(ctx, out, line), c.demo(ctx, out, line))
	line.end()
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	info, err := os.Stat(exe)
	if err != nil {
		return err
	}
	out.Binary = math.Round(float64(info.Size())/1e5) / 10
	return c.show(out, func() {
		fmt.Printf("first start on an empty directory to /readyz   %.0f ms (median of %d)\n", out.Empty, c.Rounds)
		fmt.Printf("second start on the demo's directory           %.0f ms (median of %d)\n", out.Again, c.Rounds)
		fmt.Printf("memory after %-8s idle                     %.0f MB; with the simulated hospital %.0f MB\n", c.Idle, out.IdleRSS, out.DemoRSS)
		fmt.Printf("binary                                         %.1f MB\n", out.Binary)
		fmt.Printf("first load of the user interface               %.1f kB in %d files %s\n", out.UI, out.UIFiles, out.UILosses)
	})
}

// empty measures first starts, and of the last one the memory and the user interface.
func (c *benchStartCmd) empty(ctx context.Context, out *startFigures, line progress) error {
	var took []float64
	for i := range c.Rounds {
		line.say("first start, %d of %d", i+1, c.Rounds)
		dir, err := os.MkdirTemp(c.Dir, "vigil-bench-")
		if err != nil {
			return err
		}
		h := &benchHouse{dir: dir}
		t, err := h.startReady(ctx, "serve")
		took = append(took, t)
		if err == nil && i == c.Rounds-1 {
			if out.UI, out.UIFiles, err = firstLoad(ctx, h.http); vigil.KindOf(err) == vigil.NotFound {
				out.UILosses, err = "(not built into this binary)", nil
			}
			err = errors.Join(err, c.idle(ctx, h, &out.IdleRSS, line))
		}
		if err = errors.Join(err, h.close()); err != nil {
			return err
		}
	}
	out.Empty = median(took)
	return nil
}

// demo measures starts on a directory in which the simulated hospital lived before.
func (c *benchStartCmd) demo(ctx context.Context, out *startFigures, line progress) (err error) {
	h := &benchHouse{}
	if h.dir, err = os.MkdirTemp(c.Dir, "vigil-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	line.say("the simulated hospital, for the first time")
	if _, err := h.startReady(ctx, "demo"); err != nil {
		return err
	}
	pause(ctx, 5*time.Second) // the past is filled in meanwhile
	if err := h.stop(); err != nil {
		return err
	}
	var took []float64
	for i := range c.Rounds {
		line.say("second start, %d of %d", i+1, c.Rounds)
		t, err := h.startReady(ctx, "demo")
		if err != nil {
			return err
		}
		took = append(took, t)
		if i == c.Rounds-1 {
			if err := c.idle(ctx, h, &out.DemoRSS, line); err != nil {
				return err
			}
		}
		if err := h.stop(); err != nil {
			return err
		}
	}
	out.Again = median(took)
	return nil
}

func (c *benchStartCmd) idle(ctx context.Context, h *benchHouse, rss *float64, line progress) error {
	line.say("idling for %s", c.Idle)
	if err := pause(ctx, c.Idle); err != nil {
		return err
	}
	u, err := h.usage(ctx)
	*rss = math.Round(u.rss / 1e6)
	return err
}

// startReady returns the milliseconds from the start of the process to the first 200 of /readyz.
func (h *benchHouse) startReady(ctx context.Context, command string) (float64, error) {
	began := time.Now()
	if err := h.start(ctx, command); err != nil {
		return 0, err
	}
	for ctx.Err() == nil {
		res, err := http.Get("http://" + h.http + "/readyz")
		if err != nil {
			return 0, err
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			break
		}
		pause(ctx, time.Millisecond)
	}
	return float64(time.Since(began).Milliseconds()), ctx.Err()
}

func median(list []float64) float64 {
	slices.Sort(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

var (
	htmlAsset = regexp.MustCompile(`(?:src|href)="(/[^"]+\.(?:js|css|woff2|svg|webmanifest))"`)
	cssAsset  = regexp.MustCompile(`url\(["']?(/[^"')]+\.woff2)["']?\)`)
)

// firstLoad sums what a browser loads before it shows the first page, as it goes over the wire: the page, what it names,
// and the fonts of its styles.
func firstLoad(ctx context.Context, at string) (kb float64, files int, err error) {
	todo, seen, sum := []string{"/"}, map[string]bool{"/": true}, 0
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		wire, err := fetch(ctx, at, path, "gzip")
		if err != nil {
			return 0, 0, err
		}
		sum += len(wire)
		files++
		plain, err := fetch(ctx, at, path, "identity")
		if err != nil {
			return 0, 0, err
		}
		for _, m := range append(htmlAsset.FindAllSubmatch(plain, -1), cssAsset.FindAllSubmatch(plain, -1)...) {
			if p := string(m[1]); !seen[p] {
				seen[p] = true
				todo = append(todo, p)
			}
		}
	}
	return math.Round(float64(sum)/100) / 10, files, nil
}

func fetch(ctx context.Context, at, path, encoding string) ([]byte, error) {
	u := url.URL{Scheme: "http", Host: at, Path: path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", encoding)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, vigil.Errorf(vigil.NotFound, "bench.fetch", "%s answers %s", path, res.Status)
	}
	return io.ReadAll(res.Body)
}
