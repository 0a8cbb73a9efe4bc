// Package gateway sends messages as text or speech through a telephone gateway that is reached by HTTP.
//
// It is a notify.Channel made from the site's settings: address, method, headers, body, where the gateway's id stands in its
// answer and what its status callback says. Order, retries and receipts are engine/notify's. Start at Channel.
package gateway

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
	"strings"
	"text/template"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

const (
	timeout = 8 * time.Second
	readMax = 64 << 10
)

// Config is one gateway, as the site describes it. docs/guide/notifications.md has settings of common ones.
type Config struct {
	Name    string            `yaml:"-"`       // of the channel: sms or voice
	URL     string            `yaml:"url"`     // template
	Method  string            `yaml:"method"`  // default POST
	Headers map[string]string `yaml:"headers"` // templates; Content-Type default application/json
	// Body is a template of Go's text/template with .To, .Text, .Link, .ID, .Priority and .Callback, and the functions json
	// (a quoted JSON string) and query (escaped for a form or an address).
	Body string `yaml:"body"`
	// Receipt is where the gateway's own id stands in its JSON answer, "messages.0.id"; empty: it gives none.
	Receipt string `yaml:"receipt"`
	// Status is the field of the callback that says what became of the message, by its name in a form or its path in JSON.
	Status string `yaml:"status"`
	// States says what values of Status mean: delivered, seen, answered or failed. Others are passed over.
	States map[string]notify.State `yaml:"states"`

	Link      string            `yaml:"-"` // address of the user interface, put before a message's link and a callback
	Secret    []byte            `yaml:"-"` // signs callbacks
	Transport http.RoundTripper `yaml:"-"` // nil: http.DefaultTransport
}

// Channel calls the gateway for the route's telephone number.
type Channel struct {
	cfg     Config
	client  *http.Client
	url     *template.Template
	body    *template.Template
	headers map[string]*template.Template
}

// call is what templates see.
type call struct {
	To, Text, Link, ID, Priority, Callback string
}

// New returns a channel. It returns Invalid, with the name of the setting, when the settings do not fit.
func New(cfg Config) (*Channel, error) {
	if cfg.Method == "" {
		cfg.Method = http.MethodPost
	}
	c := &Channel{cfg: cfg, headers: map[string]*template.Template{}, client: &http.Client{
		Timeout: timeout, Transport: cfg.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var err error
	if c.url, err = c.parse("url", cfg.URL); err != nil {
		return nil, err
	}
	if c.body, err = c.parse("body", cfg.Body); err != nil {
		return nil, err
	}
	for k, v := range cfg.Headers {
		if c.headers[k], err = c.parse("headers."+k, v); err != nil {
			return nil, err
		}
	}
	sample, err := render(c.url, call{To: "+34600123456", Text: "x", ID: "x"})
	if u, perr := url.Parse(sample); err != nil || perr != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, vigil.Errorf(vigil.Invalid, "gateway.new", "%s.url is no http or https address", cfg.Name)
	}
	for value, s := range cfg.States {
		switch s {
		case notify.Delivered, notify.Seen, notify.Answered, notify.Failed:
		default:
			return nil, vigil.Errorf(vigil.Invalid, "gateway.new", "%s.states.%s is not delivered, seen, answered or failed", cfg.Name, value)
		}
	}
	return c, nil
}

func (c *Channel) parse(name, text string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{"query": url.QueryEscape, "json": quote}).Parse(text)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "gateway.new", "%s.%s: %w", c.cfg.Name, name, err)
	}
	if err := t.Execute(io.Discard, call{}); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "gateway.new", "%s.%s: %w", c.cfg.Name, name, err)
	}
	return t, nil
}

func quote(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}

func render(t *template.Template, data call) (string, error) {
	var b strings.Builder
	err := t.Execute(&b, data)
	return b.String(), err
}

// Send implements notify.Channel: a 2xx answer means Sent, and the callback says the rest. 4xx other than 408, 425 and
// 429 is final.
func (c *Channel) Send(ctx context.Context, m notify.Message, to string) (notify.State, error) {
	base := strings.TrimSuffix(c.cfg.Link, "/")
	data := call{To: to, Text: m.Text, Link: base + m.Link, ID: m.ID, Priority: m.Priority.String(), Callback: base + c.CallbackPath(m.ID)}
	req, err := c.request(ctx, data)
	if err != nil {
		return notify.Failed, err
	}
	res, err := c.client.Do(req)
	if err != nil {
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "gateway.send", "the %s gateway does not answer: %w", c.cfg.Name, bare(err))
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, readMax))
	switch code := res.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "gateway.send", "the %s gateway answered %d", c.cfg.Name, code)
	case code < 200 || code >= 300:
		return notify.Failed, vigil.Errorf(vigil.Invalid, "gateway.send", "the %s gateway refused with %d", c.cfg.Name, code)
	case err != nil:
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "gateway.send", "the answer of the %s gateway broke off", c.cfg.Name)
	}
	if c.cfg.Receipt != "" && field(text, c.cfg.Receipt) == "" {
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "gateway.send", "the %s gateway gave no id at %s: it has not taken the message", c.cfg.Name, c.cfg.Receipt)
	}
	return notify.Sent, nil
}

// bare takes the address off an error: it may hold a key.
func bare(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}

func (c *Channel) request(ctx context.Context, data call) (*http.Request, error) {
	at, err := render(c.url, data)
	if err != nil {
		return nil, err
	}
	body, err := render(c.body, data)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, c.cfg.Method, at, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "gateway.send", "%s.url makes no address", c.cfg.Name)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, t := range c.headers {
		v, err := render(t, data)
		if err != nil {
			return nil, err
		}
		req.Header.Set(k, v)
	}
	return req, nil
}

// CallbackPath is where the gateway says what became of a message. It is signed: nobody else can say it.
func (c *Channel) CallbackPath(message string) string {
	return "/notify/callback/" + c.cfg.Name + "?m=" + url.QueryEscape(message) + "&s=" + c.sign(message)
}

func (c *Channel) sign(message string) string {
	mac := hmac.New(sha256.New, c.cfg.Secret)
	fmt.Fprintf(mac, "%s %s", c.cfg.Name, message)
	return hex.EncodeToString(mac.Sum(nil))
}

// Callback reads what the gateway says about a message; state is "" when that changes nothing. It returns Denied when
// the signature is not ours, Invalid when the status cannot be found.
func (c *Channel) Callback(r *http.Request) (message string, state notify.State, err error) {
	message = r.URL.Query().Get("m")
	if !hmac.Equal([]byte(r.URL.Query().Get("s")), []byte(c.sign(message))) {
		return "", "", vigil.Errorf(vigil.Denied, "gateway.callback", "the signature does not fit")
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, readMax))
	if err != nil {
		return "", "", vigil.Errorf(vigil.Invalid, "gateway.callback", "the body broke off")
	}
	value := r.URL.Query().Get(c.cfg.Status)
	if value == "" {
		value = field(text, c.cfg.Status)
	}
	if form, err := url.ParseQuery(string(text)); value == "" && err == nil {
		value = form.Get(c.cfg.Status)
	}
	if value == "" {
		return "", "", vigil.Errorf(vigil.Invalid, "gateway.callback", "the callback has no %s", c.cfg.Status)
	}
	return message, c.cfg.States[value], nil
}

// field returns what stands at a path such as "messages.0.id" of a JSON text, "" when nothing does.
func field(text []byte, path string) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return ""
	}
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	}
	return ""
}
