package fhirpeer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/vigil-health/vigil"
)

// early is how long before its end a token is not used any more.
const early = 20 * time.Second

// access returns an access token, "" where none is asked for.
func (c *Client) access(ctx context.Context) (string, error) {
	if c.cfg.ClientID == "" {
		return "", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" && c.cfg.Now().Before(c.until) {
		return c.token, nil
	}
	at := c.cfg.TokenURL
	if at == "" {
		found, err := c.discover(ctx)
		if err != nil {
			return "", err
		}
		at = found
	}
	if err := c.exchange(ctx, at); err != nil {
		return "", err
	}
	return c.token, nil
}

func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = ""
}

// discovery is what .well-known/smart-configuration says, as far as it concerns us.
type discovery struct {
	TokenEndpoint string   `json:"token_endpoint"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms    []string `json:"token_endpoint_auth_signing_alg_values_supported"`
}

// discover asks the server where tokens are had (SMART App Launch 2).
func (c *Client) discover(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/.well-known/smart-configuration", nil)
	if err != nil {
		return "", fault(vigil.Invalid, 0, "url: %s", err)
	}
	req.Header.Set("Accept", "application/json")
	res, text, err := c.send(req)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		f := refusal(res, nil, nil)
		f.Text = "smart-configuration: " + f.Text + "; give token_url if the server has none"
		if f.Kind != vigil.Unavailable {
			f.Kind = vigil.Denied // for somebody to mend; nothing that was sent is wrong
		}
		return "", f
	}
	var d discovery
	if err := decode(text, &d); err != nil || d.TokenEndpoint == "" {
		return "", fault(vigil.Denied, 0, "smart-configuration names no token_endpoint")
	}
	u, err := url.Parse(d.TokenEndpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != c.base.Scheme {
		return "", fault(vigil.Denied, 0, "smart-configuration: token_endpoint %q is no address as safe as the server's own", d.TokenEndpoint)
	}
	if len(d.Algorithms) > 0 && !slices.Contains(d.Algorithms, string(c.cfg.Key.Algorithm())) {
		return "", fault(vigil.Denied, 0, "the server takes signatures of %s and our key makes %s; make another with `vigil peer key --alg`", strings.Join(d.Algorithms, ", "), c.cfg.Key.Algorithm())
	}
	return d.TokenEndpoint, nil
}

// exchange gets a token for a fresh assertion. c.mu is held.
func (c *Client) exchange(ctx context.Context, at string) error {
	assertion, err := c.cfg.Key.assert(c.cfg.ClientID, at, c.cfg.Now())
	if err != nil {
		return fault(vigil.Denied, 0, "the assertion cannot be signed: %s", err)
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {c.cfg.Scopes},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return fault(vigil.Denied, 0, "token_url: %s", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, text, err := c.send(req)
	if err != nil {
		return err
	}
	var out struct {
		Token       string `json:"access_token"`
		Type        string `json:"token_type"`
		Expires     int    `json:"expires_in"`
		Scope       string `json:"scope"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	bad := decode(text, &out)
	if res.StatusCode != http.StatusOK {
		f := refusal(res, nil, nil)
		if f.Kind != vigil.Unavailable {
			f.Kind = vigil.Denied
		}
		f.Text = "no access token: " + f.Text
		if out.Error != "" {
			f.Text += ", " + short(out.Error+" "+out.Description)
		}
		return f
	}
	if bad != nil || out.Token == "" || !strings.EqualFold(out.Type, "bearer") {
		return fault(vigil.Denied, res.StatusCode, "no access token: the token endpoint's answer has none")
	}
	c.token, c.scopes = out.Token, out.Scope
	life := time.Duration(max(out.Expires, 60)) * time.Second
	c.until = c.cfg.Now().Add(life - min(early, life/2))
	return nil
}

// Key is a private key that assertions are signed with.
type Key struct{ jwk jose.JSONWebKey }

// Algorithm returns RS384 or ES384.
func (k *Key) Algorithm() jose.SignatureAlgorithm { return jose.SignatureAlgorithm(k.jwk.Algorithm) }

// assert signs who we are (SMART App Launch 2, client authentication: asymmetric).
func (k *Key) assert(client, audience string, now time.Time) (string, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Algorithm(), Key: k.jwk}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	return jwt.Signed(s).Claims(jwt.Claims{
		Issuer: client, Subject: client, Audience: jwt.Audience{audience}, ID: hex.EncodeToString(b[:]),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(4 * time.Minute)),
	}).Serialize()
}
