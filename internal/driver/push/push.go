// Package push sends messages to browsers by web push (RFC 8030, RFC 8291, RFC 8292).
//
// It is a notify.Channel and nothing else: order, retries and receipts are engine/notify's. The payload is encrypted to the
// browser and carries nothing that identifies a patient. Start at Channel.
package push

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/SherClockHolmes/webpush-go"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

const (
	timeout = 8 * time.Second
	keepFor = 15 * 60 // seconds that the push service keeps a message for a browser that is away
	readMax = 4 << 10
)

// Keys are the server's own key pair towards push services (VAPID).
type Keys struct {
	Public  string `json:"public"` // base64url, what browsers subscribe with
	Private string `json:"private"`
}

// MakeKeys returns a new key pair. Browsers that subscribed with another one subscribe anew.
func MakeKeys() (k Keys, err error) {
	k.Private, k.Public, err = webpush.GenerateVAPIDKeys()
	return k, err
}

// ReadKeys reads a key pair from its JSON; Invalid when it is damaged.
func ReadKeys(text []byte) (k Keys, err error) {
	if err := json.Unmarshal(text, &k); err != nil || k.Public == "" || k.Private == "" {
		return Keys{}, vigil.Errorf(vigil.Invalid, "push.keys", "these are no keys for web push")
	}
	return k, nil
}

// Config is what the channel needs.
type Config struct {
	Keys    Keys
	Contact string // mailto: or https: of the hospital, for the operators of push services
	// Services are the hosts that browsers may name, a leading dot for all below; nil means those of the known browsers.
	Services  []string
	Transport http.RoundTripper // nil: http.DefaultTransport
	// Gone is told of a subscription that the service knows no more.
	Gone func(ctx context.Context, to string)
}

// DefaultServices are the push services of the known browsers.
func DefaultServices() []string {
	return []string{"fcm.googleapis.com", ".push.services.mozilla.com", ".push.apple.com", ".notify.windows.com"}
}

// Channel pushes to the route's subscription, which is the browser's PushSubscription as JSON.
type Channel struct {
	cfg    Config
	client *http.Client
}

// New returns a channel. It returns Invalid without keys.
func New(cfg Config) (*Channel, error) {
	if cfg.Keys.Private == "" {
		return nil, vigil.Errorf(vigil.Invalid, "push.new", "the key pair is missing")
	}
	if cfg.Services == nil {
		cfg.Services = DefaultServices()
	}
	if cfg.Contact == "" {
		cfg.Contact = "https://vigil.invalid"
	}
	return &Channel{cfg: cfg, client: &http.Client{
		Timeout: timeout, Transport: cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Recalls implements notify.Recaller: a later message about the same alarm replaces the one on the screen.
func (c *Channel) Recalls() bool { return true }

// payload is what the browser's worker shows. Tag is the same for messages about one alarm.
type payload struct {
	ID       string         `json:"id"`
	Text     string         `json:"text"`
	Link     string         `json:"link"`
	Tag      string         `json:"tag"`
	Priority vigil.Priority `json:"priority"`
	Done     bool           `json:"done,omitempty"` // nothing is left to do
}

// Check returns Invalid when to is no subscription at a service that this channel speaks to.
func (c *Channel) Check(to string) error {
	_, err := c.read(to)
	return err
}

func (c *Channel) read(to string) (s webpush.Subscription, err error) {
	if err := json.Unmarshal([]byte(to), &s); err != nil || s.Endpoint == "" || s.Keys.Auth == "" || s.Keys.P256dh == "" {
		return s, vigil.Errorf(vigil.Invalid, "push.send", "the address is no push subscription")
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return s, vigil.Errorf(vigil.Invalid, "push.send", "the push service is not reached by https")
	}
	for _, allowed := range c.cfg.Services {
		if u.Host == allowed || strings.HasPrefix(allowed, ".") && strings.HasSuffix(u.Host, allowed) {
			return s, nil
		}
	}
	return s, vigil.Errorf(vigil.Invalid, "push.send", "%s is no push service that this site allows; add it to push.services", u.Host)
}

// Send implements notify.Channel: the push service took the message (Sent); the browser confirms by itself.
// A subscription that the service knows no more is NotFound, and forgotten.
func (c *Channel) Send(ctx context.Context, m notify.Message, to string) (notify.State, error) {
	sub, err := c.read(to)
	if err != nil {
		return notify.Failed, err
	}
	tag, _, _ := strings.Cut(strings.TrimPrefix(m.Link, "/"), "?")
	body, err := json.Marshal(payload{ID: m.ID, Text: m.Text, Link: m.Link, Tag: tag, Priority: m.Priority, Done: m.Kind == notify.KindStandDown})
	if err != nil {
		return notify.Failed, err
	}
	urgency := webpush.UrgencyNormal
	if m.Priority >= vigil.PriorityMedium {
		urgency = webpush.UrgencyHigh
	}
	res, err := webpush.SendNotificationWithContext(ctx, body, &sub, &webpush.Options{
		HTTPClient: c.client, Subscriber: c.cfg.Contact, TTL: keepFor, Urgency: urgency, VAPIDPublicKey: c.cfg.Keys.Public, VAPIDPrivateKey: c.cfg.Keys.Private,
	})
	if err != nil {
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "push.send", "the push service does not answer: %w", err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, readMax)) //nolint:errcheck // the answer's body does not matter
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return notify.Sent, nil
	case code == http.StatusNotFound, code == http.StatusGone:
		if c.cfg.Gone != nil {
			c.cfg.Gone(ctx, to)
		}
		return notify.Failed, vigil.Errorf(vigil.NotFound, "push.send", "the browser has ended its subscription")
	case code == http.StatusTooManyRequests, code >= 500:
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "push.send", "the push service answered %d", code)
	default:
		return notify.Failed, vigil.Errorf(vigil.Invalid, "push.send", "the push service refused with %d", code)
	}
}
