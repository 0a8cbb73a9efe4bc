package fhirapi_test

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// TestSyntheaLoadsUnchanged posts every bundle of the Synthea set as it is, hospitals and practitioners first.
func TestSyntheaLoadsUnchanged(t *testing.T) {
	if testing.Short() {
		t.Skip("loads 5 MB")
	}
	zr, err := zip.OpenReader(dataFile(t, "fhir/synthea-small.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	files := slices.Clone(zr.File)
	slices.SortFunc(files, func(a, b *zip.File) int {
		rank := func(f *zip.File) int { return strings.Index("hp", f.Name[2:3]) } // 0-hospital…, 0-practitioner…
		ra, rb := rank(a), rank(b)
		if !strings.HasPrefix(a.Name, "0-") {
			ra = 9
		}
		if !strings.HasPrefix(b.Name, "0-") {
			rb = 9
		}
		return ra - rb
	})
	h := open(t)
	n := 0
	for _, f := range files {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		rc.Close()
		if err != nil {
			t.Fatal(err)
		}
		w := h.do(t, "POST", "", string(b))
		if w.Code != 200 {
			t.Errorf("%s: %d %.2000s", f.Name, w.Code, w.Body)
			continue
		}
		n += len(parse(t, w).List("entry"))
	}
	t.Logf("%d resources", n)
	if b := parse(t, h.do(t, "GET", "/Patient?_summary=count", "")); b.Str("total") != "6" {
		t.Errorf("%s patients", b.Str("total"))
	}
	t.Run("Moves", func(t *testing.T) { examineMove(t, h) })
}

// examineMove copies what was loaded to PostgreSQL and back: the sums agree, and searches find the same.
func examineMove(t *testing.T, h hospital) {
	there, err := relational.OpenPostgres(t.Context(), postgres.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	moved := onRecords(t, there)
	first, err := relational.Copy(t.Context(), h.db, there, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, search := range []string{"/Observation?_sort=-date&_count=50&code=http://loinc.org|8302-2", "/Patient?name:contains=a&_sort=family,_id", "/Encounter?date=ge2010&_sort=date&_count=40",
		"/Condition?_include=Condition:subject&_count=30&_sort=_id", "/Patient?_has:Condition:patient:clinical-status=active&_sort=_id", "/Observation?value-quantity=gt100&_sort=-value-quantity,_id&_count=30",
		"/MedicationRequest?subject:Patient.birthdate=lt1990&_sort=_id&_count=20"} {
		here, other := parse(t, h.do(t, "GET", search, "")), parse(t, moved.do(t, "GET", search, ""))
		if diff := cmp.Diff(here.List("entry"), other.List("entry")); diff != "" || len(here.List("entry")) == 0 {
			t.Errorf("%s: %d entries here (-SQLite +PostgreSQL):\n%.2000s", search, len(here.List("entry")), diff)
		}
	}
	back, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "back.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if _, err := moved.records.Read(access.AsSystem(t.Context(), "test"), "Patient", "none"); vigil.KindOf(err) != vigil.NotFound {
		t.Error(err)
	}
	again, err := relational.Copy(t.Context(), there, back, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, again = withoutAudit(first), withoutAudit(again)
	if diff := cmp.Diff(first, again); diff != "" || len(first) < 25 {
		t.Errorf("there and back (-there +back):\n%s", diff)
	}
}

// withoutAudit leaves out what the searches in between have added to.
func withoutAudit(list []relational.Copied) []relational.Copied {
	return slices.DeleteFunc(list, func(c relational.Copied) bool { return strings.HasPrefix(c.Table, "audit") })
}

// dataFile finds a file of the shared test data, or skips.
func dataFile(t testing.TB, name string) string {
	t.Helper()
	if p := filepath.Join(os.Getenv("VIGIL_DATA"), name); os.Getenv("VIGIL_DATA") != "" {
		if _, err := os.Stat(p); err != nil {
			t.Skipf("VIGIL_DATA does not hold %s", name)
		}
		return p
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		for _, shared := range []string{"shared/data", "../shared/data"} {
			p := filepath.Join(dir, shared, name)
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	t.Skipf("no shared data: set VIGIL_DATA to the folder that holds %s", name)
	return ""
}
