package record_test

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

type house struct {
	*record.Store
	trail   *audit.Trail
	backend record.Backend
}

func open(t testing.TB) house {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	trail := audit.New(audit.Config{Backend: db.Audit()})
	t.Cleanup(func() { trail.Close(); db.Close() })
	return house{record.New(record.Config{Backend: db.Records(), Audit: trail}), trail, db.Records()}
}

func nurse(t testing.TB) context.Context {
	return access.With(t.Context(), access.Principal{ID: "n1", Roles: []access.Role{access.Nurse}})
}

func sara(t testing.TB) context.Context {
	return access.With(t.Context(), access.Principal{ID: "p1", Roles: []access.Role{access.Patient}, Person: "Patient/sara", Subject: "Patient/sara"})
}

func engineer(t testing.TB) context.Context {
	return access.With(t.Context(), access.Principal{ID: "e1", Roles: []access.Role{access.Engineer}})
}

func patient(id, family, given, born string) fhir.Resource {
	return fhir.New("Patient", id).With("name", []fhir.Resource{fhir.HumanName(family, given)}).With("birthDate", born).With("gender", "female").
		With("identifier", []fhir.Resource{fhir.Identifier("urn:mrn", "MRN-"+id)})
}

func observation(id, patient, loinc string, value float64, at string) fhir.Resource {
	return fhir.New("Observation", id).With("status", "final").With("code", fhir.Concept("", fhir.Coding("http://loinc.org", loinc, ""))).
		With("subject", fhir.Ref("Patient/"+patient, "")).With("valueQuantity", fhir.Quantity(value, "bpm", "/min")).With("effectiveDateTime", at)
}

func put(t testing.TB, s house, rs ...fhir.Resource) {
	t.Helper()
	for _, r := range rs {
		if _, err := s.Update(nurse(t), r, 0); err != nil {
			t.Fatalf("%s: %v", r.Ref(), err)
		}
	}
}

func TestVersions(t *testing.T) {
	s, ctx := open(t), nurse(t)
	made, err := s.Create(ctx, patient("ignored", "Okafor", "Sara", "1961-04-02"))
	if err != nil || made.Version != 1 || made.ID == "ignored" {
		t.Fatalf("create: %+v, %v", made, err)
	}
	r, err := made.Resource()
	if err != nil || r.Str("meta.versionId") != "1" || r.Str("meta.lastUpdated") == "" {
		t.Fatalf("meta: %v, %v", r, err)
	}
	r["birthDate"] = "1961-04-03"
	if second, err := s.Update(ctx, r, 1); err != nil || second.Version != 2 {
		t.Fatalf("update: %+v, %v", second, err)
	}
	if _, err := s.Update(ctx, r, 1); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("stale If-Match: %v", err)
	}
	old, err := s.VRead(ctx, "Patient", made.ID, 1)
	if err != nil || string(old.JSON) != string(made.JSON) {
		t.Errorf("vread: %s, %v", old.JSON, err)
	}
	if err := s.Delete(ctx, "Patient", made.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "Patient", made.ID); err != nil {
		t.Errorf("second delete: %v", err)
	}
	if _, err := s.Read(ctx, "Patient", made.ID); vigil.KindOf(err) != vigil.NotFound || vigil.Message(err) != record.Gone {
		t.Errorf("read after delete: %v", err)
	}
	if page, err := s.Search(ctx, "Patient", url.Values{"name": {"oka"}}); err != nil || len(page.Records) != 0 {
		t.Errorf("search finds what was deleted: %v, %v", page, err)
	}
	history, _, err := s.History(ctx, record.HistoryQuery{Type: "Patient", ID: made.ID})
	if err != nil || len(history) != 3 || history[0].Version != 3 || !history[0].Deleted {
		t.Errorf("history: %+v, %v", history, err)
	}
	if again, err := s.Update(ctx, r, 0); err != nil || again.Version != 4 {
		t.Errorf("revive: %+v, %v", again, err)
	}
}

func TestInvalidNamesEveryFault(t *testing.T) {
	s := open(t)
	_, err := s.Create(nurse(t), fhir.New("Observation", "").With("colour", "red").With("status", "done"))
	e, ok := err.(*vigil.Error)
	if !ok || e.Kind != vigil.Invalid || len(e.Faults) != 3 {
		t.Fatalf("want three faults (colour, status, code): %v", err)
	}
}

