package fhirapi

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Waveforms are shown as Observations with SampledData of ten seconds each, cut at even ten seconds of UTC: their ids do
// not depend on how devices or the store cut them.
const waveSpan = 10 * time.Second

// maxSegmentSamples bounds one Observation: ten seconds at 20 kHz.
const maxSegmentSamples = 200_000

// segment is the part of one device's waveform that one Observation shows.
type segment struct {
	subject vigil.Subject
	metric  coding.Metric
	device  vigil.DeviceID
	start   int64 // on the grid of waveSpan
	blocks  []vigil.Waveform
}

// openWaves takes the subject's waveforms that are asked for and returns when the newest ends, -1 without any.
func (s *stream) openWaves(ctx context.Context) (newest int64, err error) {
	infos, err := s.v.d.cfg.Telemetry.Waveforms(ctx, s.subject)
	newest = -1
	for _, w := range infos {
		if slices.Contains(s.v.waves, w.Metric) && s.v.fitsDevice(w.Device) && s.v.fits(kind{w.Metric, false, s.subject.IsPatient()}) {
			newest = max(newest, w.End.UnixNano()-1)
			if !slices.Contains(s.waves, w.Metric) {
				s.waves = append(s.waves, w.Metric)
			}
		}
	}
	return newest, err
}

// segments returns the segments that start in [from, to).
func (d *door) segments(ctx context.Context, name vigil.Subject, metric vigil.Metric, from, to int64) ([]*segment, error) {
	first := from + (int64(waveSpan)-from%int64(waveSpan))%int64(waveSpan)
	if first >= to {
		return nil, nil
	}
	var out []*segment
	infos, err := d.cfg.Telemetry.Waveforms(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, w := range infos {
		if w.Metric != metric {
			continue
		}
		key := vigil.SeriesKey{Subject: name, Device: w.Device, Metric: metric}
		end := first + (to-1-first)/int64(waveSpan)*int64(waveSpan) + int64(waveSpan)
		own := map[int64]*segment{}
		err := d.cfg.Telemetry.IterateWaveform(ctx, key, time.Unix(0, first), time.Unix(0, end), func(b vigil.Waveform) error {
			for at := max(first, b.Start-b.Start%int64(waveSpan)); at < min(end, b.End()); at += int64(waveSpan) {
				if own[at] == nil {
					own[at] = &segment{subject: name, metric: metricOf(metric), device: w.Device, start: at}
					out = append(out, own[at])
				}
				own[at].blocks = append(own[at].blocks, b)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *stream) countWaves(ctx context.Context, from, to int64) (n int, err error) {
	for _, m := range s.waves {
		for _, w := range s.waveKeys(ctx, m) {
			err := s.v.d.cfg.Telemetry.IterateWaveform(ctx, w, time.Unix(0, from), time.Unix(0, to), func(b vigil.Waveform) error {
				if n++; n > 2000 {
					return telemetry.ErrStop
				}
				return nil
			})
			if err != nil && err != telemetry.ErrStop {
				return 0, err
			}
		}
	}
	return n, nil
}

func (s *stream) waveKeys(ctx context.Context, m vigil.Metric) (out []vigil.SeriesKey) {
	infos, _ := s.v.d.cfg.Telemetry.Waveforms(ctx, s.subject) // who may not see it gets none
	for _, w := range infos {
		if w.Metric == m && s.v.fitsDevice(w.Device) {
			out = append(out, vigil.SeriesKey{Subject: s.subject, Device: w.Device, Metric: m})
		}
	}
	return out
}

func (s *stream) readWaves(ctx context.Context, from, to int64) (out []item, err error) {
	for _, m := range s.waves {
		list, err := s.v.d.segments(ctx, s.subject, m, from, to)
		if err != nil {
			return nil, err
		}
		for _, g := range list {
			if !s.v.fitsDevice(g.device) {
				continue
			}
			if o, ok := g.observation(s.v.d.cfg.Now()); ok && s.v.asks(o) {
				out = append(out, item{mark: s.v.order.at(o, g.start), res: o})
			}
		}
	}
	return out, nil
}

// wave reads one Observation of a waveform by its id, nil when there is none.
func (d *door) wave(ctx context.Context, k vitalKey, m coding.Metric) (fhir.Resource, error) {
	list, err := d.segments(ctx, k.subject, m.Key, k.time, k.time+1)
	for _, g := range list {
		if deviceHash(g.device) == k.device {
			if o, ok := g.observation(d.cfg.Now()); ok {
				return o, nil
			}
		}
	}
	return nil, err
}

// observation writes the segment: raw integers with factor and origin as the device's, "E" where nothing was measured.
// False when its id has no room or nothing of it lies within the segment.
func (g *segment) observation(now time.Time) (fhir.Resource, bool) {
	id, ok := vitalKey{subject: g.subject, metric: g.metric.Num, time: g.start, device: deviceHash(g.device)}.id()
	end := g.start + int64(waveSpan)
	first, last := int64(math.MaxInt64), int64(0)
	shape := &g.blocks[0]
	for i := range g.blocks {
		if len(g.blocks[i].Data) > len(shape.Data) {
			shape = &g.blocks[i]
		}
	}
	samples := map[int64]int16{}
	for i := range g.blocks {
		b := &g.blocks[i]
		if b.Period != shape.Period || b.Scale != shape.Scale || b.Offset != shape.Offset {
			continue // another scale within ten seconds: the longer stretch is shown
		}
		n := max(0, (g.start-b.Start+b.Period-1)/b.Period)
		for ; n < int64(len(b.Data)) && b.Start+n*b.Period < end; n++ {
			at := b.Start + n*b.Period
			samples[(at-g.start)/b.Period] = b.Data[n]
			first, last = min(first, at), max(last, at)
		}
	}
	if first > last || (last-first)/shape.Period > maxSegmentSamples {
		return nil, false
	}
	var text strings.Builder
	for i := (first - g.start) / shape.Period; i <= (last-g.start)/shape.Period; i++ {
		if text.Len() > 0 {
			text.WriteByte(' ')
		}
		if x, ok := samples[i]; ok && x != vigil.WaveformMissing {
			text.WriteString(strconv.Itoa(int(x)))
		} else {
			text.WriteByte('E')
		}
	}
	status := "final"
	if end > now.UnixNano() {
		status = "preliminary" // it still grows
	}
	at := fhir.Instant(time.Unix(0, g.start))
	o := fhir.New("Observation", id).With("meta", fhir.Resource{"versionId": "1", "lastUpdated": at}).With("status", status).With("code", code(g.metric)).
		With("subject", fhir.Ref(string(g.subject), "")).
		With("effectivePeriod", fhir.Resource{"start": fhir.Instant(time.Unix(0, first)), "end": fhir.Instant(time.Unix(0, last))}).
		With("valueSampledData", fhir.Resource{
			"origin": fhir.Quantity(shape.Offset, g.metric.Unit, g.metric.UCUM), "period": fhir.Decimal(float64(shape.Period) / 1e6),
			"factor": fhir.Decimal(shape.Scale), "dimensions": 1, "data": text.String(),
		})
	if g.device != "" {
		o["device"] = fhir.Ref("Device/"+string(g.device), "")
	}
	return fhir.Normal(o), ok
}
