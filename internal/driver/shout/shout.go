// Package shout sends messages to chat rooms and services of many kinds, Slack and Teams among them, through shoutrrr.
//
// It is a notify.Channel and nothing else: order, retries and receipts are engine/notify's. Services are configured by name as
// shoutrrr addresses, which hold secrets and are never shown. Start at Channel.
package shout

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// Config is the site's services.
type Config struct {
	Services map[string]string // name → shoutrrr address
	Link     string            // address of the user interface, put before a message's link
}

// Channel sends to the service that the route names.
type Channel struct {
	link    string
	senders map[string]*router.ServiceRouter
}

// New returns a channel. It returns Invalid with the service's name, never its address, when one cannot be used.
func New(cfg Config) (*Channel, error) {
	c := &Channel{link: strings.TrimSuffix(cfg.Link, "/"), senders: map[string]*router.ServiceRouter{}}
	for _, name := range slices.Sorted(maps.Keys(cfg.Services)) {
		s, err := router.New(nil, cfg.Services[name])
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "shout.new", "chat.services.%s is no address that shoutrrr knows; see docs/guide/notifications.md", name)
		}
		c.senders[name] = s
	}
	return c, nil
}

// Send implements notify.Channel: the service took the message (Sent). An unknown service is Invalid.
func (c *Channel) Send(ctx context.Context, m notify.Message, to string) (notify.State, error) {
	s := c.senders[to]
	if s == nil {
		return notify.Failed, vigil.Errorf(vigil.Invalid, "shout.send", "no chat service is called %q", to)
	}
	done := make(chan error, 1)
	go func() { // the library takes no context; what it does after ours has ended changes nothing
		for _, err := range s.Send(m.Text+"\n"+c.link+m.Link, &types.Params{}) {
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil { // its text may hold the address
			return notify.Failed, vigil.Errorf(vigil.Unavailable, "shout.send", "the chat service %q did not take the message", to)
		}
		return notify.Sent, nil
	case <-ctx.Done():
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "shout.send", "the chat service %q does not answer", to)
	}
}
