package telemetry

import (
	"context"
	"errors"
)

// ErrStop, returned by the function given to Log.Read or Series.Scan, ends the reading without an error.
var ErrStop = errors.New("stop reading")

// Record is one group commit in the log. Data is sealed by the store with CRC32C; the log does not look inside.
type Record struct {
	Offset uint64 // position in the log, from 1, strictly increasing
	At     int64  // Unix nanoseconds of the commit by the server clock, never decreasing
	Data   []byte
}

// Log is the durable, ordered record of what was acknowledged. The store is its only writer; reads may run at any time
// beside it. Every method returns a vigil.Error of kind Unavailable when the disk fails and Internal for the rest.
type Log interface {
	// Append writes one record and returns its offset once it would survive a power cut. An error means that it may or
	// may not be there; after the first error every later call returns one, and nothing is retried.
	Append(ctx context.Context, at int64, data []byte) (offset uint64, err error)
	// Read calls fn for every record from the offset on, in order. Data is valid during the call only. Records that the
	// medium lost are left out and counted in Stats.
	Read(ctx context.Context, from uint64, fn func(Record) error) error
	// Seek returns the offset of the first record with At at or after the time, or Next when there is none.
	Seek(ctx context.Context, at int64) (offset uint64, err error)
	// Replace writes another content under an existing record's offset and At, durably: for erasure.
	Replace(ctx context.Context, r Record) error
	// Truncate forgets the records before the offset.
	Truncate(ctx context.Context, before uint64) error
	// Stats says what the log holds. It does not touch the disk.
	Stats() LogStats
	Close() error
}

// LogStats describes a log.
type LogStats struct {
	First uint64 // oldest offset kept; equal to Next when empty
	Next  uint64 // offset that the next record gets, never reused
	Bytes int64  // on disk, about
	Lost  uint64 // records or stretches of records that the medium lost, found while reading
	Fault error  // why nothing is accepted any more, nil while healthy
	// Trouble is background work that is being retried, for example because the disk is full; "" when there is none.
	Trouble string
}

// Entry is one key and its value. A nil value deletes the key.
type Entry struct{ Key, Value []byte }

// Series keeps values under byte-ordered keys that start with the subject. Writes become durable at Flush only: the log
// covers what came after. All methods may be called concurrently and return Unavailable when the disk fails.
type Series interface {
	// Write stores the entries atomically: after a crash either all of them or none are there. It keeps no buffer of the caller.
	Write(ctx context.Context, entries []Entry) error
	// Scan calls fn for every key in [from, to), in order. Key and value are valid during the call only. Stretches that
	// the medium lost are left out and counted in Stats.
	Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error
	// Last returns a copy of the greatest key in [from, to) and its value, or nils when there is none.
	Last(ctx context.Context, from, to []byte) (key, value []byte, err error)
	// DeleteRange removes every key in [from, to) and returns when the removal is durable.
	DeleteRange(ctx context.Context, from, to []byte) error
	// Drop removes every key in [from, to); the removal is durable at Flush, as a write is, and in order with the writes.
	Drop(ctx context.Context, from, to []byte) error
	// Flush returns when everything written before the call is durable.
	Flush(ctx context.Context) error
	// Stats says what the store holds.
	Stats() SeriesStats
	Close() error
}

// SeriesStats describes a series store.
type SeriesStats struct {
	Bytes int64  // on disk, about
	Lost  uint64 // stretches that the medium lost, found while reading
	Fault error  // why nothing is accepted any more, nil while healthy
	// Trouble is background work that is being retried, for example because the disk is full; "" when there is none.
	Trouble string
}
