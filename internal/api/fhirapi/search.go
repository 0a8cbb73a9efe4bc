package fhirapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

func (d *door) search(r *http.Request, typ string, params url.Values) (answer, error) {
	if preference(r, "handling") == "lenient" {
		return d.lenient(r, typ, params)
	}
	return d.searchIn(r, typ, params, "")
}

// lenient leaves out the parameters that are not supported and says so in the answer.
func (d *door) lenient(r *http.Request, typ string, params url.Values) (answer, error) {
	known := cloned(params)
	var ignored []fhir.Resource
	for _, name := range record.UnknownParams(typ, params) {
		known.Del(name)
		ignored = append(ignored, fhir.Resource{"severity": "warning", "code": "not-supported", "diagnostics": "parameter " + quote(name) + " is not supported and was ignored"})
	}
	a, err := d.searchIn(r, typ, known, "")
	if err != nil || len(ignored) == 0 {
		return a, err
	}
	entries, _ := a.resource["entry"].([]fhir.Resource)
	a.resource["entry"] = append(entries, fhir.Resource{"resource": fhir.New("OperationOutcome", "").With("issue", ignored), "search": fhir.Resource{"mode": "outcome"}})
	return a, nil
}

// searchIn searches a type, within a patient's compartment when one is given.
func (d *door) searchIn(r *http.Request, typ string, params url.Values, patient string) (answer, error) {
	a, err := d.found(r, typ, params, patient)
	if err != nil {
		return a, err
	}
	return d.projected(r, a)
}

