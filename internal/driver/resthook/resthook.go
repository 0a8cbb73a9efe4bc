// Package resthook posts notifications of Subscriptions to the addresses that they name.
//
// The addresses come from who writes a Subscription, so they are bounded: by the site's list, and never to this machine
// or its own link unless the list names it. It keeps no order and tries nothing again: engine/subscription does.
// Start at Channel.
package resthook

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/subscription"
)

// Channel is a subscription.Channel over HTTP.
type Channel struct {
	allow  []string
	client *http.Client
}

// New returns a channel to the addresses that begin with one of the allowed URLs ("https://bus.example/"); without any,
// to every https address that is not of this machine or link.
func New(allow []string) (*Channel, error) {
	for _, a := range allow {
		if u, err := url.Parse(a); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, vigil.Errorf(vigil.Invalid, "resthook.new", "subscriptions.rest_hook: %q is no http or https address", a)
		}
	}
	c := &Channel{allow: allow}
	dial := &net.Dialer{Timeout: 10 * time.Second}
	if len(allow) == 0 {
		dial.Control = outward
	}
	c.client = &http.Client{
		Transport:     &http.Transport{DialContext: dial.DialContext, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// outward refuses addresses of this machine, its link and private networks, after the name was resolved.
func outward(_, address string, _ syscall.RawConn) error {
	p, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := p.Addr().Unmap(); !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return vigil.Errorf(vigil.Invalid, "resthook.send", "the endpoint leads to %s, inside the network; name it in subscriptions.rest_hook to allow it", ip)
	}
	return nil
}

// Check implements subscription.Channel.
func (c *Channel) Check(to subscription.Target) error {
	u, err := url.Parse(to.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return vigil.Errorf(vigil.Invalid, "resthook.check", "channel.endpoint is no http or https address")
	}
	for _, h := range to.Headers {
		name, _, ok := strings.Cut(h, ":")
		if !ok || strings.ContainsAny(h, "\r\n") || strings.EqualFold(name, "Host") || strings.EqualFold(name, "Content-Length") {
			return vigil.Errorf(vigil.Invalid, "resthook.check", "channel.header: write it as \"Name: value\"")
		}
	}
	if len(c.allow) == 0 {
		if ip, err := netip.ParseAddr(u.Hostname()); u.Scheme != "https" || u.Hostname() == "localhost" || err == nil && (!ip.Unmap().IsGlobalUnicast() || ip.Unmap().IsPrivate()) {
			return vigil.Errorf(vigil.Invalid, "resthook.check", "channel.endpoint: only https addresses outside the network are called; an administrator allows others with subscriptions.rest_hook in vigil.yaml")
		}
		return nil
	}
	for _, a := range c.allow {
		own, err := url.Parse(a)
		if err == nil && own.Scheme == u.Scheme && strings.EqualFold(own.Host, u.Host) && below(u.EscapedPath(), own.EscapedPath()) {
			return nil
		}
	}
	return vigil.Errorf(vigil.Invalid, "resthook.check", "channel.endpoint is not among those that subscriptions.rest_hook in vigil.yaml allows; ask an administrator to add it")
}

// below reports whether a path is the allowed one or lies under it.
func below(path, allowed string) bool {
	root := strings.TrimSuffix(allowed, "/")
	return !strings.Contains(path, "..") && (path == allowed || path == root || strings.HasPrefix(path, root+"/"))
}

// Send implements subscription.Channel: a 2xx answer means that the receiver has it.
func (c *Channel) Send(ctx context.Context, to subscription.Target, bundle []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Endpoint, bytes.NewReader(bundle))
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "resthook.send", "channel.endpoint cannot be called: %w", err)
	}
	for _, h := range to.Headers {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	res, err := c.client.Do(req)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "resthook.send", "no answer: %w", err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10)) //nolint:errcheck // the answer's body does not matter
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return vigil.Errorf(vigil.Unavailable, "resthook.send", "the receiver answered %d", res.StatusCode)
	}
	return nil
}
