package pebble

import (
	"github.com/cockroachdb/pebble/v2"
)

// Snapshot puts a copy of the database as it is on disk now into the directory, which must not exist: what never changes
// as hard links, the rest copied. Of the series it holds what was flushed, of the log everything acknowledged. Writes go on meanwhile.
func (d *db) Snapshot(dir string) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.inside.Done()
	return d.guard(func() error { return d.p.Checkpoint(dir, pebble.WithFlushedWAL()) })
}
