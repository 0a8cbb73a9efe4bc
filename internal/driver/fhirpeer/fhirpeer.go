// Package fhirpeer speaks to other FHIR R4 servers over HTTP: one request at a time, with an access token that it gets by
// SMART Backend Services (a signed assertion, no shared secret).
//
// It keeps no queue and tries nothing again but once with a fresh token: engine/peer decides what to send and when.
// Start at Client.
package fhirpeer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/peer"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Config is what a client needs.
type Config struct {
	Base     string // URL of the FHIR endpoint
	ClientID string // "" for a server that asks for no token
	Scopes   string
	TokenURL string // "" asks .well-known/smart-configuration
	Key      *Key   // nil without ClientID
	Now      func() time.Time
	Timeout  time.Duration // of one request, default 30 s
	Version  string        // of the software
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 32 << 20

// Client is one other server. Safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client

	mu     sync.Mutex
	token  string
	until  time.Time
	scopes string
}

// New checks the configuration and returns a client. It speaks to nobody yet.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.Base, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" {
		return nil, vigil.Errorf(vigil.Invalid, "fhirpeer.new", "url: %q is no http or https address of a FHIR endpoint", cfg.Base)
	}
	if cfg.ClientID != "" && cfg.Key == nil {
		return nil, vigil.Errorf(vigil.Invalid, "fhirpeer.new", "client_id: there is no key to sign with; `vigil peer key` makes one")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Client{cfg: cfg, base: base}
	c.http = &http.Client{Timeout: cfg.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // a token goes where it was meant to
	return c, nil
}

// Do implements peer.Remote. A token that the server does not take is thrown away and asked for anew once.
func (c *Client) Do(ctx context.Context, r peer.Request) (peer.Answer, error) {
	a, err := c.once(ctx, r)
	f, _ := err.(*peer.Fault)
	switch {
	case f == nil || c.cfg.ClientID == "":
	case f.Status == http.StatusUnauthorized:
		c.forget()
		return c.once(ctx, r)
	case f.Status == http.StatusForbidden:
		c.forget() // the next token may have the scope that this one lacks
	}
	return a, err
}

func fault(kind vigil.Kind, status int, format string, args ...any) *peer.Fault {
	return &peer.Fault{Kind: kind, Status: status, Text: fmt.Sprintf(format, args...)}
}

// address returns the whole URL of a path, which must lie below the base: links of others lead nowhere else.
func (c *Client) address(path string) (string, error) {
	if !strings.Contains(path, "://") {
		return c.base.String() + "/" + strings.TrimLeft(path, "/"), nil
	}
	u, err := url.Parse(path)
	if err != nil || u.Scheme != c.base.Scheme || !strings.EqualFold(u.Host, c.base.Host) || u.User != nil || strings.Contains(u.Path, "..") ||
		u.Path != c.base.Path && !strings.HasPrefix(u.Path, c.base.Path+"/") {
		return "", fault(vigil.Invalid, 0, "the server's link to its next page leads away from %s", c.base)
	}
	return path, nil
}

func (c *Client) once(ctx context.Context, r peer.Request) (peer.Answer, error) {
	at, err := c.address(r.Path)
	if err != nil {
		return peer.Answer{}, err
	}
	token, err := c.access(ctx)
	if err != nil {
		return peer.Answer{}, err
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(fhir.Encode(r.Body))
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, at, body)
	if err != nil {
		return peer.Answer{}, fault(vigil.Invalid, 0, "%s %s is no request", r.Method, r.Path)
	}
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("User-Agent", "vigil/"+c.cfg.Version)
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Prefer", "return=representation")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, text, err := c.send(req)
	if err != nil {
		return peer.Answer{}, err
	}
	return read(res, text)
}

// send gets an answer of any status; what is no answer is Unavailable.
func (c *Client) send(req *http.Request) (*http.Response, []byte, error) {
	res, err := c.http.Do(req)
	if err != nil {
		if ctx := req.Context(); ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		var u *url.Error
		if e, ok := err.(*url.Error); ok {
			u = e
		}
		if u != nil && u.Timeout() {
			return nil, nil, fault(vigil.Unavailable, 0, "no answer within %s", c.cfg.Timeout)
		}
		if u != nil {
			err = u.Err // the URL has identifiers of patients in it
		}
		return nil, nil, fault(vigil.Unavailable, 0, "no answer: %s", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fault(vigil.Unavailable, res.StatusCode, "the answer broke off: %s", err)
	}
	if len(text) > maxAnswer {
		return nil, nil, fault(vigil.Invalid, res.StatusCode, "the answer is larger than %d MB", maxAnswer>>20)
	}
	return res, text, nil
}

// read turns an answer into what it says.
func read(res *http.Response, text []byte) (peer.Answer, error) {
	a := peer.Answer{Status: res.StatusCode, Location: res.Header.Get("Location")}
	parsed, err := fhir.Parse(text)
	if res.StatusCode >= 300 {
		return a, refusal(res, parsed, text)
	}
	if err != nil && len(bytes.TrimSpace(text)) > 0 {
		return a, fault(vigil.Unavailable, res.StatusCode, "the answer is no FHIR resource: %.80q", text)
	}
	if parsed.Type() != "OperationOutcome" {
		a.Resource = parsed
	}
	return a, nil
}

// refusal says what an answer that is no success means for what was sent.
func refusal(res *http.Response, outcome fhir.Resource, text []byte) *peer.Fault {
	code := res.StatusCode
	f := fault(vigil.Invalid, code, "the server answered %d%s", code, reason(outcome, text))
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		f.Kind = vigil.Denied
	case code == http.StatusNotFound, code == http.StatusGone:
		f.Kind = vigil.NotFound
	case code == http.StatusConflict, code == http.StatusLocked:
		f.Kind = vigil.Conflict
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500, code < 400:
		f.Kind = vigil.Unavailable
		f.Wait = retryAfter(res.Header.Get("Retry-After"))
	}
	return f
}

// reason is what an OperationOutcome says of errors, or the beginning of a text.
func reason(outcome fhir.Resource, text []byte) string {
	var out []string
	for _, i := range outcome.List("issue") {
		if s := i.Str("severity"); s != "error" && s != "fatal" {
			continue
		}
		why := i.Str("diagnostics")
		if why == "" {
			why = i.Str("details.text")
		}
		if why == "" {
			why = i.Str("code")
		}
		if at, _ := i.Get("expression").([]any); len(at) > 0 {
			why = fmt.Sprintf("%v: %s", at[0], why)
		}
		out = append(out, why)
	}
	if len(out) > 0 {
		return ": " + short(strings.Join(out, "; "))
	}
	if s := strings.Join(strings.Fields(string(text[:min(len(text), 400)])), " "); s != "" && outcome == nil {
		return ": " + short(s)
	}
	return ""
}

func short(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > 500 {
		return string(r[:500]) + "…"
	}
	return s
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(header string) time.Duration {
	if n, err := strconv.Atoi(header); err == nil && n > 0 {
		return time.Duration(min(n, 86_400)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(min(time.Until(at), 24*time.Hour), 0)
	}
	return 0
}

// decode reads JSON that is no resource.
func decode(text []byte, into any) error { return json.Unmarshal(text, into) }
