package rest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/protocol"
	"github.com/vigil-health/vigil/internal/protocol/protocoltest"
	"github.com/vigil-health/vigil/internal/protocol/rest"
)

func TestProtocol(t *testing.T) {
	door := rest.New()
	srv := httptest.NewServer(door.Handler())
	defer srv.Close()
	protocoltest.Run(t, protocoltest.Exam{
		Protocol: door.Protocol(),
		Strange:  []string{"/ingest/", "/ingest/a/b", "/other/a"},
		Dial: func(_ *testing.T, id vigil.DeviceID, token string) (protocoltest.Conn, error) {
			ctx, cancel := context.WithCancel(context.Background())
			return &conn{srv.URL, string(id), token, ctx, cancel}, nil
		},
	})
}

type conn struct {
	url, id, token string
	ctx            context.Context
	cancel         context.CancelFunc
}

func (c *conn) Send(device vigil.DeviceID, payload string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	for {
		req, _ := http.NewRequestWithContext(ctx, "POST", c.url+"/ingest/"+string(device), strings.NewReader(payload))
		req.SetBasicAuth(c.id, c.token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode == 503 && res.Header.Get("Retry-After") != "" && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond) // the door may still be opening
			continue
		}
		if res.StatusCode != 200 {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	}
}

func (c *conn) Drop() { c.cancel() }

// yes accepts everything.
type yes struct{ got []ingest.Message }

func (y *yes) Authenticate(vigil.DeviceID, string) error { return nil }
func (y *yes) MaySpeakFor(a, b vigil.DeviceID) bool      { return a == b || a == "gw" }
func (y *yes) Accept(m ingest.Message, done func(error)) {
	y.got = append(y.got, m)
	done(nil)
}

func TestBodies(t *testing.T) {
	zip := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(s))
		w.Close()
		return b.String()
	}
	for _, c := range []struct {
		name, path, user, encoding, body string
		status, messages                 int
		contains                         string
	}{
		{name: "OK", path: "/ingest/p1", user: "p1", body: `{"hr":1}`, status: 200, messages: 1, contains: `"accepted":1`},
		{name: "Gzip", path: "/ingest/p1", user: "p1", encoding: "gzip", body: zip(`{"hr":1}`), status: 200, messages: 1},
		{name: "NotGzip", path: "/ingest/p1", user: "p1", encoding: "gzip", body: `{"hr":1}`, status: 400, contains: "not gzip"},
		{name: "UnknownEncoding", path: "/ingest/p1", user: "p1", encoding: "br", body: `x`, status: 400, contains: "use gzip"},
		{name: "Bomb", path: "/ingest/p1", user: "p1", encoding: "gzip", body: zip(strings.Repeat(" ", 9<<20)), status: 400, contains: "larger than"},
		{name: "Batch", path: "/ingest", user: "gw", body: `[{"device":"p1","data":{"hr":1}},{"device":"p2","data":{"hr":2}}]`, status: 200, messages: 2},
		{name: "BatchForeign", path: "/ingest", user: "p1", body: `[{"device":"p1","data":{"hr":1}},{"device":"p2","data":{"hr":2}}]`, status: 401, contains: "may not send for p2"},
		{name: "BatchHalf", path: "/ingest", user: "gw", body: `[{"device":"p1"}]`, status: 400, contains: "item 0"},
		{name: "OverQuota", path: "/ingest/mad", user: "mad", body: `{"hr":1}`, status: 429, contains: "send slower"},
		{name: "BatchOverQuota", path: "/ingest", user: "gw", body: `[{"device":"p1","data":{"hr":1}},{"device":"mad","data":{"hr":2}}]`, status: 429, contains: "send slower"},
		{name: "NoToken", path: "/ingest/p1", body: `{}`, status: 401, contains: "Bearer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			door, in := rest.New(), &yes{}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go door.Serve(ctx, protocol.Host{Intake: in, Log: slog.New(slog.DiscardHandler)})
			var w *httptest.ResponseRecorder
			for range 100 {
				r := httptest.NewRequest("POST", c.path, strings.NewReader(c.body))
				if c.user != "" {
					r.SetBasicAuth(c.user, "t")
				}
				r.Header.Set("Content-Encoding", c.encoding)
				w = httptest.NewRecorder()
				if door.Handler().ServeHTTP(w, r); w.Code != 503 {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "3" {
				t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
			}
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) || len(in.got) != c.messages {
				t.Errorf("status %d, %d messages, body %s", w.Code, len(in.got), w.Body)
			}
		})
	}
}

// Pace has no quota.
func (*yes) Pace(vigil.DeviceID, int, int) time.Duration { return 0 }

// Admit has one quota for the device "mad".
func (*yes) Admit(_ vigil.DeviceID, _ bool, devices ...vigil.DeviceID) error {
	if slices.Contains(devices, "mad") {
		g := gate.New(gate.Config{Now: time.Now, Connection: &gate.Quota{Messages: 1, Burst: time.Nanosecond}})
		g.Pace("mad", gate.Cost{Messages: 3})
		return g.Admit("mad", false)
	}
	return nil
}