func (d *door) found(r *http.Request, typ string, params url.Values, patient string) (answer, error) {
	if typ == "AuditEvent" {
		return d.auditEvents(r, params)
	}
	if typ == "Observation" {
		v, err := d.telemetrySearch(r.Context(), params, patient)
		if err != nil {
			return answer{}, err
		}
		if v != nil {
			return d.merged(r, v, params)
		}
	}
	page, err := d.cfg.Records.SearchIn(r.Context(), patient, typ, params)
	if err != nil {
		return answer{}, err
	}
	b := d.searchset(r, pathOf(typ, patient), params, page.Next)
	if page.Total >= 0 {
		b["total"] = page.Total
	}
	var entries []fhir.Resource
	for i, list := range [][]record.Record{page.Records, page.Included} {
		for _, rec := range list {
			entries = append(entries, d.entry(r, rec.Ref(), fhir.Raw(rec.JSON), [...]string{"match", "include"}[i]))
		}
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, nil
}

// entry is one entry of a search result; res is a fhir.Resource or a fhir.Raw document.
func (d *door) entry(r *http.Request, ref string, res any, mode string) fhir.Resource {
	return fhir.Resource{"fullUrl": d.cfg.Base(r) + "/" + ref, "resource": res, "search": fhir.Resource{"mode": mode}}
}

func pathOf(typ, patient string) string {
	if patient != "" {
		return "/Patient/" + patient + "/" + typ
	}
	return "/" + typ
}

// searchset opens the Bundle of a search; path is that of the search below the door.
func (d *door) searchset(r *http.Request, path string, params, next url.Values) fhir.Resource {
	at := d.cfg.Base(r) + path
	links := []fhir.Resource{{"relation": "self", "url": at + query(params)}}
	if next != nil {
		links = append(links, fhir.Resource{"relation": "next", "url": at + query(next)})
	}
	return fhir.New("Bundle", "").With("type", "searchset").With("link", links)
}

func query(params url.Values) string {
	if len(params) == 0 {
		return ""
	}
	return "?" + params.Encode()
}

// place is where a page of stored and telemetry Observations ends: the stored page and how many of it were shown, the
// moment of telemetry and how many of that moment were shown.
type place struct {
	Stored string `json:"s,omitempty"`
	Shown  int    `json:"n,omitempty"`
	Time   int64  `json:"t,omitempty"`
	Skip   int    `json:"k,omitempty"`
	Done   bool   `json:"d,omitempty"` // the stored ones are all shown
	Dry    bool   `json:"y,omitempty"` // telemetry is all shown
}

func readPlace(s string) (p place, err error) {
	if s == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Shown < 0 || p.Skip < 0 {
		return p, vigil.Errorf(vigil.Invalid, "fhir.search", "_cursor is not one that this server made for this search")
	}
	return p, nil
}

// item is an Observation with its place in time, in Unix nanoseconds.
type item struct {
	key int64
	res fhir.Resource
}

// merged answers an Observation search of one subject from the records and from telemetry, in the order of time.
func (d *door) merged(r *http.Request, v *vitals, params url.Values) (answer, error) {
	sort := params.Get("_sort")
	if sort == "" {
		sort = "-date"
	}
	if !slices.Contains([]string{"date", "-date", "_lastUpdated", "-_lastUpdated"}, sort) {
		return answer{}, vigil.Errorf(vigil.Invalid, "fhir.search", "_sort: Observations of a subject are sorted by date or _lastUpdated")
	}
	v.asc = sort[0] != '-'
	at, err := readPlace(params.Get("_cursor"))
	if err != nil {
		return answer{}, err
	}
	ask := url.Values{}
	for k, val := range params {
		if name, _, _ := strings.Cut(k, ":"); name != "_cursor" && name != "_include" && name != "_revinclude" {
			ask[k] = val
		}
	}
	ask.Set("_sort", sort)
	if v.filter.Limit == 0 {
		return d.counted(r, v, params, ask)
	}
	first := at == place{}
	stored, storedMore, err := d.storedItems(r.Context(), ask, &at, v)
	if err != nil {
		return answer{}, err
	}
	live, liveMore, err := d.liveItems(r.Context(), v, at)
	if err != nil {
		return answer{}, err
	}
	shown, end := merge(stored, live, v.filter.Limit, v.asc, at)
	end.Done = !storedMore && end.storedLeft == 0
	end.Dry = !liveMore && end.liveLeft == 0
	var next url.Values
	if !end.Done || !end.Dry {
		next = url.Values{}
		for k, val := range params {
			next[k] = val
		}
		b, err := json.Marshal(end.place)
		if err != nil {
			return answer{}, err
		}
		next.Set("_cursor", base64.RawURLEncoding.EncodeToString(b))
	}
	b := d.searchset(r, pathOf("Observation", v.patient), params, next)
	if first && next == nil {
		b["total"] = len(shown)
	}
	entries, err := d.withIncludes(r, shown, params)
	if err != nil {
		return answer{}, err
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, d.noteVitals(r.Context(), v.subject, "search")
}

// storedItems reads at least a page of stored Observations behind the place, which it moves to the page it began with.
func (d *door) storedItems(ctx context.Context, ask url.Values, at *place, v *vitals) ([]item, bool, error) {
	var out []item
	if at.Done {
		return nil, false, nil
	}
	cursor, drop := at.Stored, at.Shown
	for {
		ask.Del("_cursor")
		if cursor != "" {
			ask.Set("_cursor", cursor)
		}
		page, err := d.cfg.Records.SearchIn(ctx, v.patient, "Observation", ask)
		if err != nil {
			return nil, false, err
		}
		cursor = page.Next.Get("_cursor")
		if drop >= len(page.Records) && page.Next != nil {
			drop -= len(page.Records)
			at.Stored, at.Shown = cursor, drop
			continue
		}
		for i, rec := range page.Records {
			if i < drop {
				continue
			}
			res, err := rec.Resource()
			if err != nil {
				return nil, false, err
			}
			out = append(out, item{storedKey(res, ask.Get("_sort")), res})
		}
		drop = 0
		if len(out) >= v.filter.Limit || page.Next == nil {
			return out, page.Next != nil, nil
		}
	}
}

// storedKey is when a stored Observation was, as the store sorts it: its latest start when newest come first, else its
// earliest.
func storedKey(res fhir.Resource, sort string) int64 {
	name := strings.TrimPrefix(sort, "-")
	key, found := int64(0), false
	if p, ok := fhir.SearchParam("Observation", name); ok {
		for _, val := range p.Values(res) {
			k := nanos(val.Low)
			if !found || (sort[0] == '-') == (k > key) {
				key, found = k, true
			}
		}
	}
	switch {
	case found:
		return key
	case sort[0] == '-':
		return math.MinInt64
	}
	return math.MaxInt64
}

func (d *door) liveItems(ctx context.Context, v *vitals, at place) ([]item, bool, error) {
	if at.Dry {
		return nil, false, nil
	}
	if at.Time != 0 {
		if v.asc {
			v.from = max(v.from, at.Time)
		} else {
			v.to = min(v.to, at.Time+1)
		}
	}
	found, more, err := v.collect(ctx, v.filter.Limit+at.Skip)
	out := make([]item, 0, len(found))
	skip := at.Skip
	for _, res := range found {
		k, _ := parseVitalID(res.ID())
		if skip > 0 && k.time == at.Time {
			skip--
			continue
		}
		out = append(out, item{k.time, res})
	}
	return out, more, err
}

type mergeEnd struct {
	place
	storedLeft, liveLeft int
}

// merge takes the first items of both lists in order of time and says where the page ends.
func merge(stored, live []item, limit int, asc bool, at place) ([]fhir.Resource, mergeEnd) {
	end := mergeEnd{place: at}
	var out []fhir.Resource
	for len(out) < limit && len(stored)+len(live) > 0 {
		takeStored := len(live) == 0
		if len(stored) > 0 && len(live) > 0 {
			takeStored = stored[0].key >= live[0].key
			if asc {
				takeStored = stored[0].key <= live[0].key
			}
		}
		if takeStored {
			out, stored = append(out, stored[0].res), stored[1:]
			end.Shown++
			continue
		}
		if live[0].key != end.Time {
			end.Time, end.Skip = live[0].key, 0
		}
		end.Skip++
		out, live = append(out, live[0].res), live[1:]
	}
	end.storedLeft, end.liveLeft = len(stored), len(live)
	return out, end
}

// counted answers _summary=count: stored and telemetry together, as far as it can be counted within bounds.
func (d *door) counted(r *http.Request, v *vitals, params, ask url.Values) (answer, error) {
	page, err := d.cfg.Records.SearchIn(r.Context(), v.patient, "Observation", ask)
	if err != nil {
		return answer{}, err
	}
	live, more, err := v.collect(r.Context(), maxSamples)
	if err != nil {
		return answer{}, err
	}
	b := d.searchset(r, pathOf("Observation", v.patient), params, nil)
	if !more && page.Total >= 0 {
		b["total"] = page.Total + len(live)
	}
	return answer{status: http.StatusOK, resource: b}, d.noteVitals(r.Context(), v.subject, "count")
}

// withIncludes adds what _include and _revinclude name, each once, as far as the principal may read it.
func (d *door) withIncludes(r *http.Request, shown []fhir.Resource, params url.Values) ([]fhir.Resource, error) {
	var entries []fhir.Resource
	recs := make([]record.Record, 0, len(shown))
	for _, res := range shown {
		entries = append(entries, d.entry(r, res.Ref(), res, "match"))
		recs = append(recs, record.Record{Type: res.Type(), ID: res.ID(), JSON: fhir.Encode(res)})
	}
	included, err := d.cfg.Records.Included(r.Context(), "Observation", params, recs)
	for i := range included {
		entries = append(entries, d.entry(r, included[i].Ref(), fhir.Raw(included[i].JSON), "include"))
	}
	return entries, err
}
