package fhirapi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// maxEntries bounds a transaction or batch.
const maxEntries = 10_000

func (d *door) bundle(r *http.Request) (answer, error) {
	b, err := body(r)
	if err != nil {
		return answer{}, err
	}
	entries := b.List("entry")
	switch {
	case b.Type() != "Bundle":
		return answer{}, vigil.Errorf(vigil.Invalid, "fhir.bundle", "a Bundle of type transaction or batch is expected here, not %s", quote(b.Type()))
	case len(entries) > maxEntries:
		return answer{}, httpError{http.StatusRequestEntityTooLarge, "too-costly", "more than 10000 entries"}
	case b.Str("type") == "transaction":
		return d.transaction(r, entries)
	case b.Str("type") == "batch":
		return d.batch(r, entries)
	}
	return answer{}, vigil.Errorf(vigil.Invalid, "fhir.bundle", "Bundle.type must be transaction or batch")
}

// batch answers each entry as if it had come alone.
func (d *door) batch(r *http.Request, entries []fhir.Resource) (answer, error) {
	out := make([]fhir.Resource, 0, len(entries))
	var together []*measurement
	var places []int
	measured := d.measurementsIn(r, entries)
	for i, e := range entries {
		if m := measured[i]; m != nil {
			together, places = append(together, m), append(places, len(out))
			out = append(out, nil)
			continue
		}
		sub, err := d.subrequest(r, e)
		var a answer
		if err == nil {
			path, _, _ := strings.Cut(e.Str("request.url"), "?")
			if path = strings.Trim(path, "/"); path == "" {
				err = vigil.Errorf(vigil.Invalid, "fhir.batch", "request.url is missing")
			} else {
				a, err = d.route(sub, strings.Split(path, "/"))
			}
		}
		if err != nil {
			a = d.failure(r, err)
		}
		out = append(out, entryOf(a))
	}
	err := d.accept(r.Context(), together)
	for i, m := range together {
		a := d.created(r, m)
		if err != nil {
			a = d.failure(r, err)
		}
		out[places[i]] = entryOf(a)
	}
	return answer{status: http.StatusOK, resource: response("batch-response", out)}, nil
}

// measurementsIn reads the entries side by side, on the processors there are.
func (d *door) measurementsIn(r *http.Request, entries []fhir.Resource) []*measurement {
	out := make([]*measurement, len(entries))
	const share = 64
	workers := min(runtime.GOMAXPROCS(0), (len(entries)+share-1)/share)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for from := int(next.Add(share)) - share; from < len(entries); from = int(next.Add(share)) - share {
				for i := from; i < min(from+share, len(entries)); i++ {
					out[i] = d.measurementIn(r, entries[i])
				}
			}
		})
	}
	wg.Wait()
	return out
}

// measurementIn returns what a batch entry creates when telemetry keeps it as a whole: a bundle's measurements go on
// their way together. Nil for every other entry, and for one that is not valid.
func (d *door) measurementIn(r *http.Request, e fhir.Resource) *measurement {
	req := object(e["request"])
	if req["method"] != "POST" || req["url"] != "Observation" || req["ifNoneExist"] != nil {
		return nil
	}
	o, _ := e["resource"].(map[string]any)
	m := d.measurement(r.Context(), o)
	if m == nil || !m.whole || valid(o) != nil {
		return nil
	}
	return m
}

// created answers an entry with where its measurement is; the client knows what it says.
func (d *door) created(r *http.Request, m *measurement) answer {
	if preference(r, "return") == "representation" {
		return d.measured(r, m, http.StatusCreated)
	}
	id, _ := m.id()
	return answer{status: http.StatusCreated, location: d.cfg.Base(r) + "/Observation/" + id}
}

func response(typ string, entries []fhir.Resource) fhir.Resource {
	b := fhir.New("Bundle", "").With("type", typ)
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return b
}

func entryOf(a answer) fhir.Resource {
	resp := fhir.Resource{"status": strconv.Itoa(a.status) + " " + http.StatusText(a.status)}
	if a.location != "" {
		resp["location"] = a.location
	}
	if a.rec != nil {
		resp["etag"], resp["lastModified"] = etag(a.rec.Version), fhir.Instant(a.rec.Updated)
	}
	e := fhir.Resource{"response": resp}
	res := a.resource
	if a.json != nil {
		res, _ = fhir.Parse(a.json)
	}
	switch {
	case res == nil:
	case a.status >= 400:
		resp["outcome"] = res
	default:
		e["resource"] = res
	}
	return e
}

