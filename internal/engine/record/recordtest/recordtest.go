// Package recordtest is the examination of record.Backend: every driver passes Run.
//
// It is not a test of the store above the backend (see package record). Start at Run.
package recordtest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Run examines the backends that open returns; each call opens an empty one, which lives until its test ends.
func Run(t *testing.T, open func(t *testing.T) record.Backend) {
	cases := []struct {
		name string
		fn   func(t *testing.T, b record.Backend)
	}{
		{"Empty", empty}, {"Versions", versions}, {"History", history}, {"Conflict", conflict}, {"AllOrNothing", allOrNothing}, {"SeqRises", seqRises},
		{"UpdateReplacesRows", updateReplacesRows}, {"DeleteRemovesRows", deleteRemovesRows}, {"Patient", patient}, {"KeysetPages", keysetPages},
		{"FilterAgrees", filterAgrees}, {"Reindex", reindex}, {"BroadClauses", broadClauses}, {"Chains", chains}, {"Content", content}, {"NewestFirst", newestFirst},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.fn(t, open(t)) })
	}
}

func at(n int64) time.Time { return time.Date(2026, 3, 1, 0, 0, int(n), 0, time.UTC) }

func change(typ, id string, version int64, patients []string, values ...fhir.Value) record.Change {
	return record.Change{Was: version - 1, Values: values, Record: record.Record{Type: typ, ID: id, Version: version, Updated: at(version),
		JSON: fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"v":%d}`, typ, id, version), Patients: patients}}
}

func apply(t *testing.T, b record.Backend, changes ...record.Change) {
	t.Helper()
	if err := b.Apply(t.Context(), changes, nil); err != nil {
		t.Fatal(err)
	}
}

func token(code string) fhir.Value {
	return fhir.Value{Param: "Observation.code", Kind: fhir.ParamToken, System: "urn:s", Code: code}
}

func find(t *testing.T, b record.Backend, q record.Query) []string {
	t.Helper()
	found, err := b.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, r := range found.Records {
		ids = append(ids, r.ID)
	}
	return ids
}

func byCode(code string) record.Query {
	m := record.Match{Op: record.OpEq, Value: token(code)}
	return record.Query{Type: "Observation", Limit: 100, Where: []record.Clause{{Param: "Observation.code", Kind: fhir.ParamToken, Any: []record.Match{m}}}}
}

func want(t *testing.T, got []string, ids ...string) {
	t.Helper()
	slices.Sort(got)
	if !slices.Equal(got, ids) && len(got)+len(ids) > 0 {
		t.Errorf("found %v, want %v", got, ids)
	}
}

func empty(t *testing.T, b record.Backend) {
	if _, err := b.Current(t.Context(), "Patient", "x"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("current: %v", err)
	}
	if all, err := b.History(t.Context(), record.HistoryQuery{Type: "Patient", ID: "x"}); err != nil || len(all) != 0 {
		t.Errorf("history: %v, %v", all, err)
	}
	if n, err := b.Last(t.Context()); n != 0 || err != nil {
		t.Errorf("last: %d, %v", n, err)
	}
	want(t, find(t, b, byCode("a")))
}

func versions(t *testing.T, b record.Backend) {
	one, two := change("Patient", "x", 1, []string{"x"}), change("Patient", "x", 2, []string{"x"})
	apply(t, b, one)
	apply(t, b, two)
	cur, err := b.Current(t.Context(), "Patient", "x")
	if err != nil || cur.Version != 2 || string(cur.JSON) != string(two.Record.JSON) || !cur.Updated.Equal(at(2)) || !slices.Equal(cur.Patients, []string{"x"}) {
		t.Errorf("current: %+v, %v", cur, err)
	}
	old, err := b.Version(t.Context(), "Patient", "x", 1)
	if err != nil || string(old.JSON) != string(one.Record.JSON) {
		t.Errorf("version 1: %+v, %v", old, err)
	}
	if _, err := b.Version(t.Context(), "Patient", "x", 3); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("version 3: %v", err)
	}
	all, err := b.History(t.Context(), record.HistoryQuery{Type: "Patient", ID: "x"})
	if err != nil || len(all) != 2 || all[0].Version != 2 || all[0].Type != "Patient" {
		t.Errorf("history: %+v, %v", all, err)
	}
	if _, err := b.Current(t.Context(), "Device", "x"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("same id, other type: %v", err)
	}
}

func history(t *testing.T, b record.Backend) {
	apply(t, b, change("Patient", "x", 1, []string{"x"}), change("Device", "d", 1, nil))
	apply(t, b, change("Patient", "x", 2, []string{"x"}))
	apply(t, b, change("Patient", "y", 1, []string{"y"}))
	gone := change("Patient", "x", 3, []string{"x"})
	gone.Record.Deleted = true
	apply(t, b, gone)
	for name, c := range map[string]struct {
		q    record.HistoryQuery
		want []string
	}{
		"Everything": {record.HistoryQuery{}, []string{"Patient/x 3", "Patient/y 1", "Patient/x 2", "Device/d 1", "Patient/x 1"}},
		"Type":       {record.HistoryQuery{Type: "Patient"}, []string{"Patient/x 3", "Patient/y 1", "Patient/x 2", "Patient/x 1"}},
		"NoSuchType": {record.HistoryQuery{Type: "Group"}, nil},
		"One":        {record.HistoryQuery{Type: "Patient", ID: "x"}, []string{"Patient/x 3", "Patient/x 2", "Patient/x 1"}},
		"Limit":      {record.HistoryQuery{Type: "Patient", Limit: 2}, []string{"Patient/x 3", "Patient/y 1"}},
		"After":      {record.HistoryQuery{Type: "Patient", After: 4}, []string{"Patient/x 2", "Patient/x 1"}},
		"Since":      {record.HistoryQuery{Since: at(2)}, []string{"Patient/x 3", "Patient/x 2"}},
		"At":         {record.HistoryQuery{Type: "Patient", ID: "x", From: at(2), To: at(3)}, []string{"Patient/x 2"}},
		"Patient":    {record.HistoryQuery{Patient: "y"}, []string{"Patient/y 1"}},
	} {
		all, err := b.History(t.Context(), c.q)
		var got []string
		for _, r := range all {
			got = append(got, fmt.Sprint(r.Ref(), " ", r.Version))
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}

func conflict(t *testing.T, b record.Backend) {
	apply(t, b, change("Patient", "x", 1, nil))
	for name, c := range map[string]record.Change{"SecondCreate": change("Patient", "x", 1, nil), "Skipped": change("Patient", "x", 3, nil), "UpdateOfNothing": change("Patient", "y", 2, nil)} {
		if err := b.Apply(t.Context(), []record.Change{c}, nil); vigil.KindOf(err) != vigil.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func allOrNothing(t *testing.T, b record.Backend) {
	err := b.Apply(t.Context(), []record.Change{change("Observation", "a", 1, nil, token("a")), change("Observation", "b", 2, nil)}, []audit.Record{{Entry: audit.Entry{Action: "x"}}})
	if vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("%v", err)
	}
	if _, err := b.Current(t.Context(), "Observation", "a"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("the first change stayed: %v", err)
	}
	want(t, find(t, b, byCode("a")))
	apply(t, b, change("Observation", "a", 1, nil, token("a"))) // names given in the failed transaction are given again
	want(t, find(t, b, byCode("a")), "a")
}

func seqRises(t *testing.T, b record.Backend) {
	var mu sync.Mutex
	var seqs []int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			cs := []record.Change{change("Patient", fmt.Sprint("a", i), 1, nil), change("Patient", fmt.Sprint("b", i), 1, nil)}
			if err := b.Apply(t.Context(), cs, nil); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seqs = append(seqs, cs[0].Record.Seq, cs[1].Record.Seq)
			if cs[0].Record.Seq+1 != cs[1].Record.Seq {
				t.Errorf("%d, %d: not side by side", cs[0].Record.Seq, cs[1].Record.Seq)
			}
		})
	}
	wg.Wait()
	slices.Sort(seqs)
	last, err := b.Last(t.Context())
	if err != nil || len(slices.Compact(seqs)) != 100 || seqs[99] != last || seqs[99]-seqs[0] != 99 {
		t.Errorf("%d numbers, last %d, %v", len(seqs), last, err)
	}
}

func updateReplacesRows(t *testing.T, b record.Backend) {
	apply(t, b, change("Observation", "o", 1, nil, token("a"), token("b"), token("b")))
	want(t, find(t, b, byCode("b")), "o")
	apply(t, b, change("Observation", "o", 2, nil, token("b"), token("c")))
	want(t, find(t, b, byCode("a")))
	want(t, find(t, b, byCode("b")), "o")
	want(t, find(t, b, byCode("c")), "o")
}

func deleteRemovesRows(t *testing.T, b record.Backend) {
	apply(t, b, change("Observation", "o", 1, []string{"sara"}, token("a")))
	gone := change("Observation", "o", 2, []string{"sara"})
	gone.Record.Deleted = true
	apply(t, b, gone)
	want(t, find(t, b, byCode("a")))
	want(t, find(t, b, record.Query{Type: "Observation", Limit: 10}))
	if cur, err := b.Current(t.Context(), "Observation", "o"); err != nil || !cur.Deleted || cur.Version != 2 {
		t.Errorf("current: %+v, %v", cur, err)
	}
}

func patient(t *testing.T, b record.Backend) {
	apply(t, b, change("Observation", "s1", 1, []string{"sara"}, token("a")), change("Observation", "k1", 1, []string{"kim"}, token("a")), change("Observation", "both", 1, []string{"kim", "sara"}, token("b")))
	q := byCode("a")
	q.Patient = "sara"
	want(t, find(t, b, q), "s1")
	want(t, find(t, b, record.Query{Type: "Observation", Patient: "sara", Limit: 10}), "both", "s1")
	apply(t, b, change("Observation", "both", 2, []string{"kim"}, token("b")))
	want(t, find(t, b, record.Query{Type: "Observation", Patient: "sara", Limit: 10}), "s1")
}

func keysetPages(t *testing.T, b record.Backend) {
	date := func(n int64) fhir.Value {
		return fhir.Value{Param: "Observation.date", Kind: fhir.ParamDate, Low: n * 10, High: n*10 + 5}
	}
	for i := range int64(20) {
		c := change("Observation", fmt.Sprintf("o%02d", i), 1, nil, token("a"), date(i/3))
		if i == 7 {
			c.Values = c.Values[:1] // no date: comes last both ways
		}
		apply(t, b, c)
	}
	for _, desc := range []bool{false, true} {
		q := byCode("a")
		q.Sort, q.Limit, q.Total = []record.Sort{{Param: "Observation.date", Kind: fhir.ParamDate, Desc: desc}}, 3, -1
		var got []string
		for {
			found, err := b.Find(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if found.Total != 20 {
				t.Errorf("total %d", found.Total)
			}
			for _, r := range found.Records {
				got = append(got, r.ID)
			}
			if len(got) == 3 { // an insert before the cursor repeats nothing
				id := map[bool]string{false: "early", true: "late"}[desc]
				apply(t, b, change("Observation", id, 1, nil, token("z"), date(map[bool]int64{false: -1, true: 99}[desc])))
			}
			if q.After = found.Cursor; q.After == nil {
				break
			}
		}
		if len(got) != 20 || got[19] != "o07" {
			t.Errorf("desc %v: %v", desc, got)
		}
	}
}

// chains follows references forth and back, to what few and what many resources satisfy.
func chains(t *testing.T, b record.Backend) {
	name := func(n string) fhir.Value { return fhir.Value{Param: "Patient.family", Kind: fhir.ParamString, Text: n} }
	to := func(id string) fhir.Value {
		return fhir.Value{Param: "Observation.subject", Kind: fhir.ParamReference, Type: "Patient", ID: id}
	}
	apply(t, b, change("Patient", "p1", 1, []string{"p1"}, name("Okafor")), change("Patient", "p2", 1, []string{"p2"}, name("Kim")),
		change("Observation", "o1", 1, []string{"p1"}, token("a"), to("p1")), change("Observation", "o2", 1, []string{"p2"}, token("b"), to("p2")),
		change("Observation", "o3", 1, []string{"p2"}, token("a"), to("p2")))
	named := []record.Clause{{Param: "Patient.family", Kind: fhir.ParamString, Any: []record.Match{{Op: record.OpStarts, Value: fhir.Value{Kind: fhir.ParamString, Text: "kim"}}}}}
	led := record.Clause{Param: "Observation.subject", Kind: fhir.ParamReference, Chain: []record.Scope{{Type: "Patient", Where: named}}}
	want(t, find(t, b, record.Query{Type: "Observation", Limit: 10, Where: []record.Clause{led}}), "o2", "o3")
	want(t, find(t, b, record.Query{Type: "Observation", Limit: 10, Where: append(byCode("a").Where, led)}), "o3")
	has := func(code, patient string) record.Clause {
		return record.Clause{Has: &record.Has{Param: "Observation.subject", Scope: record.Scope{Type: "Observation", Patient: patient, Where: byCode(code).Where}}}
	}
	want(t, find(t, b, record.Query{Type: "Patient", Limit: 10, Where: []record.Clause{has("b", "")}}), "p2")
	want(t, find(t, b, record.Query{Type: "Patient", Limit: 10, Where: []record.Clause{has("a", "p2")}}), "p2")
	want(t, find(t, b, record.Query{Type: "Patient", Limit: 10, Where: append(named, has("a", ""))}), "p2")
	want(t, find(t, b, record.Query{Type: "Patient", Limit: 10, Where: []record.Clause{{Or: []record.Clause{has("b", ""), named[0]}, Not: true}}}), "p1")
}

// broadClauses asks for values that thousands of resources have, beside another clause and in every order.
func broadClauses(t *testing.T, b record.Backend) {
	const n = 2600
	var changes []record.Change
	for i := range n {
		v := fhir.Value{Param: "Observation.value-quantity", Kind: fhir.ParamQuantity, Min: float64(i), Max: float64(i), System: "u", Code: "kg"}
		date := fhir.Value{Param: "Observation.date", Kind: fhir.ParamDate, Low: int64(i * 7 % n), High: int64(i*7%n) + 1}
		changes = append(changes, change("Observation", fmt.Sprintf("o%04d", i), 1, nil, token([]string{"a", "b"}[i%2]), v, date))
	}
	apply(t, b, changes...)
	over := record.Clause{Param: "Observation.value-quantity", Kind: fhir.ParamQuantity, Any: []record.Match{{Op: record.OpGt, HasSystem: true, Value: fhir.Value{Kind: fhir.ParamQuantity, Min: 299.5, Max: 300.5, System: "u", Code: "kg"}}}}
	other := over
	other.Any = []record.Match{{Op: record.OpGt, HasSystem: true, Value: fhir.Value{Kind: fhir.ParamQuantity, Min: 299.5, Max: 300.5, System: "else", Code: "kg"}}}
	for name, c := range map[string]struct {
		where []record.Clause
		want  int
	}{"WithCode": {append(byCode("a").Where, over), 1149}, "Alone": {[]record.Clause{over}, 2299}, "OtherSystem": {append(byCode("a").Where, other), 0}} {
		for _, sort := range [][]record.Sort{nil, {{Param: "Observation.date", Kind: fhir.ParamDate, Desc: true}}} {
			q := record.Query{Type: "Observation", Where: c.where, Sort: sort, Limit: 400, Total: -1}
			seen := map[string]bool{}
			for {
				found, err := b.Find(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if found.Total != c.want {
					t.Errorf("%s: total %d, want %d", name, found.Total, c.want)
				}
				for _, r := range found.Records {
					seen[r.ID] = true
				}
				if q.After = found.Cursor; q.After == nil {
					break
				}
			}
			if len(seen) != c.want {
				t.Errorf("%s sorted %v: %d resources, want %d", name, sort != nil, len(seen), c.want)
			}
		}
	}
}

// newestFirst asks for the newest of a type of everybody, page by page: dates are shared, doubled and absent, and some
// clauses leave many, some few.
func newestFirst(t *testing.T, b record.Backend) {
	const n = 3000
	type dated struct {
		id   string
		at   int64
		unit string
		code string
		nth  int
	}
	var all []dated
	var changes []record.Change
	for i := range n {
		d := dated{id: fmt.Sprintf("o%04d", i), at: int64(i * 37 % 700), unit: []string{"icu", "ward", "er"}[i%3], code: []string{"a", "a", "a", "b"}[i%4], nth: i}
		if i%7 == 0 {
			d.code = "c"
		}
		values := []fhir.Value{token(d.code), {Param: "Observation.subject", Kind: fhir.ParamReference, Type: "Location", ID: d.unit}}
		date := func(at, span int64) fhir.Value {
			return fhir.Value{Param: "Observation.date", Kind: fhir.ParamDate, Low: at, High: at + span}
		}
		switch {
		case i%50 == 0:
			d.at = -1 // none
		case i%7 == 0:
			values = append(values, date(d.at, 1), date(d.at-300, 9), date(d.at, 4))
		default:
			values = append(values, date(d.at, 1))
		}
		all, changes = append(all, d), append(changes, change("Observation", d.id, 1, nil, values...))
	}
	apply(t, b, changes...)
	slices.SortStableFunc(all, func(x, y dated) int { return cmp.Or(cmp.Compare(y.at, x.at), cmp.Compare(x.nth, y.nth)) })
	in := func(id string) record.Clause {
		return record.Clause{Param: "Observation.subject", Kind: fhir.ParamReference, Any: []record.Match{{Op: record.OpEq, Value: fhir.Value{Kind: fhir.ParamReference, Type: "Location", ID: id}}}}
	}
	when := func(op record.Op, at int64) record.Clause {
		return record.Clause{Param: "Observation.date", Kind: fhir.ParamDate, Any: []record.Match{{Op: op, Value: fhir.Value{Kind: fhir.ParamDate, Low: at, High: at + 1}}}}
	}
	not := func(c record.Clause) record.Clause {
		c.Not = true
		return c
	}
	for name, c := range map[string]struct {
		where []record.Clause
		keep  func(dated) bool
	}{
		"All":     {nil, func(dated) bool { return true }},
		"Code":    {byCode("a").Where, func(d dated) bool { return d.code == "a" }},
		"Two":     {append(byCode("b").Where, in("ward")), func(d dated) bool { return d.code == "b" && d.unit == "ward" }},
		"Nothing": {append(byCode("a").Where, in("lab")), func(dated) bool { return false }},
		"Before":  {append(byCode("a").Where, when(record.OpLt, 350)), func(d dated) bool { return d.code == "a" && d.at >= 0 && d.at < 350 }},
		"From":    {append(byCode("a").Where, when(record.OpGe, 350)), func(d dated) bool { return d.code == "a" && d.at >= 350 }},
		"On":      {append(byCode("a").Where, when(record.OpEq, 350)), func(d dated) bool { return d.code == "a" && d.at == 350 }},
		"NotIn":   {append(byCode("a").Where, not(in("icu"))), func(d dated) bool { return d.code == "a" && d.unit != "icu" }},
	} {
		var want []string
		for _, d := range all {
			if c.keep(d) {
				want = append(want, d.id)
			}
		}
		if got := paged(t, b, c.where, len(want)); !slices.Equal(got, want) {
			t.Errorf("%s: %d resources, want %d, in another order: %.100v, want %.100v", name, len(got), len(want), got, want)
		}
	}
}

// paged reads a search of the newest first to its end, by pages that each count total.
func paged(t *testing.T, b record.Backend, where []record.Clause, total int) (ids []string) {
	t.Helper()
	q := record.Query{Type: "Observation", Where: where, Sort: []record.Sort{{Param: "Observation.date", Kind: fhir.ParamDate, Desc: true}}, Limit: 90, Total: -1}
	for {
		found, err := b.Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if found.Total != total {
			t.Errorf("total %d, want %d", found.Total, total)
		}
		for _, r := range found.Records {
			ids = append(ids, r.ID)
		}
		if q.After = found.Cursor; q.After == nil || len(ids) > 10_000 {
			return ids
		}
	}
}

// content holds that a text is found in the newest version of a resource itself, whatever its letters' case.
func content(t *testing.T, b record.Backend) {
	text := func(id string, version int64, text string) record.Change {
		c := change("Observation", id, version, []string{"sara"}, token("a"))
		c.Record.JSON = fmt.Appendf(nil, `{"resourceType":"Observation","id":%q,"note":[{"text":%q}]}`, id, text)
		return c
	}
	apply(t, b, text("o1", 1, "Patient was RESTLESS"), text("o2", 1, "resting"), text("o3", 1, "restless"))
	apply(t, b, text("o3", 2, "asleep"))
	look := func(words ...string) (c record.Clause) {
		for _, w := range words {
			c.All = append(c.All, record.Clause{Param: record.ParamContent, Kind: fhir.ParamString, Any: []record.Match{{Op: record.OpContains, Value: fhir.Value{Kind: fhir.ParamString, Text: w}}}})
		}
		return c
	}
	want(t, find(t, b, record.Query{Type: "Observation", Where: []record.Clause{look("restless")}, Limit: 9}), "o1")
	want(t, find(t, b, record.Query{Type: "Observation", Where: []record.Clause{look("rest", "patient")}, Limit: 9}), "o1")
	want(t, find(t, b, record.Query{Type: "Observation", Where: append(byCode("a").Where, look("asleep")), Limit: 9}), "o3")
	want(t, find(t, b, record.Query{Type: "Observation", Where: []record.Clause{look("o3", "restless")}, Limit: 9}))
}

func reindex(t *testing.T, b record.Backend) {
	for i := range 5 {
		apply(t, b, change("Observation", fmt.Sprint("o", i), 1, []string{"sara"}, token("a")))
	}
	gone := change("Observation", "o4", 2, []string{"sara"})
	gone.Record.Deleted = true
	apply(t, b, gone, change("Patient", "p", 1, nil))
	index := func(r fhir.Resource) []fhir.Value { return []fhir.Value{token("b-" + r.ID())} }
	var after int64
	total := 0
	for {
		next, n, err := b.Reindex(t.Context(), "Observation", after, 3, index)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		after, total = next, total+n
	}
	if total != 4 {
		t.Errorf("%d resources, want the 4 that are there", total)
	}
	want(t, find(t, b, byCode("a")))
	want(t, find(t, b, byCode("b-o2")), "o2")
	want(t, find(t, b, byCode("b-o4")))
	want(t, find(t, b, record.Query{Type: "Observation", Patient: "sara", Limit: 10}), "o0", "o1", "o2", "o3")
	if cur, err := b.Current(t.Context(), "Observation", "o2"); err != nil || cur.Version != 1 {
		t.Errorf("version %d after reindexing, %v", cur.Version, err)
	}
}

// filterAgrees holds the search in memory and the search in the store against each other, value by value.
func filterAgrees(t *testing.T, b record.Backend) {
	values := []fhir.Value{
		{Param: "Observation.date", Kind: fhir.ParamDate, Low: 10, High: 20}, {Param: "Observation.date", Kind: fhir.ParamDate, Low: 15, High: 30}, {Param: "Observation.date", Kind: fhir.ParamDate, Low: fhir.MinTime, High: 12},
		{Param: "Observation.value-quantity", Kind: fhir.ParamQuantity, Min: 5, Max: 5, System: "u", Code: "kg"}, {Param: "Observation.value-quantity", Kind: fhir.ParamQuantity, Min: 4, Max: 6, System: "u", Code: "g"},
		{Param: "Observation.value-string", Kind: fhir.ParamString, Text: "Áb c"}, {Param: "Observation.value-string", Kind: fhir.ParamString, Text: "abd"},
	}
	for i, v := range values {
		apply(t, b, change("Observation", fmt.Sprintf("v%d", i), 1, nil, v))
	}
	ops := []record.Op{record.OpEq, record.OpNe, record.OpGt, record.OpLt, record.OpGe, record.OpLe, record.OpSa, record.OpEb, record.OpAp}
	for _, op := range ops {
		for _, m := range []fhir.Value{{Low: 10, High: 20}, {Low: 12, High: 15}, {Low: 20, High: 21}, {Low: 0, High: 100}} {
			agree(t, b, values, record.Clause{Param: "Observation.date", Kind: fhir.ParamDate, Any: []record.Match{{Op: op, Value: fhir.Value{Kind: fhir.ParamDate, Low: m.Low, High: m.High}}}})
		}
		for _, m := range []fhir.Value{{Min: 4.5, Max: 5.5}, {Min: 5.5, Max: 6.5}, {Min: 4.5, Max: 5.5, System: "u", Code: "g"}} {
			m.Kind = fhir.ParamQuantity
			agree(t, b, values, record.Clause{Param: "Observation.value-quantity", Kind: fhir.ParamQuantity, Any: []record.Match{{Op: op, HasSystem: m.System != "", Value: m}}})
		}
	}
	for _, op := range []record.Op{record.OpStarts, record.OpContains, record.OpExact} {
		for _, s := range []string{"ab", "AB C", "b", "abd", "Áb c"} {
			agree(t, b, values, record.Clause{Param: "Observation.value-string", Kind: fhir.ParamString, Any: []record.Match{{Op: op, Value: fhir.Value{Kind: fhir.ParamString, Text: s}}}})
		}
	}
}

func agree(t *testing.T, b record.Backend, values []fhir.Value, c record.Clause) {
	t.Helper()
	ids := []string{}
	for i, v := range values {
		if c.Matches([]fhir.Value{v}) {
			ids = append(ids, fmt.Sprintf("v%d", i))
		}
	}
	got := find(t, b, record.Query{Type: "Observation", Limit: 100, Where: []record.Clause{c}})
	slices.Sort(got)
	if !slices.Equal(got, ids) {
		t.Errorf("%s %s %+v: store %v, memory %v", c.Param, c.Any[0].Op, c.Any[0].Value, got, ids)
	}
}
