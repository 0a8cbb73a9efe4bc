package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

// remoteFlags name a running Vigil and who signs in there.
type remoteFlags struct {
	URL      string `help:"Address of a running Vigil." default:"http://127.0.0.1:8080" env:"VIGIL_URL"`
	Login    string `help:"Account that may register devices; the simulated hospital on this machine needs none." env:"VIGIL_LOGIN"`
	Password string `help:"Password of the account." env:"VIGIL_PASSWORD"`
	APIToken string `name:"api-token" help:"API token instead of an account, to read." env:"VIGIL_API_TOKEN"`
}

// remote is somebody who is signed in to a running Vigil, or a gateway that has a token there.
type remote struct {
	url     string
	http    *http.Client
	gateway string
	token   string
	bearer  string // API token of a program
}

func newRemote(at string) *remote {
	jar, _ := cookiejar.New(nil) //nolint:errcheck // never fails without options
	return &remote{url: strings.TrimRight(at, "/"), http: &http.Client{Jar: jar, Timeout: 40 * time.Second}}
}

// open signs in by password, or as a visitor of the simulated hospital in the role.
func (f remoteFlags) open(ctx context.Context, role string) (*remote, error) {
	r := newRemote(f.URL)
	if r.bearer = f.APIToken; f.APIToken != "" {
		return r, nil
	}
	if f.Login != "" {
		return r, r.call(ctx, "POST", "/api/session", map[string]string{"login": f.Login, "password": f.Password}, nil)
	}
	err := r.call(ctx, "POST", "/api/session/visit", map[string]string{"role": role}, nil)
	if vigil.KindOf(err) == vigil.Denied {
		return r, vigil.Errorf(vigil.Denied, "remote.open", "%s is no simulated hospital on this machine; name an account with --login and --password", r.url)
	}
	return r, err
}

// call sends JSON and reads JSON; errors keep the kind and message of the server.
func (r *remote) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "remote.call", "%s is no address; write http://127.0.0.1:8080", r.url)
	}
	req.Header.Set("Content-Type", "application/json")
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	if strings.HasPrefix(path, "/fhir/") {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	return r.do(req, out)
}

