// Package webhook posts messages as signed JSON to an HTTP address, for paging gateways and hospital buses.
//
// It is a notify.Channel and nothing else: order, retries and receipts are engine/notify's. Start at Channel.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// Headers of a post. The signature is the hex HMAC-SHA256 of "<timestamp>.<body>" with the shared secret.
const (
	HeaderID        = "Vigil-Message-Id" // the same for every repeat: receivers drop what they have
	HeaderTimestamp = "Vigil-Timestamp"  // Unix seconds; receivers refuse old ones
	HeaderSignature = "Vigil-Signature"
)

const (
	timeout = 8 * time.Second
	readMax = 4 << 10 // of an answer, so that the connection can be used again
)

// Config is what the channel needs.
type Config struct {
	Secret    []byte
	Transport http.RoundTripper // nil: http.DefaultTransport
	Now       func() time.Time
}

// Channel posts to the route's address. It follows no redirect: the address is the administrator's choice alone.
type Channel struct {
	cfg    Config
	client *http.Client
}

// New returns a channel. It returns Invalid without a secret: an unsigned page could be anybody's.
func New(cfg Config) (*Channel, error) {
	if len(cfg.Secret) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "webhook.new", "a secret is needed to sign messages")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Channel{cfg: cfg, client: &http.Client{
		Timeout: timeout, Transport: cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// payload is what receivers get: nothing in it identifies the patient.
type payload struct {
	ID       string         `json:"id"`
	Alarm    string         `json:"alarm"`
	To       string         `json:"to"`
	Role     string         `json:"role,omitempty"`
	Priority vigil.Priority `json:"priority"`
	Text     string         `json:"text"`
	Link     string         `json:"link"`
	Created  time.Time      `json:"created"`
}

// Send implements notify.Channel: a 2xx answer means delivered; 4xx other than 408, 425 and 429 is final.
func (c *Channel) Send(ctx context.Context, m notify.Message, to string) (notify.State, error) {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return notify.Failed, vigil.Errorf(vigil.Invalid, "webhook.send", "the address is no http or https URL")
	}
	body, err := json.Marshal(payload{ID: m.ID, Alarm: m.Alarm, To: m.To.ID, Role: m.To.Role, Priority: m.Priority, Text: m.Text, Link: m.Link, Created: m.Created})
	if err != nil {
		return notify.Failed, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return notify.Failed, err
	}
	stamp := strconv.FormatInt(c.cfg.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(HeaderID, m.ID)
	req.Header.Set(HeaderTimestamp, stamp)
	req.Header.Set(HeaderSignature, Sign(c.cfg.Secret, stamp, body))
	res, err := c.client.Do(req)
	if err != nil {
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "webhook.send", "no answer: %w", err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, readMax)) //nolint:errcheck // the answer's body does not matter
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return notify.Delivered, nil
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "webhook.send", "the receiver answered %d", code)
	default:
		return notify.Failed, vigil.Errorf(vigil.Invalid, "webhook.send", "the receiver refused with %d", code)
	}
}

// Sign returns the signature of a body at a time, as hex.
func Sign(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s", timestamp, body)
	return hex.EncodeToString(mac.Sum(nil))
}
