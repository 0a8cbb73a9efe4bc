package exportapi

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// newCSV writes RFC 4180 with a head line. Times are RFC 3339 in UTC to the nanosecond.
func newCSV(w io.Writer) format {
	out := csv.NewWriter(w)
	line := []string{"time", "kind", "subject", "metric", "device", "value", "unit", "quality", "loinc", "mdc", "data"}
	head := out.Write(line)
	return &table{
		codes: map[vigil.Metric]*coding.Metric{},
		put: func(r *row) error {
			value := ""
			if r.valid {
				value = strconv.FormatFloat(r.value, 'g', -1, 64)
			}
			line = append(line[:0], time.Unix(0, r.time).UTC().Format(time.RFC3339Nano), r.kind, string(r.key.Subject), string(r.key.Metric), string(r.key.Device),
				value, r.codes.UCUM, qualityText(r.quality), r.codes.LOINC, r.codes.MDC, r.data)
			return out.Write(line)
		},
		end: func() error {
			out.Flush()
			if head != nil {
				return head
			}
			return out.Error()
		},
	}
}
