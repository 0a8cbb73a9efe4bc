package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/fhirapi"
	"github.com/vigil-health/vigil/internal/api/socketapi"
	"github.com/vigil-health/vigil/internal/driver/resthook"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/notify"
	"github.com/vigil-health/vigil/internal/engine/subscription"
)

// socketPath is where WebSockets of Subscriptions are bound.
const socketPath = "/fhir-socket"

// openSubscriptions builds the desk that tells other systems what happens.
func (e *Engines) openSubscriptions(cfg Config, mail notify.Channel) error {
	hook, err := resthook.New(cfg.Subscriptions.RestHook)
	if err != nil {
		return err
	}
	e.Socket = socketapi.New(time.Now, func(id string) { e.Subscriptions.Due(id) })
	channels := map[string]subscription.Channel{"rest-hook": hook, "websocket": e.Socket}
	if mail != nil {
		channels["email"] = mailbox{mail}
	}
	base := strings.TrimSuffix(cfg.Subscriptions.Base, "/")
	if base == "" {
		base = "http://" + cfg.HTTP + "/fhir"
	}
	e.Subscriptions = subscription.New(subscription.Config{
		Book: e.db.Subscriptions(), Records: e.Records, Changes: e.db.Records(), Telemetry: e.Telemetry, Observations: fhirapi.ObservationsOf,
		Channels: channels, Base: base, Now: time.Now, Log: e.logger,
		Principal: func(ctx context.Context, id string) (access.Principal, error) {
			if strings.HasPrefix(id, "client:") {
				return e.Accounts.ClientPrincipal(ctx, id)
			}
			acc, err := e.Accounts.Get(ctx, id)
			if vigil.KindOf(err) == vigil.NotFound || err == nil && acc.Disabled {
				return access.Principal{}, vigil.Errorf(vigil.Denied, "subscription.owner", "the account that wrote the Subscription may not sign in any more")
			}
			return acc.Principal(), err
		},
	})
	return nil
}

// mailbox tells by e-mail that something happened; what it was stays in the house.
type mailbox struct{ notify.Channel }

// Check implements subscription.Channel.
func (m mailbox) Check(to subscription.Target) error {
	if _, at, ok := strings.Cut(strings.TrimPrefix(to.Endpoint, "mailto:"), "@"); !ok || at == "" {
		return vigil.Errorf(vigil.Invalid, "subscription.mail", "channel.endpoint is no mail address, such as mailto:team@hospital.example")
	}
	return nil
}

// Send implements subscription.Channel.
func (m mailbox) Send(ctx context.Context, to subscription.Target, _ []byte) error {
	msg := notify.Message{ID: "subscription-" + newID(), Text: "Subscription " + to.Subscription + " has news.", Link: "/fhir/Subscription/" + to.Subscription + "/$events", Created: time.Now()}
	_, err := m.Channel.Send(ctx, msg, strings.TrimPrefix(to.Endpoint, "mailto:"))
	return err
}

// bindingToken lets a client bind a WebSocket, under the name by which it reached us.
func (d *doors) bindingToken(r *http.Request, id string) (token string, expires time.Time, at string, err error) {
	token, expires, err = d.engines.Socket.Token(id)
	scheme := "ws://"
	if r.TLS != nil {
		scheme = "wss://"
	}
	return token, expires, scheme + r.Host + socketPath, err
}