func refs(p record.Page) []string {
	out := []string{}
	for _, r := range p.Records {
		out = append(out, r.ID)
	}
	return out
}

func TestSearch(t *testing.T) {
	s := open(t)
	put(t, s, patient("sara", "Okafor", "Sara", "1961-04-02"), patient("joao", "Ñandú", "João", "1961-05"), patient("kim", "Kim", "Oka", "1990"),
		observation("o1", "sara", "8867-4", 72, "2026-03-01T10:00:00Z"), observation("o2", "sara", "8867-4", 95.5, "2026-03-02T10:00:00Z"),
		observation("o3", "sara", "9279-1", 18, "2026-03-02"), observation("o4", "kim", "8867-4", 60, "2026-04-01T00:00:00+02:00"))
	cases := []struct {
		typ, query string
		want       []string
	}{
		{"Patient", "", []string{"sara", "joao", "kim"}},
		{"Patient", "name=oka", []string{"sara", "kim"}},
		{"Patient", "family=nandu", []string{"joao"}},
		{"Patient", "family:exact=Ñandú", []string{"joao"}},
		{"Patient", "family:exact=ñandú", nil},
		{"Patient", "family:contains=ando", nil},
		{"Patient", "family:contains=kaf", []string{"sara"}},
		{"Patient", "identifier=urn:mrn|MRN-kim", []string{"kim"}},
		{"Patient", "identifier=MRN-kim", []string{"kim"}},
		{"Patient", "identifier=urn:other|MRN-kim", nil},
		{"Patient", "identifier=|MRN-kim", nil},
		{"Patient", "identifier=urn:mrn|", []string{"sara", "joao", "kim"}},
		{"Patient", "gender=female", []string{"sara", "joao", "kim"}},
		{"Patient", "gender=http://hl7.org/fhir/administrative-gender|female", []string{"sara", "joao", "kim"}},
		{"Patient", "gender:not=male&_id=kim,sara", []string{"sara", "kim"}},
		{"Patient", "birthdate=1961", []string{"sara", "joao"}},
		{"Patient", "birthdate=1961-04-02", []string{"sara"}},
		{"Patient", "birthdate=gt1961-04", []string{"joao", "kim"}},
		{"Patient", "birthdate=ge1961-04-02&birthdate=lt1970", []string{"sara", "joao"}},
		{"Patient", "birthdate=eb1990", []string{"sara", "joao"}},
		{"Patient", "birthdate=ne1961", []string{"kim"}},
		{"Patient", "active:missing=true&_id=kim", []string{"kim"}},
		{"Patient", "active:missing=false", nil},
		{"Patient", "_sort=-birthdate", []string{"kim", "joao", "sara"}},
		{"Patient", "_sort=family", []string{"kim", "joao", "sara"}},
		{"Patient", "_sort=-_id", []string{"sara", "kim", "joao"}},
		{"Patient", "_lastUpdated=gt2020", []string{"sara", "joao", "kim"}},
		{"Patient", "_lastUpdated=lt2020", nil},
		{"Observation", "subject=Patient/sara&_sort=date", []string{"o1", "o3", "o2"}},
		{"Observation", "patient=sara&code=http://loinc.org|8867-4&_sort=-date", []string{"o2", "o1"}},
		{"Observation", "subject:Patient=kim", []string{"o4"}},
		{"Observation", "patient=sara,kim&code=9279-1,8867-4&date=2026-03-02", []string{"o2", "o3"}},
		{"Observation", "date=sa2026-03-30", []string{"o4"}},
		{"Observation", "date=2026-03-31T22:00:00Z", []string{"o4"}},
		{"Observation", "value-quantity=gt70", []string{"o1", "o2"}},
		{"Observation", "value-quantity=95.5|http://unitsofmeasure.org|/min", []string{"o2"}},
		{"Observation", "value-quantity=96", []string{"o2"}},
		{"Observation", "value-quantity=72||%25", nil},
		{"Observation", "code:not=8867-4", []string{"o3"}},
		{"Observation", "subject=Group/sara", nil},
	}
	for _, c := range cases {
		t.Run(c.typ+"?"+c.query, func(t *testing.T) {
			params, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			page, err := s.Search(nurse(t), c.typ, params)
			if err != nil {
				t.Fatal(err)
			}
			got := refs(page)
			if params.Get("_sort") == "" {
				slices.Sort(got)
				slices.Sort(c.want)
			}
			if !slices.Equal(got, c.want) || page.Total != len(c.want) {
				t.Errorf("got %v (total %d), want %v", got, page.Total, c.want)
			}
		})
	}
}

