package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vigil-health/vigil"
)

const recordKeyLen = 1 + 8 + 8 + 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newestWritten returns the greatest offset whose key stands anywhere in the write-ahead logs of the directory. Pebble
// takes a damaged record near the end of its write-ahead log for a torn write and drops it with all that follows; this
// makes the loss known.
func newestWritten(dir string, o Options) (uint64, error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, vigil.Errorf(vigil.Unavailable, "telemetry.log", "the disk failed: %w", err)
	}
	newest := uint64(0)
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		b, err := readFile(fs, fs.PathJoin(dir, name))
		if err != nil {
			return 0, vigil.Errorf(vigil.Unavailable, "telemetry.log", "the disk failed: %w", err)
		}
		newest = max(newest, newestKey(b))
	}
	return newest, nil
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name, vfs.SequentialReadsOption)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

func newestKey(b []byte) uint64 {
	newest := uint64(0)
	for {
		i := bytes.IndexByte(b, logRecord)
		if i < 0 || len(b)-i < recordKeyLen {
			return newest
		}
		key := b[i : i+recordKeyLen]
		if binary.BigEndian.Uint32(key[17:]) == crc32.Checksum(key[:17], castagnoli) {
			newest = max(newest, binary.BigEndian.Uint64(key[1:]))
		}
		b = b[i+1:]
	}
}
