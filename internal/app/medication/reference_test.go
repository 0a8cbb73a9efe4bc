package medication_test

import (
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/app/medication"
)

// table reads a file of the reference data, which is not part of the repository.
func table(t *testing.T, name string) [][]string {
	t.Helper()
	dirs := []string{os.Getenv("VIGIL_DATA")}
	if dir, err := os.Getwd(); err == nil {
		for range 6 {
			dirs = append(dirs, filepath.Join(dir, "../shared/data"))
			dir = filepath.Dir(dir)
		}
	}
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, "adherence", name))
		if dir == "" || err != nil {
			continue
		}
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows[1:]
	}
	t.Skip("the reference data is not here; set VIGIL_DATA to the folder that holds it")
	return nil
}

// TestReference counts the proportion of days covered of the refills of 50 patients, published with the AdhereR package, as CMA7
// does: supply is used one day at a time, what is left over is carried on. A day with supply is a day with its dose taken.
func TestReference(t *testing.T) {
	want := table(t, "expected_cma_365d.csv")
	type patient struct {
		first, end time.Time
		doses      map[time.Time]bool
	}
	all := map[string]*patient{}
	for _, row := range table(t, "med_events.csv") {
		at, err := time.Parse("01/02/2006", row[1])
		if err != nil {
			t.Fatal(err)
		}
		days, err := strconv.Atoi(row[4])
		if err != nil {
			t.Fatal(err)
		}
		p := all[row[0]]
		if p == nil {
			p = &patient{first: at, end: at, doses: map[time.Time]bool{}}
			all[row[0]] = p
		}
		if at.After(p.end) {
			p.end = at
		}
		for range days {
			p.doses[p.end] = true
			p.end = p.end.AddDate(0, 0, 1)
		}
	}
	for _, row := range want {
		cma7, err := strconv.ParseFloat(row[7], 64)
		if err != nil {
			t.Fatal(err)
		}
		p, o := all[row[0]], &medication.Order{Code: "any"}
		var doses []medication.Dose
		for i := range 400 {
			due := p.first.AddDate(0, 0, i)
			state := medication.Missed
			if p.doses[due] {
				state = medication.Given
			}
			doses = append(doses, medication.Dose{Order: o, Due: due, State: state})
		}
		got := medication.Covered(doses, p.first, p.first.AddDate(0, 0, 365))
		if math.Abs(got.Value-cma7) > 1e-9 {
			t.Errorf("patient %s: %v of %d days, want %v", row[0], got.Value, got.Days, cma7)
		}
	}
}