func TestSearchRefusesWhatItCannotRead(t *testing.T) {
	s := open(t)
	for _, q := range []string{"colour=red", "name:phonetic=x", "birthdate=yesterday", "_sort=shoe", "_include=Patient:name", "_count=many", "_cursor=abc", "identifier=a|b|c", "name="} {
		params, _ := url.ParseQuery(q)
		if _, err := s.Search(nurse(t), "Patient", params); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: %v, want Invalid", q, err)
		}
	}
}

func TestPagesAreStable(t *testing.T) {
	s := open(t)
	put(t, s, patient("sara", "Okafor", "Sara", "1961"))
	for i := range 25 {
		put(t, s, observation(fmt.Sprintf("o%02d", i), "sara", "8867-4", float64(60+i%3), fmt.Sprintf("2026-03-%02dT10:00:00Z", 1+i/2)))
	}
	for _, sort := range []string{"", "-date", "date", "-value-quantity,date", "status,-_lastUpdated"} {
		params := url.Values{"patient": {"sara"}, "_count": {"4"}, "_total": {"accurate"}}
		if sort != "" {
			params.Set("_sort", sort)
		}
		seen := map[string]bool{}
		for n := 0; params != nil; n++ {
			page, err := s.Search(nurse(t), "Observation", params)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 && page.Total != 25 {
				t.Errorf("sort %q: total %d", sort, page.Total)
			}
			for _, id := range refs(page) {
				if seen[id] {
					t.Errorf("sort %q: %s comes twice", sort, id)
				}
				seen[id] = true
			}
			params = page.Next
		}
		if len(seen) != 25 {
			t.Errorf("sort %q: %d of 25", sort, len(seen))
		}
	}
}

func TestInclude(t *testing.T) {
	s := open(t)
	put(t, s, patient("sara", "Okafor", "Sara", "1961"), observation("o1", "sara", "8867-4", 72, "2026-03-01"), observation("o2", "sara", "8867-4", 72, "2026-03-01"), observation("o3", "gone", "8867-4", 72, "2026-03-01"))
	page, err := s.Search(nurse(t), "Observation", url.Values{"_include": {"Observation:subject"}})
	if err != nil || len(page.Records) != 3 || len(page.Included) != 1 || page.Included[0].Ref() != "Patient/sara" {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestAccess(t *testing.T) {
	s := open(t)
	put(t, s, patient("sara", "Okafor", "Sara", "1961"), patient("kim", "Kim", "A", "1990"), observation("o1", "sara", "8867-4", 72, "2026-03-01"),
		observation("o2", "kim", "8867-4", 72, "2026-03-01"), fhir.New("Device", "patch-1"),
		fhir.New("Communication", "c1").With("status", "completed").With("subject", fhir.Ref("Patient/kim", "")).With("recipient", []fhir.Resource{fhir.Ref("Patient/sara", "")}))
	read := func(ctx context.Context, typ, id string) vigil.Kind {
		_, err := s.Read(ctx, typ, id)
		return vigil.KindOf(err)
	}
	for _, c := range []struct {
		name    string
		ctx     context.Context
		typ, id string
		want    vigil.Kind
	}{
		{"Own", sara(t), "Patient", "sara", ""}, {"OwnObservation", sara(t), "Observation", "o1", ""}, {"Recipient", sara(t), "Communication", "c1", ""},
		{"Other", sara(t), "Patient", "kim", vigil.Denied}, {"OtherObservation", sara(t), "Observation", "o2", vigil.Denied},
		{"Absent", sara(t), "Observation", "none", vigil.Denied}, {"Device", sara(t), "Device", "patch-1", vigil.Denied},
		{"EngineerDevice", engineer(t), "Device", "patch-1", ""}, {"EngineerPatient", engineer(t), "Patient", "sara", vigil.Denied},
		{"Nobody", t.Context(), "Patient", "sara", vigil.Denied}, {"House", access.AsSystem(t.Context(), "test"), "Patient", "sara", ""},
	} {
		if got := read(c.ctx, c.typ, c.id); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	page, err := s.Search(sara(t), "Observation", url.Values{"code": {"8867-4"}})
	if err != nil || !slices.Equal(refs(page), []string{"o1"}) || page.Total != 1 {
		t.Errorf("a patient finds %v (total %d), %v", refs(page), page.Total, err)
	}
	if page, err = s.Search(sara(t), "Observation", url.Values{"patient": {"kim"}}); err != nil || len(page.Records) != 0 {
		t.Errorf("a patient finds another's: %v, %v", refs(page), err)
	}
	if _, err := s.Create(sara(t), observation("", "sara", "8867-4", 1, "2026")); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a patient writes: %v", err)
	}
	if _, err := s.Update(engineer(t), fhir.New("Practitioner", "x"), 0); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("an engineer writes a Practitioner: %v", err)
	}
	if _, err := s.Update(engineer(t), fhir.New("Device", "x"), 0); err != nil {
		t.Errorf("an engineer writes a Device: %v", err)
	}
}

func TestBatchIsAllOrNothing(t *testing.T) {
	s, ctx := open(t), nurse(t)
	_, err := s.Batch(ctx, []record.Write{{Op: record.OpUpdate, Resource: patient("a", "A", "A", "1961")}, {Op: record.OpUpdate, Resource: patient("b", "B", "B", "1961"), IfMatch: 7}})
	if vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("%v", err)
	}
	if _, err := s.Read(ctx, "Patient", "a"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("half a batch was stored: %v", err)
	}
	recs, err := s.Batch(ctx, []record.Write{{Op: record.OpCreate, Resource: patient("", "A", "A", "1961")}, {Op: record.OpUpdate, Resource: patient("b", "B", "B", "1961")}})
	if err != nil || len(recs) != 2 || recs[1].ID != "b" || recs[0].Seq+1 != recs[1].Seq {
		t.Errorf("%+v, %v", recs, err)
	}
}

