package fhirapi_test

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
