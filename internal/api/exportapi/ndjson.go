package exportapi

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// ndjson writes FHIR R4 Observations, one a line: numbers with the ids and the content that the FHIR door shows, in order
// of time by window; waveforms as SampledData, a block each; events with their facts as components.
type ndjson struct {
	out *bufio.Writer
	enc *json.Encoder
}

func newNDJSON(w io.Writer) format {
	out := bufio.NewWriterSize(w, 64<<10)
	return &ndjson{out, json.NewEncoder(out)}
}

func (n *ndjson) numerics(ctx context.Context, e *Exporter, o *order) error {
	return windows(o.from, o.to, func(from, to time.Time) (int, error) {
		lines, err := e.Telemetry.Query(ctx, telemetry.Query{Subject: o.subject, Metrics: o.metrics, From: from, To: to})
		if err != nil {
			return 0, err
		}
		found := e.Observations(o.subject, lines)
		for _, r := range found {
			if err := n.enc.Encode(r); err != nil {
				return 0, err
			}
		}
		return len(found), ctx.Err()
	})
}

// id names what has no id of its own: the same telemetry always gets the same.
func id(kind string, k vigil.SeriesKey, at int64) string {
	h := sha256.Sum256([]byte(kind + "\x00" + string(k.Subject) + "\x00" + string(k.Device) + "\x00" + string(k.Metric) + "\x00" + strconv.FormatInt(at, 10)))
	return kind + "-" + hex.EncodeToString(h[:16])
}

func observation(kind string, k vigil.SeriesKey, at int64) fhir.Resource {
	o := fhir.New("Observation", id(kind, k, at)).With("status", "final").With("subject", fhir.Ref(string(k.Subject), ""))
	if k.Device != "" {
		o["device"] = fhir.Ref("Device/"+string(k.Device), "")
	}
	return o
}

func (n *ndjson) waveform(k vigil.SeriesKey, w *vigil.Waveform) error {
	m, _ := coding.Lookup(k.Metric)
	code := fhir.Coding("urn:vigil:metric", string(k.Metric), m.Name)
	if m.MDC != "" {
		code = fhir.Coding(coding.SystemMDC, m.MDC, m.MDCName)
	}
	text := make([]byte, 0, 5*len(w.Data))
	for i, x := range w.Data {
		if i > 0 {
			text = append(text, ' ')
		}
		if x == vigil.WaveformMissing {
			text = append(text, 'E') // FHIR R4 SampledData: error
			continue
		}
		text = strconv.AppendInt(text, int64(x), 10)
	}
	o := observation("w", k, w.Start).With("code", fhir.Concept(m.Name, code)).
		With("effectivePeriod", fhir.Resource{"start": fhir.Instant(time.Unix(0, w.Start)), "end": fhir.Instant(time.Unix(0, w.End()))}).
		With("valueSampledData", fhir.Resource{
			"origin": fhir.Quantity(w.Offset, m.Unit, m.UCUM), "period": float64(w.Period) / 1e6, "factor": w.Scale, "dimensions": 1, "data": string(text),
		})
	return n.enc.Encode(fhir.Normal(o))
}

func (n *ndjson) event(ev *telemetry.StoredEvent) error {
	k := vigil.SeriesKey{Subject: ev.Subject, Device: ev.Device, Metric: vigil.Metric(ev.Kind)}
	o := observation("e", k, ev.Time).With("code", fhir.Concept("", fhir.Coding("urn:vigil:event", string(ev.Kind), ""))).
		With("effectiveDateTime", fhir.Instant(time.Unix(0, ev.Time)))
	var facts []fhir.Resource
	for _, key := range slices.Sorted(maps.Keys(ev.Data)) {
		facts = append(facts, fhir.Resource{"code": fhir.Concept("", fhir.Coding("urn:vigil:event-fact", key, "")), "valueString": ev.Data[key]})
	}
	if facts != nil {
		o["component"] = facts
	}
	return n.enc.Encode(fhir.Normal(o))
}

func (n *ndjson) close() error { return n.out.Flush() }
