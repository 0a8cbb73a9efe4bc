package fhirapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"sync"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// turns lets conditional writes with one condition come one after the other, so that two clients that send the same
// create once.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// take waits for the turn of a condition and returns what gives it back.
func (t *turns) take(condition string) (release func()) {
	for {
		t.mu.Lock()
		if t.busy == nil {
			t.busy = map[string]chan struct{}{}
		}
		wait, taken := t.busy[condition]
		if !taken {
			done := make(chan struct{})
			t.busy[condition] = done
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, condition)
				t.mu.Unlock()
				close(done)
			}
		}
		t.mu.Unlock()
		<-wait
	}
}

// turnOf names a condition in one way, however its parameters are written and in whatever order they come.
func turnOf(typ, query string) string {
	if params, err := url.ParseQuery(query); err == nil {
		query = params.Encode()
	}
	return typ + "?" + query
}

// only returns the one record that a conditional search finds, nil when there is none.
func (d *door) only(r *http.Request, typ, query string) (*record.Record, error) {
	params, err := url.ParseQuery(query)
	if err != nil || len(params) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.condition", "the condition %s cannot be read: give search parameters, such as identifier=system|value", quote(query))
	}
	params.Set("_count", "2")
	page, err := d.cfg.Records.Search(r.Context(), typ, params)
	switch {
	case err != nil || len(page.Records) == 0:
		return nil, err
	case len(page.Records) > 1:
		return nil, httpError{http.StatusPreconditionFailed, "multiple-matches", "more than one " + typ + " matches the condition"}
	}
	return &page.Records[0], nil
}

// condition returns the search of a conditional request, without the parameters that concern its answer.
func condition(r *http.Request) string {
	q := r.URL.Query()
	q.Del("_format")
	q.Del("_pretty")
	return q.Encode()
}

// conditionalUpdate writes the one resource that the condition finds, or makes it (FHIR R4 3.1.0.4.3).
func (d *door) conditionalUpdate(r *http.Request, typ string) (answer, error) {
	cond := condition(r)
	defer d.turns.take(turnOf(typ, cond))()
	found, err := d.only(r, typ, cond)
	if err != nil {
		return answer{}, err
	}
	res, err := typed(r, typ)
	if err != nil {
		return answer{}, err
	}
	switch {
	case found == nil && res.ID() == "":
		return d.store(r, res)
	case found == nil:
		return d.put(r, res)
	case res.ID() != "" && res.ID() != found.ID:
		return answer{}, vigil.Errorf(vigil.Invalid, "fhir.update", "the condition finds %s, but the resource has the id %s", found.Ref(), quote(res.ID()))
	}
	return d.put(r, res.With("id", found.ID))
}

func (d *door) conditionalPatch(r *http.Request, typ string) (answer, error) {
	cond := condition(r)
	defer d.turns.take(turnOf(typ, cond))()
	found, err := d.only(r, typ, cond)
	if err != nil {
		return answer{}, err
	}
	if found == nil {
		return answer{}, vigil.Errorf(vigil.NotFound, "fhir.patch", "no %s matches the condition", typ)
	}
	return d.patch(r, typ, found.ID)
}

// conditionalDelete deletes the one resource that the condition finds; more than one is refused.
func (d *door) conditionalDelete(r *http.Request, typ string) (answer, error) {
	cond := condition(r)
	defer d.turns.take(turnOf(typ, cond))()
	found, err := d.only(r, typ, cond)
	if err != nil || found == nil {
		return answer{status: http.StatusNoContent}, err
	}
	return d.remove(r, typ, found.ID)
}

// store creates a resource under a fresh id.
func (d *door) store(r *http.Request, res fhir.Resource) (answer, error) {
	m := d.measurement(r.Context(), res)
	if m != nil && m.whole {
		if err := valid(fhir.Normal(res)); err != nil {
			return answer{}, err
		}
		return d.measured(r, m, http.StatusCreated), d.accept(r.Context(), []*measurement{m})
	}
	if err := d.checkSubscription(res); err != nil {
		return answer{}, err
	}
	rec, err := d.cfg.Records.Create(r.Context(), res)
	if err != nil {
		return answer{}, err
	}
	return d.written(r, http.StatusCreated, &rec), cmp.Or(d.claim(r.Context(), rec), d.feed(r.Context(), m))
}

// measurement is measurementOf for any resource.
func (d *door) measurement(ctx context.Context, res fhir.Resource) *measurement {
	if res.Type() != "Observation" {
		return nil
	}
	return d.measurementOf(ctx, res)
}

// feed tells rules and screens what a stored Observation says; nil for one that says nothing to them.
func (d *door) feed(ctx context.Context, m *measurement) error {
	if m == nil {
		return nil
	}
	m.mark()
	return d.accept(ctx, []*measurement{m})
}

// measuredBefore answers a conditional create of a measurement that telemetry has already.
func (d *door) measuredBefore(r *http.Request, typ, cond string) (a answer, done bool, err error) {
	params, err := url.ParseQuery(cond)
	if err != nil || len(params) == 0 || typ != "Observation" {
		return a, false, nil // the condition is judged with the records
	}
	params.Set("_count", "2")
	v, err := d.telemetrySearch(r.Context(), params, "")
	if err != nil || v == nil {
		return a, false, err
	}
	page, err := v.page(r.Context(), mark{})
	switch {
	case err != nil || len(page.items) == 0:
		return a, false, err
	case len(page.items) > 1:
		return a, true, httpError{http.StatusPreconditionFailed, "multiple-matches", "more than one Observation matches the condition"}
	}
	res := page.items[0].res
	return answer{status: http.StatusOK, resource: res, location: d.cfg.Base(r) + "/" + res.Ref()}, true, v.noteRead(r.Context(), page.items, "search")
}

// put writes a resource under its id.
func (d *door) put(r *http.Request, res fhir.Resource) (answer, error) {
	if err := writable(res.Type(), res.ID()); err != nil {
		return answer{}, err
	}
	match, err := ifMatch(r.Header.Get("If-Match"))
	if err != nil {
		return answer{}, err
	}
	if err := d.checkSubscription(res); err != nil {
		return answer{}, err
	}
	rec, err := d.cfg.Records.Update(r.Context(), res, match)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if rec.Version == 1 {
		status = http.StatusCreated
	}
	return d.written(r, status, &rec), cmp.Or(d.claim(r.Context(), rec), d.feed(r.Context(), d.measurement(r.Context(), res)))
}
