package pebble

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logMark notes, beside the log, the newest offset that was acknowledged. Pebble takes a damaged record at the very end of
// its write-ahead log for a write that was torn off, and drops it without a word; the mark tells such a loss from a record
// that was never acknowledged. It is written after the record is on disk and not synced itself: it survives a kill of the
// process, and a power cut as far as the operating system had written it back. It never claims more than was synced, so
// it raises no false alarm; without it, or with an older one, the log is read as it is.
type logMark struct {
	f   vfs.File
	buf [markLen]byte
}

const (
	markName = "ACKNOWLEDGED"
	markLen  = 8 + 4 // offset and crc32c of it, big-endian
)

// readMark returns the offset in the mark, 0 when there is none or it cannot be read.
func readMark(fs vfs.FS, dir string) uint64 {
	f, err := fs.Open(fs.PathJoin(dir, markName))
	if err != nil {
		return 0
	}
	defer f.Close()
	var b [markLen]byte
	if _, err := io.ReadFull(f, b[:]); err != nil || binary.BigEndian.Uint32(b[8:]) != crc32.Checksum(b[:8], castagnoli) {
		return 0
	}
	return binary.BigEndian.Uint64(b[:])
}

func openMark(fs vfs.FS, dir string) (*logMark, error) {
	name := fs.PathJoin(dir, markName)
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &logMark{f: f}, nil
}

// note writes the offset. An error costs only what the mark is for.
func (m *logMark) note(offset uint64) error {
	binary.BigEndian.PutUint64(m.buf[:], offset)
	binary.BigEndian.PutUint32(m.buf[8:], crc32.Checksum(m.buf[:8], castagnoli))
	_, err := m.f.WriteAt(m.buf[:], 0)
	return err
}

func (m *logMark) close() error { return errors.Join(m.f.Sync(), m.f.Close()) }
