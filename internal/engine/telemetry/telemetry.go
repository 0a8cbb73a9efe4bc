// Package telemetry keeps samples, waveforms and events by subject and time: append, query, subscribe.
//
// A report is appended to the durable log first and only then acknowledged; series, rules and screens follow the log, and
// a restart replays what the series had not yet made durable. Formats: the log record in reportcodec.go, numeric chunks
// in chunkcodec.go, waveform blocks in wavecodec.go, keys in key.go.
// It does not decode devices' messages (engine/ingest) and owns no files (driver/pebble implements Log and Series).
// Start at Store in store.go; the ports are in port.go and their examination in telemetrytest.
package telemetry
