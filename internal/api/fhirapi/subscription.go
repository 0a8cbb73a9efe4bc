package fhirapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Subscriptions is the desk that tells other systems what happens: subscription.Desk, whose documentation holds.
type Subscriptions interface {
	Check(r fhir.Resource) error
	Claim(ctx context.Context, id string) error
	Status(ctx context.Context, id string) (fhir.Resource, error)
	Events(ctx context.Context, id string, first, last int64) (fhir.Resource, error)
	// Mine returns nil when the principal of ctx owns the Subscription, else Denied.
	Mine(ctx context.Context, id string) error
}

const backport = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-"

// checkSubscription refuses a Subscription that could not be served, while its author is there to hear why.
func (d *door) checkSubscription(res fhir.Resource) error {
	if d.cfg.Subscriptions == nil || res.Type() != "Subscription" {
		return nil
	}
	return d.cfg.Subscriptions.Check(res)
}

// claim makes the author of written Subscriptions their owner.
func (d *door) claim(ctx context.Context, recs ...record.Record) error {
	if d.cfg.Subscriptions == nil {
		return nil
	}
	for i := range recs {
		if recs[i].Type == "Subscription" && !recs[i].Deleted {
			if err := d.cfg.Subscriptions.Claim(ctx, recs[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func noSubscriptions() error {
	return httpError{http.StatusNotImplemented, "not-supported", "Subscriptions are not served here"}
}

func (d *door) subscriptionStatus(r *http.Request, c call) (answer, error) {
	if d.cfg.Subscriptions == nil {
		return answer{}, noSubscriptions()
	}
	res, err := d.cfg.Subscriptions.Status(r.Context(), c.id)
	if err != nil {
		return answer{}, err
	}
	b := fhir.New("Bundle", "").With("type", "searchset").With("total", 1).
		With("entry", []fhir.Resource{{"fullUrl": "urn:uuid:" + res.ID(), "resource": res, "search": fhir.Resource{"mode": "match"}}})
	return answer{status: http.StatusOK, resource: b}, nil
}

func (d *door) subscriptionEvents(r *http.Request, c call) (answer, error) {
	if d.cfg.Subscriptions == nil {
		return answer{}, noSubscriptions()
	}
	var bounds [2]int64
	for i, name := range []string{"eventsSinceNumber", "eventsUntilNumber"} {
		s := c.text(name)
		if s == "" {
			continue
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return answer{}, vigil.Errorf(vigil.Invalid, "fhir.events", "%s %s is no number of an event", name, quote(s))
		}
		bounds[i] = n
	}
	res, err := d.cfg.Subscriptions.Events(r.Context(), c.id, bounds[0], bounds[1])
	return answer{status: http.StatusOK, resource: res}, err
}

func (d *door) bindingToken(r *http.Request, c call) (answer, error) {
	if d.cfg.Subscriptions == nil || d.cfg.BindingToken == nil {
		return answer{}, noSubscriptions()
	}
	if err := d.cfg.Subscriptions.Mine(r.Context(), c.id); err != nil {
		return answer{}, err
	}
	token, expires, at, err := d.cfg.BindingToken(r, c.id)
	if err != nil {
		return answer{}, err
	}
	return returned(
		fhir.Resource{"name": "token", "valueString": token}, fhir.Resource{"name": "expiration", "valueDateTime": expires.UTC().Format(time.RFC3339)},
		fhir.Resource{"name": "subscription", "valueString": c.id}, fhir.Resource{"name": "websocket-url", "valueUrl": at},
	), nil
}

// ObservationsOf returns the Observations that the door makes of a report's numbers. What a stored Observation says is
// left out: the record itself tells it.
func ObservationsOf(r *vigil.Report) []fhir.Resource {
	if hidden(r.Device) || len(r.Samples) == 0 || r.Subject == "" {
		return nil
	}
	return Observations(r.Subject, linesOf(r))
}
