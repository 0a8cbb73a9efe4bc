// Package rest takes device messages over HTTP: JSON, one or many, plain or gzip; a 2xx means they are on disk.
//
// It is the door for phones, gateways and anything that can post. It does not serve people (api/webapi).
// Start at New; POST /ingest/<device> is one device, POST /ingest a gateway's batch.
package rest

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/protocol"
)

const (
	path       = "/ingest/"
	maxBody    = 8 << 20 // after decompression
	maxBatch   = 10_000
	largeBatch = 100 // more messages are a store that is sent again, and wait while the server is busy
	ackTimeout = 30 * time.Second
)

// Door is the HTTP intake; Handler answers once Serve has been given its host.
type Door struct {
	mu   sync.RWMutex
	host *protocol.Host
}

// New returns a door that answers 503 until it serves.
func New() *Door { return &Door{} }

// Protocol returns the contract of this room.
func (d *Door) Protocol() protocol.Protocol {
	return protocol.Protocol{Name: "rest", Decode: Decode, Encode: Encode, Serve: d.Serve}
}

// Decode reads the device from the path /ingest/<device>. It returns Invalid for any other path.
func Decode(address string, body []byte) (protocol.Envelope, error) {
	id, ok := strings.CutPrefix(address, path)
	if !ok || id == "" || strings.Contains(id, "/") {
		return protocol.Envelope{}, vigil.Errorf(vigil.Invalid, "rest.decode", "path %q is not /ingest/<device>", address)
	}
	return protocol.Envelope{Device: vigil.DeviceID(id), Payload: body}, nil
}

// Encode returns the path and body of a device's message.
func Encode(e protocol.Envelope) (string, []byte) { return path + string(e.Device), e.Payload }

// Serve opens the door until ctx ends.
func (d *Door) Serve(ctx context.Context, h protocol.Host) error {
	d.set(&h)
	<-ctx.Done()
	d.set(nil)
	return nil
}

func (d *Door) set(h *protocol.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.host = h
}

// Handler serves POST /ingest/<device> and POST /ingest.
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ingest/{device}", d.one)
	mux.HandleFunc("POST /ingest", d.batch)
	return mux
}

// open says who speaks and reads what he says.
func (d *Door) open(w http.ResponseWriter, r *http.Request) (*protocol.Host, vigil.DeviceID, []byte, error) {
	h, speaker, err := d.speaker(r)
	if err != nil {
		return nil, "", nil, err
	}
	body, err := read(w, r)
	return h, speaker, body, err
}

