package report

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
)

// Sheet is how alarms are written as CSV.
type Sheet struct {
	Hide bool                         // leave out who patients, devices and staff are
	Name func(s vigil.Subject) string // of a patient; nil leaves the column empty
}

func columns() []string {
	return []string{
		"raised", "unit", "subject", "patient", "rule", "rule_version", "title", "class", "priority", "demoted_from", "metric", "value", "limit", "unit_of_value",
		"onset", "seen", "accepted", "acknowledged", "acknowledged_by", "ended", "resolved", "lasted_s", "escalations", "judged", "judged_by", "judged_at", "device", "id",
	}
}

// WriteCSV writes one row an alarm (RFC 4180, UTF-8, times RFC 3339 in UTC, empty where unknown), in the order they were
// raised. Text that a spreadsheet would run as a formula begins with an apostrophe. An engineer gets no names, as with
// Hide. It returns Denied, Invalid, and what the Book and w return.
func (d *Desk) WriteCSV(ctx context.Context, w io.Writer, q Query, sheet Sheet) error {
	clinical, err := d.mayRead(ctx)
	if err != nil {
		return err
	}
	if err := q.check(); err != nil {
		return err
	}
	sheet.Hide = sheet.Hide || !clinical
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(columns()); err != nil {
		return err
	}
	names := pseudonyms{}
	err = d.cfg.Book.Each(ctx, q, func(a *vigil.Alarm) error {
		if a.Kind != vigil.KindAlarm || a.Priority == vigil.PriorityNone {
			return nil
		}
		return out.Write(sheet.row(a, names))
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func (s Sheet) row(a *vigil.Alarm, names pseudonyms) []string {
	var seen, accepted time.Time
	escalations := 0
	for i := range a.History {
		switch h := &a.History[i]; {
		case h.What == "seen" && seen.IsZero():
			seen = h.At
		case (h.What == "accepted" || h.What == "going") && accepted.IsZero():
			accepted = h.At
		case h.What == "escalated":
			escalations++
		}
	}
	subject, name, by, dev, id := a.Subject, "", a.AckedBy, string(a.Device), a.ID
	if s.Name != nil && a.Subject.IsPatient() {
		name = s.Name(a.Subject)
	}
	j := vigil.Judgement{}
	if a.Judged != nil {
		j = *a.Judged
	}
	if s.Hide {
		subject, name, by, dev, id, j.By = names.of(a.Subject), "", "", "", "", ""
	}
	was, lasted := "", ""
	if a.Demoted != nil {
		was = a.Demoted.From.String()
	}
	if !a.Ended.IsZero() {
		lasted = strconv.FormatFloat(max(0, a.Ended.Sub(a.Raised).Seconds()), 'f', 1, 64)
	}
	row := []string{
		stamp(a.Raised), a.Unit, string(subject), name, a.Rule, a.Version, a.Title, string(a.Class), a.Priority.String(), was, string(a.Metric),
		number(a.Value), number(a.Limit), a.UCUM, stamp(a.Onset), stamp(seen), stamp(accepted), stamp(a.AckedAt), by, stamp(a.Ended), stamp(a.Resolved),
		lasted, strconv.Itoa(escalations), string(j.Truth), j.By, stamp(j.At), dev, id,
	}
	for i, v := range row {
		row[i] = harmless(v)
	}
	return row
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// harmless keeps a spreadsheet from running a cell as a formula (CWE-1236). Numbers stay numbers.
func harmless(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return s
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	return "'" + s
}