func TestWatchKeepsTheOrderOfCommits(t *testing.T) {
	s := open(t)
	var mu sync.Mutex
	var seen []int64
	s.Watch(func(r record.Record) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Seq)
	})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if _, err := s.Update(nurse(t), patient(fmt.Sprint("p", i%7), "A", "A", "1961"), 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 100 || !slices.IsSorted(seen) {
		t.Errorf("%d records, sorted %v", len(seen), slices.IsSorted(seen))
	}
}

func TestAuditTrail(t *testing.T) {
	s := open(t)
	put(t, s, patient("sara", "Okafor", "Sara", "1961"), observation("o1", "sara", "8867-4", 72, "2026-03-01"))
	s.Read(nurse(t), "Patient", "sara")
	s.Search(nurse(t), "Observation", url.Values{"code": {"8867-4"}})
	s.Read(engineer(t), "Patient", "sara")
	admin := access.With(t.Context(), access.Principal{ID: "a1", Roles: []access.Role{access.Admin}})
	list, err := s.trail.List(admin, audit.Filter{Oldest: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		got = append(got, r.Who+" "+r.Action+" "+r.What+" "+r.Outcome+" "+r.Detail+" "+fmt.Sprint(r.Subjects))
	}
	want := []string{"n1 record.update Patient/sara ok version 1 [sara]", "n1 record.update Observation/o1 ok version 1 [sara]", "n1 record.read Patient/sara ok  [sara]",
		"n1 record.search Observation ok code [sara]", "e1 record.read Patient/sara denied  []"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if n, err := s.trail.Verify(admin); err != nil || n != int64(len(want)) {
		t.Errorf("verify: %d, %v", n, err)
	}
	if _, err := s.trail.List(nurse(t), audit.Filter{}); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a nurse lists the trail: %v", err)
	}
}

func TestHistoryOfARecordThatMovedShowsEachPatientHisOwn(t *testing.T) {
	s := open(t)
	put(t, s, observation("o1", "kim", "8867-4", 72, "2026-03-01"), observation("o1", "sara", "8867-4", 72, "2026-03-01"))
	if all, _, err := s.History(sara(t), record.HistoryQuery{Type: "Observation", ID: "o1"}); err != nil || len(all) != 1 || all[0].Version != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := s.VRead(sara(t), "Observation", "o1", 1); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("another patient's version: %v", err)
	}
}
