package telemetrytest

import (
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// batchWhole appends the reports of large messages together: one answer each, after the last of it is on disk.
func batchWhole(t *testing.T, d Disk) {
	h := open(t, d)
	const n = 20000 // several records of the log
	var reports []*vigil.Report
	for _, r := range series(sara, n) {
		r.Protocol = "store-and-forward over a long way"
		reports = append(reports, r)
	}
	answers := make(chan error, 10)
	answer := func(err error) { answers <- err }
	h.AppendAll(reports, answer)
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	cut := open(t, d.PowerCut(t, 0))
	if lines := cut.raw(t, telemetry.Query{Subject: sara}); len(lines) != 2 || len(lines[0].Points) != n {
		t.Errorf("%d lines after the power cut", len(lines))
	}
	cut.stop(t)
	bad := append(series("Patient/otto", 3), &vigil.Report{Device: "d", Samples: []vigil.Sample{{Metric: "spo2"}}})
	h.AppendAll(bad, answer)
	if err := <-answers; vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("a batch with a report of nobody: %v", err)
	}
	h.settle(t)
	if lines := h.raw(t, telemetry.Query{Subject: "Patient/otto"}); len(lines) != 0 {
		t.Error("a part of a refused batch is stored")
	}
	d.FailSync()
	h.AppendAll(series(sara, n), answer)
	if err := <-answers; vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("on a disk that fails: %v", err)
	}
	h.AppendAll(series(sara, 2), answer)
	if err := <-answers; vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("after the disk failed: %v", err)
	}
	select {
	case err := <-answers:
		t.Errorf("a batch was answered twice: %v", err)
	default:
	}
}
