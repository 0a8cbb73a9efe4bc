package paper_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/paper"
	"github.com/vigil-health/vigil/internal/engine/report"
)

var keep = flag.String("keep", "", "write the PDF here, to look at it")

// sample is a report with every part, long enough for several pages.
func sample() *report.Report {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := &report.Report{
		From: from, To: from.AddDate(0, 0, 30), Unit: "icu", Zone: "UTC", Alarms: 4210, Patients: 24, Night: .34, WorstTenth: .61,
		Load:     report.Load{BedDays: 700, Mean: 6, Median: 3, P90: 15, Worst: 88, WorstSubject: "Patient/sara", WorstDay: "2026-03-04"},
		Judged:   report.Judged{Judged: 210, Real: 40, NoAction: 30, Artefact: 140, False: .667, Low: .6, High: .73},
		Floods:   report.Floods{Count: 1, Alarms: 14, List: []report.Flood{{Unit: "icu", From: from, To: from.Add(9 * time.Minute), Alarms: 14}}},
		Worst:    []report.Patient{{Subject: "Patient/sara", Alarms: 900, Share: .21, Days: 20, PerDay: 45, Rules: []report.Group{{Key: "SpO₂ low", Alarms: 700}}}},
		Response: []report.Response{{Priority: vigil.PriorityHigh, Step: "acknowledged", N: 800, MedianS: 42, P90S: 190, TargetS: 120, Due: 790, Within: .81}},
		Changes:  []report.Suggestion{{Subject: "Patient/sara", Text: "SpO₂ low 90 → 88 with 15 s delay: 61 % fewer (273 instead of 700), the 2 marked real are kept"}},
	}
	for i := range 30 {
		r.Days = append(r.Days, report.Day{Day: from.AddDate(0, 0, i).Format(time.DateOnly), Alarms: 60 + i%17*8, High: 10 + i%5, Medium: 20, Low: 30 + i%17*8 - i%5, Beds: 23})
		r.Heat[i%7][i%24] += i * 3
	}
	for range 40 {
		r.Rules = append(r.Rules, report.Rule{Key: "spo2-low", Title: "SpO₂ low, a title that is much too long for its column", Alarms: 100, Judged: r.Judged})
	}
	return r
}

func draw(t *testing.T, r *report.Report, hide bool) []byte {
	t.Helper()
	var w bytes.Buffer
	err := paper.Alarms(&w, r, paper.Options{
		Hospital: "Riverside Hospital", By: "Dr Lee", At: time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC), Hidden: hide, Name: func(vigil.Subject) string { return "Okáfor, Сара" }, Unit: func(string) string { return "ICU North" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// words reads the text back with another program's eyes.
func words(t *testing.T, pdf []byte) string {
	t.Helper()
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("pdftotext is not installed (Debian: poppler-utils); the text of the PDF is not read back")
	}
	path := t.TempDir() + "/report.pdf"
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-layout", path, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAlarmsAreAPDF(t *testing.T) {
	pdf := draw(t, sample(), false)
	if !bytes.HasPrefix(pdf, []byte("%PDF-1.")) || !bytes.Contains(pdf, []byte("/MediaBox [0 0 595.28 841.89]")) || bytes.Count(pdf, []byte("/Type /Page\n")) < 2 {
		t.Errorf("%d bytes are no PDF of several A4 pages", len(pdf))
	}
	if *keep != "" {
		if err := os.WriteFile(*keep, pdf, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	draw(t, &report.Report{}, false) // a time without any alarm
}

func TestWhatThePaperSays(t *testing.T) {
	text := words(t, draw(t, sample(), false))
	for _, want := range []string{"Alarm report", "ICU North", "4210", "Page 2 of", "printed 2026-04-01 08:00 UTC by Dr Lee", "Okáfor, Сара", "90 → 88 with 15 s delay", "81 % of 790", "60–73 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the paper", want)
		}
	}
	r := sample()
	r.Hide()
	if text := words(t, draw(t, r, true)); strings.Contains(text, "Okáfor") || strings.Contains(text, "sara") || !strings.Contains(text, "names are left out") {
		t.Error("a report without names names somebody")
	}
}