// subrequest makes the request that a batch entry stands for.
func (d *door) subrequest(r *http.Request, e fhir.Resource) (*http.Request, error) {
	u, err := url.Parse("/" + strings.TrimPrefix(e.Str("request.url"), "/"))
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.batch", "request.url cannot be read")
	}
	sub := r.Clone(r.Context())
	sub.Method, sub.URL, sub.Header, sub.Form, sub.PostForm = e.Str("request.method"), u, http.Header{}, nil, nil
	for key, header := range map[string]string{"ifMatch": "If-Match", "ifNoneMatch": "If-None-Match", "ifNoneExist": "If-None-Exist"} {
		if v := e.Str("request." + key); v != "" {
			sub.Header.Set(header, v)
		}
	}
	res, _ := e["resource"].(map[string]any)
	var text []byte
	if res != nil {
		text = fhir.Encode(res)
	}
	if media := fhir.Resource(res).Str("contentType"); sub.Method == http.MethodPatch && media != "" {
		if text, err = base64.StdEncoding.DecodeString(fhir.Resource(res).Str("data")); err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.batch", "the Binary with the patch holds no base64 data")
		}
		sub.Header.Set("Content-Type", media)
	}
	sub.ContentLength = int64(len(text))
	sub.Body = http.MaxBytesReader(nil, readCloser(text), maxBody)
	return sub, nil
}

// transaction stores all entries or none: ids are given first, then references are resolved, then all is written at once.
type transaction struct {
	d        *door
	r        *http.Request
	entries  []fhir.Resource
	out      []fhir.Resource
	ids      map[string]string // fullUrl, "Type/id" or "Type?query" → "Type/id"
	writes   []record.Write
	at       []int           // entry of each write
	referred map[string]bool // "Type/id" that entries refer to
}

func (d *door) transaction(r *http.Request, entries []fhir.Resource) (answer, error) {
	t := &transaction{d: d, r: r, entries: entries, out: make([]fhir.Resource, len(entries)), ids: map[string]string{}, referred: map[string]bool{}}
	for _, cond := range conditions(entries) {
		defer d.turns.take(cond)()
	}
	for i := range entries {
		if err := t.plan(i); err != nil {
			return answer{}, faultAt(i, err)
		}
	}
	for n, w := range t.writes {
		if w.Resource != nil {
			if err := t.resolve(w.Resource); err != nil {
				return answer{}, faultAt(t.at[n], err)
			}
		}
	}
	list, err := t.measure()
	if err != nil {
		return answer{}, err
	}
	for n, w := range t.writes {
		if err := d.checkSubscription(w.Resource); err != nil {
			return answer{}, faultAt(t.at[n], err)
		}
	}
	recs, err := d.cfg.Records.Batch(r.Context(), t.writes)
	if err != nil {
		return answer{}, err
	}
	if err := d.claim(r.Context(), recs...); err != nil {
		return answer{}, err
	}
	if err := d.accept(r.Context(), list); err != nil {
		return answer{}, err
	}
	for n := range recs {
		a := answer{status: http.StatusNoContent}
		if t.writes[n].Op != record.OpDelete {
			status := http.StatusOK
			if recs[n].Version == 1 {
				status = http.StatusCreated
			}
			a = d.written(r, status, &recs[n])
			a.json = nil
		}
		t.out[t.at[n]] = entryOf(a)
	}
	for i, e := range entries {
		if t.out[i] == nil {
			if t.out[i], err = t.get(e); err != nil {
				return answer{}, faultAt(i, err)
			}
		}
	}
	return answer{status: http.StatusOK, resource: response("transaction-response", t.out)}, nil
}

