package fhirapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// place is where a page of stored and telemetry Observations ends: the stored page and how many of it were shown, and
// behind which Observation telemetry goes on. It names Observations by what they are sorted by, so that what arrives
// meanwhile moves nothing.
type place struct {
	Stored string `json:"s,omitempty"`
	Shown  int    `json:"n,omitempty"`
	Live   mark   `json:"l,omitzero"`
	Done   bool   `json:"d,omitempty"` // the stored ones are all shown
	Dry    bool   `json:"y,omitempty"` // telemetry is all shown
}

func readPlace(s string, o order) (p place, err error) {
	if s == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Shown < 0 || len(p.Live.Keys) > len(o) {
		return p, vigil.Errorf(vigil.Invalid, "fhir.search", "_cursor is not one that this server made for this search")
	}
	return p, nil
}

func (p place) first() bool {
	return p.Stored == "" && p.Shown == 0 && !p.Done && !p.Dry && p.Live.Keys == nil
}

// merged answers an Observation search from the records and from telemetry, in one order.
func (d *door) merged(r *http.Request, v *vitals, params url.Values) (answer, error) {
	at, err := readPlace(params.Get("_cursor"), v.order)
	if err != nil {
		return answer{}, err
	}
	ask := v.ofStored(params)
	if v.filter.Limit == 0 {
		return d.counted(r, v, params, ask)
	}
	first := at.first()
	stored, storedMore, err := d.storedItems(r.Context(), ask, &at, v)
	if err != nil {
		return answer{}, err
	}
	var live found
	if !at.Dry {
		if live, err = v.page(r.Context(), at.Live); err != nil {
			return answer{}, err
		}
	}
	shown, end := merge(stored, live, v, at)
	end.Done = !storedMore && end.storedLeft == 0
	end.Dry = !live.more && end.liveLeft == 0
	var next url.Values
	if !end.Done || !end.Dry {
		b, err := json.Marshal(end.place)
		if err != nil {
			return answer{}, err
		}
		next = maps.Clone(params)
		next["_cursor"] = []string{base64.RawURLEncoding.EncodeToString(b)}
	}
	b := d.searchset(r, pathOf("Observation", v.patient), params, next)
	switch {
	case first && next == nil:
		b["total"] = len(shown)
	case params.Get("_total") == "accurate":
		if b["total"], err = d.total(r.Context(), v, ask); err != nil {
			return answer{}, err
		}
	}
	entries, err := d.withIncludes(r, shown, params)
	if err != nil {
		return answer{}, err
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, v.noteRead(r.Context(), shown, "search")
}

// ofStored is the part of the search that the records answer.
func (v *vitals) ofStored(params url.Values) url.Values {
	ask := url.Values{}
	for k, val := range params {
		if name, _, _ := strings.Cut(k, ":"); !slices.Contains([]string{"_cursor", "_include", "_revinclude", "_total", "_summary"}, name) {
			ask[k] = val
		}
	}
	if params.Get("_sort") == "" {
		ask.Set("_sort", "-date")
	}
	return ask
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
		for i := drop; i < len(page.Records); i++ {
			it, err := v.order.stored(&page.Records[i])
			if err != nil {
				return nil, false, err
			}
			out = append(out, it)
		}
		drop = 0
		if len(out) >= v.filter.Limit || page.Next == nil {
			return out, page.Next != nil, nil
		}
	}
}

type mergeEnd struct {
	place
	storedLeft, liveLeft int
}

// merge takes the first items of both lists in order and says where the page ends. Where telemetry was not read to its
// end, nothing stored that may lie behind the rest of it is shown.
func merge(stored []item, live found, v *vitals, at place) ([]item, mergeEnd) {
	end := mergeEnd{place: at}
	var out []item
	list := live.items
	for len(out) < v.filter.Limit && len(stored)+len(list) > 0 {
		if len(stored) > 0 && len(list) == 0 && live.more && v.order.compare(stored[0].mark, live.upTo) > 0 {
			break
		}
		if len(stored) > 0 && (len(list) == 0 || v.order.compareKeys(stored[0].mark, list[0].mark) <= 0) {
			out, stored = append(out, stored[0]), stored[1:]
			end.Shown++
			continue
		}
		out, list, end.Live = append(out, list[0]), list[1:], list[0].mark
	}
	if len(list) == 0 && live.more {
		end.Live = live.upTo
	}
	end.storedLeft, end.liveLeft = len(stored), len(list)
	return out, end
}

// counted answers _summary=count: stored and telemetry together, exactly.
func (d *door) counted(r *http.Request, v *vitals, params, ask url.Values) (answer, error) {
	n, err := d.total(r.Context(), v, ask)
	if err != nil {
		return answer{}, err
	}
	b := d.searchset(r, pathOf("Observation", v.patient), params, nil).With("total", n)
	return answer{status: http.StatusOK, resource: b}, v.noteRead(r.Context(), nil, "count")
}

func (d *door) total(ctx context.Context, v *vitals, ask url.Values) (int, error) {
	only := maps.Clone(ask)
	for _, name := range []string{"_cursor", "_sort", "_elements", "_count"} {
		only.Del(name)
	}
	only.Set("_summary", "count")
	page, err := d.cfg.Records.SearchIn(ctx, v.patient, "Observation", only)
	if err != nil {
		return 0, err
	}
	n, err := v.tally(ctx)
	return n + max(page.Total, 0), err
}

// withIncludes adds what _include and _revinclude name, each once, as far as the principal may read it.
func (d *door) withIncludes(r *http.Request, shown []item, params url.Values) ([]fhir.Resource, error) {
	entries := make([]fhir.Resource, 0, len(shown))
	var recs []record.Record
	for i := range shown {
		it := &shown[i]
		if it.rec != nil {
			entries = append(entries, d.entry(r, it.rec.Ref(), fhir.Raw(it.rec.JSON), "match"))
		} else {
			entries = append(entries, d.entry(r, it.res.Ref(), it.res, "match"))
		}
	}
	if !includes(params) {
		return entries, nil
	}
	for i := range shown {
		it := &shown[i]
		if it.rec == nil {
			it.rec = &record.Record{Type: "Observation", ID: it.ID, JSON: fhir.Encode(it.res)}
		}
		recs = append(recs, *it.rec)
	}
	included, err := d.cfg.Records.Included(r.Context(), "Observation", params, recs)
	for i := range included {
		entries = append(entries, d.entry(r, included[i].Ref(), fhir.Raw(included[i].JSON), "include"))
	}
	return entries, err
}

func includes(params url.Values) bool {
	for k := range params {
		if name, _, _ := strings.Cut(k, ":"); name == "_include" || name == "_revinclude" {
			return true
		}
	}
	return false
}
