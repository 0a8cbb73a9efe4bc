package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

// targetFlags name a house that runs already. The bench leaves its devices and patients, all called load-…, in it.
type targetFlags struct {
	Target     string `help:"Measure the Vigil at this HTTP address, for example 127.0.0.1:8080, instead of one of its own." placeholder:"ADDR"`
	TargetMQTT string `help:"MQTT address of the target." placeholder:"ADDR" default:"127.0.0.1:1883"`
	Login      string `help:"Nurse or administrator of the target." placeholder:"LOGIN"`
	Password   string `help:"Password of the login." env:"VIGIL_BENCH_PASSWORD" hidden:""`
}

// openTarget signs in to a running house and admits what is missing of the ward.
func (f targetFlags) open(ctx context.Context, size sim.LoadSize) (*benchHouse, error) {
	h := &benchHouse{http: f.Target, mqtt: f.TargetMQTT, ward: &sim.LoadWard{}}
	res, err := h.send(ctx, "POST", "/api/session", map[string]string{"login": f.Login, "password": f.Password}, nil)
	if err != nil {
		return nil, err
	}
	for _, c := range res.Cookies() {
		h.ward.Session = c.Value
	}
	for i := range size.Gateways {
		id := fmt.Sprintf("load-gateway-%02d", i+1)
		var made struct{ Token string }
		res, err := h.send(ctx, "POST", "/api/devices", map[string]string{"id": id, "profile": "gateway"}, &made)
		if res != nil && res.StatusCode == http.StatusConflict {
			_, err = h.send(ctx, "POST", "/api/devices/"+id+"/token", struct{}{}, &made)
		}
		if err != nil {
			return nil, err
		}
		h.ward.Gateways, h.ward.Tokens = append(h.ward.Gateways, id), append(h.ward.Tokens, made.Token)
	}
	for i := range size.Patches {
		id := sim.LoadName(i)
		if err := h.admit(ctx, id); err != nil {
			return nil, err
		}
		h.ward.Devices = append(h.ward.Devices, id)
	}
	return h, nil
}

func (h *benchHouse) admit(ctx context.Context, id string) error {
	res, err := h.send(ctx, "POST", "/api/devices", map[string]string{"id": id, "profile": "smart-patch"}, nil)
	if res != nil && res.StatusCode == http.StatusConflict {
		return nil // of an earlier run
	}
	if err != nil {
		return err
	}
	patient := map[string]any{"resourceType": "Patient", "id": id, "active": true, "birthDate": "1960-01-01", "name": []map[string]any{{"family": "Load", "given": []string{id}}}}
	if _, err := h.send(ctx, "PUT", "/fhir/Patient/"+id, patient, nil); err != nil {
		return err
	}
	_, err = h.send(ctx, "POST", "/api/devices/"+id+"/bind", map[string]any{"subject": vigil.PatientSubject(id), "from": time.Now().Add(-time.Hour)}, nil)
	return err
}

// send calls the API. The answer is returned with the error when the server refuses.
func (h *benchHouse) send(ctx context.Context, method, path string, body, into any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.http+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPut {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	req.AddCookie(&http.Cookie{Name: "vigil_session", Value: h.ward.Session})
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "bench.target", "the house at %s does not answer: %w", h.http, err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return res, vigil.Errorf(vigil.Denied, "bench.target", "%s %s answers %s", method, path, res.Status)
	}
	if into == nil {
		return res, nil
	}
	return res, json.NewDecoder(res.Body).Decode(into)
}
