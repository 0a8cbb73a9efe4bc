package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// metrics reads the engines' own counters when it is scraped; the path of a sample pays nothing for it.
type metrics struct{ e *Engines }

func newMetrics(e *Engines) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), metrics{e})
	return r
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("vigil_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector; the metrics are described as they are collected.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m metrics) Collect(out chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	passed, failed := desc("ingest_step_passed_total", "Messages that passed a step.", "step"), desc("ingest_step_stopped_total", "Messages that a step set aside.", "step")
	for _, s := range m.e.Ingest.Steps() {
		count(passed, float64(s.Passed.Load()), s.Name)
		count(failed, float64(s.Failed.Load()), s.Name)
	}
	count(desc("ingest_values_total", "Values handed to the log."), float64(m.e.Ingest.Values()))
	h := m.e.Telemetry.Health()
	ack := 0.0
	if h.Acknowledging {
		ack = 1
	}
	gauge(desc("telemetry_acknowledging", "1 while the store acknowledges."), ack)
	count(desc("telemetry_reports_total", "Reports acknowledged since start."), float64(h.Appended))
	count(desc("telemetry_log_bytes_total", "Bytes logged since start."), float64(h.Bytes))
	gauge(desc("telemetry_queue", "Reports that wait for the disk."), float64(h.QueueLen))
	count(desc("records_damaged_total", "Reads of records that met a damaged page and were refused."), float64(m.e.db.Health().Damaged))
	count(desc("telemetry_damaged_total", "Damaged records met and left out."), float64(h.Quarantined))
	count(desc("telemetry_expired_total", "Samples, waveforms and events that arrived older than is kept."), float64(h.Retention.Expired))
	gauge(desc("telemetry_holds", "Legal holds."), float64(h.Retention.Held))
	blocks, bytes := desc("telemetry_dropped_blocks_total", "Stored blocks that retention dropped.", "class"), desc("telemetry_dropped_bytes_total", "Bytes that retention dropped.", "class")
	for class, n := range h.Retention.Dropped {
		count(blocks, float64(n.Blocks), string(class))
		count(bytes, float64(n.Bytes), string(class))
	}
	m.outlets(count, gauge)
	m.gate(count, gauge)
	ctx, cancel := context.WithTimeout(access.AsSystem(context.Background(), "metrics"), 2*time.Second)
	defer cancel()
	if counts, err := m.e.db.Quarantine().Counts(ctx, ""); err == nil {
		d := desc("ingest_quarantine", "Messages that wait in the quarantine.", "reason")
		for _, c := range counts {
			gauge(d, float64(c.Count), string(c.Reason))
		}
	}
	if open, err := m.e.Desk.Open(ctx, alarm.Filter{}); err == nil {
		n := map[vigil.Priority]int{}
		for _, a := range open {
			n[a.Priority]++
		}
		d := desc("alarm_open", "Items on the desk.", "priority")
		for p := vigil.PriorityNone; p <= vigil.PriorityHigh; p++ {
			gauge(d, float64(n[p]), p.String())
		}
	}
}

// gate says what waits for its turn and what was not taken.
func (m metrics) gate(count, gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	s := m.e.Gate.State()
	level := desc("gate_level", "1 for the level that holds.", "level")
	for _, name := range []string{"healthy", "busy", "overloaded"} {
		v := 0.0
		if s.Level == name {
			v = 1
		}
		gauge(level, v, name)
	}
	gauge(desc("gate_waiting_messages", "Messages that wait for their turn."), float64(s.Messages))
	gauge(desc("gate_waiting_bytes", "Payload that waits for its turn."), float64(s.Waiting))
	gauge(desc("gate_on_the_way_messages", "Messages that had their turn and are not on disk yet."), float64(s.Away))
	gauge(desc("gate_over_quota_devices", "Devices that wait for their quota."), float64(s.Over))
	count(desc("gate_paused_total", "Times that a connection was left unread, or a request put off, for its quota."), float64(s.Paused))
	held, refused := desc("gate_held_total", "Messages that had to wait.", "class"), desc("gate_refused_total", "Messages that were not taken.", "class")
	for class, n := range s.Held {
		count(held, float64(n), class)
		count(refused, float64(s.Refused[class]), class)
	}
}

// outlets says how what is sent on gets on.
func (m metrics) outlets(count, gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	for _, o := range m.e.Outlets {
		s := o.Stats()
		count(desc("outlet_sent_samples_total", "Samples that the receiver took.", "outlet"), float64(s.Sent), o.name)
		count(desc("outlet_dropped_samples_total", "Samples that the receiver refused for good.", "outlet"), float64(s.Dropped), o.name)
		count(desc("outlet_retries_total", "Requests that were tried again.", "outlet"), float64(s.Retries), o.name)
		count(desc("outlet_lost_records_total", "Log records that were forgotten before they were sent.", "outlet"), float64(s.Lost), o.name)
		gauge(desc("outlet_behind_records", "Log records that wait.", "outlet"), float64(s.Records), o.name)
		gauge(desc("outlet_behind_seconds", "How long ago what was sent last was received, while more waits.", "outlet"), s.Behind.Seconds(), o.name)
	}
}