func (d *Door) one(w http.ResponseWriter, r *http.Request) {
	h, speaker, body, err := d.open(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	env, err := Decode(r.URL.Path, body)
	if err == nil && !h.Intake.MaySpeakFor(speaker, env.Device) {
		err = vigil.Errorf(vigil.Denied, "rest.ingest", "%s may not send for %s", speaker, env.Device)
	}
	if err == nil {
		err = accept(r.Context(), h, speaker, []protocol.Envelope{env})
	}
	answer(w, 1, err)
}

// batch takes [{"device": …, "data": …}, …] from a gateway.
func (d *Door) batch(w http.ResponseWriter, r *http.Request) {
	h, speaker, body, err := d.open(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	envelopes, err := decodeBatch(body)
	for i := 0; err == nil && i < len(envelopes); i++ {
		if !h.Intake.MaySpeakFor(speaker, envelopes[i].Device) {
			err = vigil.Errorf(vigil.Denied, "rest.ingest", "%s may not send for %s", speaker, envelopes[i].Device)
		}
	}
	if err == nil {
		err = accept(r.Context(), h, speaker, envelopes)
	}
	answer(w, len(envelopes), err)
}

func decodeBatch(body []byte) ([]protocol.Envelope, error) {
	var items []struct {
		Device vigil.DeviceID  `json:"device"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "rest.batch", "the body is not a list of {device, data}: %s", err)
	}
	if len(items) > maxBatch {
		return nil, vigil.Errorf(vigil.Invalid, "rest.batch", "%d messages in one batch, at most %d", len(items), maxBatch)
	}
	out := make([]protocol.Envelope, len(items))
	for i, it := range items {
		if it.Device == "" || len(it.Data) == 0 {
			return nil, vigil.Errorf(vigil.Invalid, "rest.batch", "item %d needs device and data", i)
		}
		out[i] = protocol.Envelope{Device: it.Device, Payload: it.Data}
	}
	return out, nil
}

// admit asks whether the request is within the quotas, before anything of it is taken.
func admit(h *protocol.Host, speaker vigil.DeviceID, envelopes []protocol.Envelope) error {
	var devices []vigil.DeviceID
	bytes := 0
	for _, e := range envelopes {
		if bytes += len(e.Payload); !slices.Contains(devices[max(len(devices)-8, 0):], e.Device) { // asking twice is only slow
			devices = append(devices, e.Device)
		}
	}
	if err := h.Intake.Admit(speaker, len(envelopes) > largeBatch, devices...); err != nil {
		return err
	}
	h.Intake.Pace(speaker, len(envelopes), bytes)
	return nil
}

// accept hands the messages over and waits until all are on disk.
func accept(ctx context.Context, h *protocol.Host, speaker vigil.DeviceID, envelopes []protocol.Envelope) error {
	if err := admit(h, speaker, envelopes); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	answers := make(chan error, len(envelopes))
	now := time.Now()
	for _, e := range envelopes {
		h.Intake.Accept(ingest.Message{Device: e.Device, Speaker: speaker, Protocol: "rest", Payload: e.Payload, Received: now}, func(err error) { answers <- err })
	}
	var first error
	for range envelopes {
		select {
		case err := <-answers:
			if first == nil {
				first = err
			}
		case <-ctx.Done():
			return vigil.Errorf(vigil.Unavailable, "rest.ingest", "not on disk after %s; send it again", ackTimeout)
		}
	}
	return first
}

// speaker authenticates: "Bearer <token>" for the device in the path, "Basic <device>:<token>" for a gateway or a device.
func (d *Door) speaker(r *http.Request) (*protocol.Host, vigil.DeviceID, error) {
	d.mu.RLock()
	h := d.host
	d.mu.RUnlock()
	if h == nil {
		return nil, "", vigil.Errorf(vigil.Unavailable, "rest.ingest", "the server is starting or stopping; try again")
	}
	id, token, ok := r.BasicAuth()
	if !ok {
		if token, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			id = r.PathValue("device")
		}
	}
	if !ok {
		return nil, "", vigil.Errorf(vigil.Denied, "rest.ingest", "send the device's token as Authorization: Bearer, or id and token as Basic")
	}
	return h, vigil.DeviceID(id), h.Intake.Authenticate(vigil.DeviceID(id), token)
}

func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "rest.ingest", "the body is not gzip: %s", err)
		}
		in = z
	default:
		return nil, vigil.Errorf(vigil.Invalid, "rest.ingest", "Content-Encoding %q is not known; use gzip or none", enc)
	}
	body, err := io.ReadAll(io.LimitReader(in, maxBody+1))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || len(body) > maxBody {
		return nil, vigil.Errorf(vigil.Invalid, "rest.ingest", "the body is larger than %d bytes; send smaller batches", maxBody)
	}
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "rest.ingest", "the body cannot be read: %s", err)
	}
	return body, nil
}

func answer(w http.ResponseWriter, n int, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]int{"accepted": n}) //nolint:errcheck // the client is gone; the message is safe
}

func refuse(w http.ResponseWriter, err error) {
	status := map[vigil.Kind]int{vigil.Invalid: 400, vigil.Denied: 401, vigil.Unavailable: 503}[vigil.KindOf(err)]
	if status == 0 {
		status = 500
	}
	if over, ok := errors.AsType[*gate.Limited](err); ok {
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(int((over.After+time.Second-1)/time.Second)))
	} else if status == 503 {
		w.Header().Set("Retry-After", "2")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body := map[string]any{"error": map[string]string{"kind": string(vigil.KindOf(err)), "message": vigil.Message(err)}}
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client is gone
}