// measure takes the measurements out of what will be written. An Observation that another entry refers to stays a record,
// under the id that the reference got.
func (t *transaction) measure() (list []*measurement, err error) {
	var writes []record.Write
	var at []int
	for n, w := range t.writes {
		var m *measurement
		if w.Resource != nil {
			m = t.d.measurement(t.r.Context(), w.Resource)
		}
		if m == nil {
			writes, at = append(writes, w), append(at, t.at[n])
			continue
		}
		list = append(list, m)
		if w.Op != record.OpCreate || !m.whole || t.referred[w.Resource.Ref()] {
			m.mark()
			writes, at = append(writes, w), append(at, t.at[n])
			continue
		}
		if err := valid(w.Resource); err != nil {
			return nil, faultAt(t.at[n], err)
		}
		t.out[t.at[n]] = entryOf(t.d.created(t.r, m))
	}
	t.writes, t.at = writes, at
	return list, nil
}

// conditions returns what a transaction asks before it writes, each once and in one order for all, so that neither two
// transactions nor a write by itself can come between the question and the write.
func conditions(entries []fhir.Resource) []string {
	var out []string
	for _, e := range entries {
		typ, query, asks := strings.Cut(strings.Trim(e.Str("request.url"), "/"), "?")
		if none := e.Str("request.ifNoneExist"); none != "" {
			query, asks = strings.TrimPrefix(strings.TrimPrefix(none, typ), "?"), true
		}
		if method := e.Str("request.method"); asks && method != "GET" && method != "HEAD" {
			out = append(out, turnOf(typ, query))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func faultAt(i int, err error) error {
	place := fmt.Sprintf("Bundle.entry[%d]", i)
	if vigil.KindOf(err) != vigil.Invalid {
		return err
	}
	e := vigil.Errorf(vigil.Invalid, "fhir.transaction", "%s: %w", place, err)
	e.Faults = []vigil.Fault{{Path: place, Msg: vigil.Message(err)}}
	return e
}

// plan reads one entry and names what it will write.
func (t *transaction) plan(i int) error {
	e := t.entries[i]
	target, cond, conditional := strings.Cut(strings.Trim(e.Str("request.url"), "/"), "?")
	typ, id, _ := strings.Cut(target, "/")
	method := e.Str("request.method")
	if method == "GET" || method == "HEAD" {
		return nil
	}
	if !fhir.KnownType(typ) {
		return vigil.Errorf(vigil.Invalid, "fhir.transaction", "request.url %s names no resource type", quote(e.Str("request.url")))
	}
	match, err := ifMatch(e.Str("request.ifMatch"))
	if err != nil {
		return err
	}
	res, _ := e["resource"].(map[string]any)
	x := entry{i: i, typ: typ, id: id, res: res, match: match}
	if conditional {
		if x.found, err = t.d.only(t.r, typ, cond); err != nil {
			return err
		}
		x.conditional = true
	}
	var w *record.Write
	switch method {
	case "DELETE":
		w, err = t.planDelete(x)
	case "PUT":
		w, err = t.planPut(x)
	case "PATCH":
		w, err = t.planPatch(x)
	case "POST":
		w, err = t.planPost(x)
	default:
		err = vigil.Errorf(vigil.Invalid, "fhir.transaction", "request.method %s is not supported", quote(method))
	}
	if err != nil || w == nil {
		return err
	}
	if err := writable(typ, id); err != nil {
		return err
	}
	if full := e.Str("fullUrl"); full != "" && w.Resource != nil {
		t.ids[full] = w.Resource.Ref()
	}
	t.writes, t.at = append(t.writes, *w), append(t.at, i)
	return nil
}

// entry is one write of a transaction: found is what its condition names, nil when nothing does.
type entry struct {
	i           int
	typ, id     string
	res         fhir.Resource
	match       int64
	conditional bool
	found       *record.Record
}

func (x *entry) typed() error {
	if x.res == nil || x.res.Type() != x.typ {
		return vigil.Errorf(vigil.Invalid, "fhir.transaction", "the resource is missing or not of the type of request.url")
	}
	return nil
}

func (t *transaction) planDelete(x entry) (*record.Write, error) {
	if x.conditional {
		if x.found == nil {
			t.out[x.i] = entryOf(answer{status: http.StatusNoContent})
			return nil, nil
		}
		x.id = x.found.ID
	}
	return &record.Write{Op: record.OpDelete, Type: x.typ, ID: x.id, IfMatch: x.match}, nil
}

func (t *transaction) planPut(x entry) (*record.Write, error) {
	if err := x.typed(); err != nil {
		return nil, err
	}
	w := &record.Write{Op: record.OpUpdate, Resource: x.res, IfMatch: x.match}
	switch {
	case !x.conditional:
		return w, sameID(x.res, x.id)
	case x.found != nil && x.res.ID() != "" && x.res.ID() != x.found.ID:
		return nil, vigil.Errorf(vigil.Invalid, "fhir.transaction", "the condition finds %s, but the resource has the id %s", x.found.Ref(), quote(x.res.ID()))
	case x.found != nil:
		x.res["id"] = x.found.ID
	case x.res.ID() == "":
		x.res["id"] = t.d.cfg.Records.NewID()
		w.Op, w.KeepID = record.OpCreate, true
	}
	return w, nil
}

// planPatch applies a patch, which comes as a Binary with a JSON Patch or as FHIRPath Patch Parameters.
func (t *transaction) planPatch(x entry) (*record.Write, error) {
	apply, err := patchIn(t.r.Context(), x.res)
	if err != nil {
		return nil, err
	}
	if !x.conditional {
		rec, err := t.d.cfg.Records.Read(t.r.Context(), x.typ, x.id)
		if err != nil {
			return nil, err
		}
		x.found = &rec
	}
	if x.found == nil {
		return nil, vigil.Errorf(vigil.NotFound, "fhir.transaction", "no %s matches the condition", x.typ)
	}
	next, err := patched(x.found, apply)
	if err != nil {
		return nil, err
	}
	if x.match != 0 && x.match != x.found.Version {
		return nil, vigil.Errorf(vigil.Conflict, "fhir.transaction", "%s is at version %d, not %d", x.found.Ref(), x.found.Version, x.match)
	}
	return &record.Write{Op: record.OpUpdate, Resource: next, IfMatch: x.found.Version}, nil
}

func (t *transaction) planPost(x entry) (*record.Write, error) {
	if err := x.typed(); err != nil {
		return nil, err
	}
	e := t.entries[x.i]
	if cond := e.Str("request.ifNoneExist"); cond != "" {
		found, err := t.d.only(t.r, x.typ, strings.TrimPrefix(strings.TrimPrefix(cond, x.typ), "?"))
		if err != nil {
			return nil, err
		}
		if found != nil {
			t.ids[e.Str("fullUrl")] = found.Ref()
			a := t.d.written(t.r, http.StatusOK, found)
			a.json = nil
			t.out[x.i] = entryOf(a)
			return nil, nil
		}
	}
	x.res["id"] = t.d.cfg.Records.NewID()
	return &record.Write{Op: record.OpCreate, Resource: x.res, KeepID: true}, nil
}

// resolve rewrites every reference that names another entry, or one resource by a search ("Patient?identifier=…").
func (t *transaction) resolve(v any) error {
	switch x := v.(type) {
	case fhir.Resource:
		return t.resolve(map[string]any(x))
	case map[string]any:
		for k, item := range x {
			s, ok := item.(string)
			if !ok || k != "reference" && k != "url" && k != "uri" {
				if err := t.resolve(item); err != nil {
					return err
				}
				continue
			}
			to, err := t.target(s, k == "reference")
			if err != nil {
				return err
			}
			x[k] = to
		}
	case []any:
		for _, item := range x {
			if err := t.resolve(item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *transaction) target(s string, conditional bool) (string, error) {
	if to, ok := t.ids[s]; ok {
		t.referred[to] = true
		return to, nil
	}
	typ, query, ok := strings.Cut(s, "?")
	if !ok || !conditional || !fhir.KnownType(typ) {
		return s, nil
	}
	found, err := t.d.only(t.r, typ, query)
	if err != nil {
		return s, err
	}
	if found == nil {
		return s, vigil.Errorf(vigil.Invalid, "fhir.transaction", "no %s matches the reference %s", typ, quote(s))
	}
	t.ids[s] = found.Ref()
	return found.Ref(), nil
}

// get answers the reads of a transaction, after its writes.
func (t *transaction) get(e fhir.Resource) (fhir.Resource, error) {
	sub, err := t.d.subrequest(t.r, e)
	if err != nil {
		return nil, err
	}
	path, _, _ := strings.Cut(e.Str("request.url"), "?")
	a, err := t.d.route(sub, strings.Split(strings.Trim(path, "/"), "/"))
	if err != nil {
		return nil, err
	}
	return entryOf(a), nil
}
