// Package telemetry keeps samples, waveforms and events by subject and time: append, query, subscribe.
//
// A report is appended to the durable log first and only then acknowledged; series, rules and screens follow the log.
// It does not decode devices' messages (engine/ingest) and owns no files (driver/pebble implements Log and Series).
// Start at Store; the ports are in port.go.
package telemetry
