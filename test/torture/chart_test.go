package torture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// note is a FHIR Observation that a nurse writes; its value counts up with every version.
type note struct {
	id      string
	version int // newest that was answered with 2xx
	tried   int // newest that was sent
}

// chart writes records through the FHIR door: creations and updates in turn.
type chart struct {
	patient string
	mu      sync.Mutex
	notes   []*note
	stop    context.CancelFunc
	done    chan struct{}
}

const updatesPerNote = 3

func (c *chart) connect(ctx context.Context, h *house) {
	ctx, c.stop = context.WithCancel(ctx)
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		for ctx.Err() == nil && c.write(ctx, h) == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}()
}

func (c *chart) disconnect() {
	if c.stop != nil {
		c.stop()
		<-c.done
		c.stop = nil
	}
}

// write updates the newest note, or begins another when that one has all its versions or an update of it hangs in the air.
func (c *chart) write(ctx context.Context, h *house) error {
	c.mu.Lock()
	var n *note
	if len(c.notes) > 0 {
		n = c.notes[len(c.notes)-1]
	}
	if n == nil || n.version > updatesPerNote || n.tried > n.version {
		n = &note{}
		c.notes = append(c.notes, n)
	}
	n.tried = n.version + 1
	method, path := http.MethodPost, "/fhir/Observation"
	if n.id != "" {
		method, path = http.MethodPut, "/fhir/Observation/"+n.id
	}
	body, err := json.Marshal(c.resource(n.id, n.tried))
	c.mu.Unlock()
	if err != nil {
		return err
	}
	got, err := fhirCall(ctx, h, method, path, body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n.id, n.version = got.ID, n.tried
	return nil
}

func (c *chart) resource(id string, version int) map[string]any {
	r := map[string]any{
		"resourceType": "Observation", "status": "final", "subject": map[string]any{"reference": "Patient/" + c.patient},
		"code":          map[string]any{"text": "pain score"},
		"valueQuantity": map[string]any{"value": version, "unit": "{score}"},
	}
	if id != "" {
		r["id"] = id
	}
	return r
}

type observation struct {
	ID            string `json:"id"`
	ValueQuantity struct {
		Value int `json:"value"`
	} `json:"valueQuantity"`
}

func fhirCall(ctx context.Context, h *house, method, path string, body []byte) (out observation, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.http+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	req.AddCookie(&http.Cookie{Name: "vigil_session", Value: h.ward.Session})
	res, err := h.client.Do(req)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return out, err
	}
	if res.StatusCode/100 != 2 {
		return out, fmt.Errorf("%s %s answers %s: %s", method, path, res.Status, text)
	}
	return out, json.Unmarshal(text, &out)
}

// check reads the notes from the number on: each is there in the version that was answered, or in the one that was tried.
func (c *chart) check(t *testing.T, h *house, from int) (checked, lost int) {
	t.Helper()
	for _, n := range c.notes[min(from, len(c.notes)):] {
		if n.version == 0 {
			continue
		}
		checked++
		got, err := fhirCall(t.Context(), h, http.MethodGet, "/fhir/Observation/"+n.id, nil)
		if err != nil || got.ValueQuantity.Value != n.version && got.ValueQuantity.Value != n.tried {
			lost++
			t.Errorf("note %s was written to version %d; stored is %d: %v", n.id, n.version, got.ValueQuantity.Value, err)
		}
	}
	return checked, lost
}