func (r *remote) do(req *http.Request, out any) (err error) {
	res, err := r.http.Do(req)
	if err != nil {
		if req.Context().Err() != nil {
			return req.Context().Err()
		}
		return vigil.Errorf(vigil.Unavailable, "remote.call", "no Vigil answers at %s (%w); start `vigil demo`, or name another with --url", r.url, err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	switch {
	case err != nil:
		return vigil.Errorf(vigil.Unavailable, "remote.call", "the answer broke off: %w", err)
	case res.StatusCode >= 300:
		return refusal(req, res.StatusCode, text)
	case out == nil || len(text) == 0:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return vigil.Errorf(vigil.Invalid, "remote.call", "%s does not answer as Vigil does: %w", req.URL.Path, err)
	}
	return nil
}

func refusal(req *http.Request, status int, text []byte) error {
	var body struct {
		Error struct {
			Kind    vigil.Kind    `json:"kind"`
			Message string        `json:"message"`
			Faults  []vigil.Fault `json:"faults"`
		} `json:"error"`
		Issue []struct {
			Diagnostics string `json:"diagnostics"`
		} `json:"issue"`
	}
	kind := map[int]vigil.Kind{400: vigil.Invalid, 401: vigil.Denied, 403: vigil.Denied, 404: vigil.NotFound, 409: vigil.Conflict, 503: vigil.Unavailable}[status]
	if kind == "" {
		kind = vigil.Internal
	}
	msg := http.StatusText(status)
	if json.Unmarshal(text, &body) == nil {
		switch {
		case body.Error.Message != "":
			kind, msg = body.Error.Kind, body.Error.Message
			for _, f := range body.Error.Faults {
				msg += "\n  " + f.Path + ": " + f.Msg
			}
		case len(body.Issue) > 0:
			msg = body.Issue[0].Diagnostics
		}
	}
	return vigil.Errorf(kind, "remote.call", "%s %s: %s", req.Method, req.URL.Path, msg)
}

// enrolGateway makes the gateway that speaks for all devices, or takes a fresh token for it.
func (r *remote) enrolGateway(ctx context.Context, id, name string) error {
	var made struct {
		Token string `json:"token"`
	}
	r.gateway = id
	err := r.call(ctx, "POST", "/api/devices", map[string]string{"id": id, "profile": "gateway", "name": name}, &made)
	if vigil.KindOf(err) == vigil.Conflict {
		err = r.call(ctx, "POST", "/api/devices/"+url.PathEscape(id)+"/token", nil, &made)
	}
	r.token = made.Token
	return err
}

// wear registers a device unless it is, and puts it on a patient from a time on.
func (r *remote) wear(ctx context.Context, d wornDevice) error {
	err := r.call(ctx, "POST", "/api/devices", map[string]string{"id": d.id, "profile": d.profile, "name": d.name}, nil)
	if err != nil && vigil.KindOf(err) != vigil.Conflict {
		return err
	}
	return r.call(ctx, "POST", "/api/devices/"+url.PathEscape(d.id)+"/bind", map[string]any{"subject": vigil.PatientSubject(d.patient), "from": d.from}, nil)
}

type wornDevice struct {
	id, profile, name, patient string
	from                       time.Time
}

// takeOff ends the binding of a device.
func (r *remote) takeOff(ctx context.Context, id string) error {
	return r.call(ctx, "POST", "/api/devices/"+url.PathEscape(id)+"/unbind", map[string]string{}, nil)
}

// ingest hands a batch over as the gateway and tries again while the server cannot take it; repeats are recognised there.
func (r *remote) ingest(ctx context.Context, batch []sim.Packet) error {
	var body bytes.Buffer
	for i, p := range batch {
		body.WriteByte("[,"[min(i, 1)])
		body.WriteString(`{"device":"` + p.Device + `","data":`)
		body.Write(p.Payload)
		body.WriteByte('}')
	}
	body.WriteByte(']')
	const tries = 6
	for i := 1; ; i++ {
		req, err := http.NewRequestWithContext(ctx, "POST", r.url+"/ingest", bytes.NewReader(body.Bytes()))
		if err != nil {
			return vigil.Errorf(vigil.Invalid, "remote.ingest", "%s is no address", r.url)
		}
		req.SetBasicAuth(r.gateway, r.token)
		req.Header.Set("Content-Type", "application/json")
		if err = r.do(req, nil); err == nil || vigil.KindOf(err) != vigil.Unavailable || i == tries {
			return err
		}
		if err := pause(ctx, time.Duration(i)*500*time.Millisecond); err != nil {
			return err
		}
	}
}

// pause waits on the real clock.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guest is an invented patient.
type guest struct {
	mrn, family, given, sex string
	age                     int // 0 for unknown
}

// remoteUnit is a unit of a running Vigil in which invented patients lie.
type remoteUnit struct{ id, name string }

type remoteBed struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// beds makes the unit and as many free beds as are needed, and returns the free ones.
func (r *remote) beds(ctx context.Context, u remoteUnit, need int) ([]string, error) {
	physical := func(code string) map[string]any {
		return map[string]any{"coding": []map[string]string{{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": code}}}
	}
	unit := map[string]any{"resourceType": "Location", "id": u.id, "name": u.name, "status": "active", "physicalType": physical("wa")}
	if err := r.call(ctx, "GET", "/fhir/Location/"+u.id, nil, nil); vigil.KindOf(err) == vigil.NotFound {
		err = r.call(ctx, "PUT", "/fhir/Location/"+u.id, unit, nil)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	for tries := 0; ; tries++ {
		var ward struct {
			Beds []remoteBed `json:"beds"`
		}
		if err := r.call(ctx, "GET", "/api/ward?unit="+url.QueryEscape(u.id), nil, &ward); err != nil && vigil.KindOf(err) != vigil.NotFound {
			return nil, err
		}
		var free []string
		for _, b := range ward.Beds {
			if b.State == "free" {
				free = append(free, b.ID)
			}
		}
		if len(free) >= need || tries > 50 {
			return free, nil
		}
		for n := len(ward.Beds) + 1; tries == 0 && n <= len(ward.Beds)+need-len(free); n++ {
			id := u.id + "-bed-" + itoa(n)
			bed := map[string]any{"resourceType": "Location", "id": id, "name": itoa(n), "status": "active", "physicalType": physical("bd"),
				"partOf":            map[string]string{"reference": "Location/" + u.id},
				"operationalStatus": map[string]string{"system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": "U"}}
			if err := r.call(ctx, "PUT", "/fhir/Location/"+id, bed, nil); err != nil {
				return nil, err
			}
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// found is a patient as the application API lists him.
type found struct {
	ID  string     `json:"id"`
	MRN string     `json:"mrn"`
	Bed *remoteBed `json:"bed"`
}

// guestNamed returns the invented patient with the number, nil when he was never there.
func (r *remote) guestNamed(ctx context.Context, mrn string) (*found, error) {
	var list []found
	if err := r.call(ctx, "GET", "/api/patients?q="+url.QueryEscape(mrn), nil, &list); err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].MRN == mrn {
			return &list[i], nil
		}
	}
	return nil, nil
}

// admit puts an invented patient into a bed and returns his id.
func (r *remote) admit(ctx context.Context, g guest, known *found, bed string) (string, error) {
	path := "/api/beds/" + url.PathEscape(bed) + "/admit"
	if known == nil {
		id, err := r.createGuest(ctx, g)
		if err != nil {
			return "", err
		}
		known = &found{ID: id}
	}
	for tries := 0; ; tries++ {
		err := r.call(ctx, "POST", path, map[string]string{"patient_id": known.ID}, nil)
		if vigil.KindOf(err) != vigil.Conflict || tries == 40 {
			return known.ID, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil { // the new record is on its way to the census
			return "", err
		}
	}
}

func (r *remote) createGuest(ctx context.Context, g guest) (string, error) {
	gender := map[string]string{"F": "female", "M": "male"}[g.sex]
	if gender == "" {
		gender = "unknown"
	}
	name := map[string]any{"family": g.family}
	if g.given != "" {
		name["given"] = []string{g.given}
	}
	p := map[string]any{"resourceType": "Patient", "active": true, "gender": gender, "name": []any{name},
		"identifier": []map[string]any{{"system": "urn:vigil:mrn", "value": g.mrn, "type": map[string]any{"coding": []map[string]string{{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}}}}}}
	if g.age > 0 { // a recording says the age in years only: the middle of the year is at most half a year wrong
		p["birthDate"] = itoa(time.Now().Year()-g.age) + "-07-01"
	}
	var made struct {
		ID string `json:"id"`
	}
	err := r.call(ctx, "POST", "/fhir/Patient", p, &made)
	return made.ID, err
}
