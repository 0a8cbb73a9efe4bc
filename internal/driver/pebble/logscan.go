package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vigil-health/vigil"
)

const recordKeyLen = 1 + 8 + 8 + 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newestWritten returns the greatest offset whose key stands anywhere in the write-ahead logs of the directory, and whether
// the last record of one is there in part or damaged. Pebble takes a damaged record near the end of its write-ahead log
// for a torn write and drops it with all that follows; this makes the loss known.
func newestWritten(dir string, o Options) (newest uint64, torn bool, err error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, vigil.Errorf(vigil.Unavailable, "telemetry.log", "the disk failed: %w", err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		b, err := readFile(fs, fs.PathJoin(dir, name))
		if err != nil {
			return 0, false, vigil.Errorf(vigil.Unavailable, "telemetry.log", "the disk failed: %w", err)
		}
		newest = max(newest, newestKey(b))
		number, err := strconv.ParseUint(strings.TrimSuffix(name, ".log"), 10, 32)
		torn = torn || err == nil && endTorn(b, uint32(number))
	}
	return newest, torn, nil
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

// Chunks of Pebble's write-ahead log, in blocks of 32 KB: sum 4, size 2, kind 1, number of the log 4, in the kinds from 9 on
// also the synced offset 8, then data; the sum covers everything after the size (pebble/record). A log file may be a used
// one: behind its last chunk lies what an older log, with another number, left there.
const (
	walBlock     = 32 << 10
	walHeader    = 11
	walSyncFirst = 9
	walSyncMore  = 8
)

// endTorn says whether a chunk of this log stands where its last good one ends.
func endTorn(b []byte, number uint32) bool {
	for at := 0; at+walHeader <= len(b); {
		if walBlock-at%walBlock < walHeader {
			at += walBlock - at%walBlock
			continue
		}
		n, ok := walChunk(b[at:min(len(b), at-at%walBlock+walBlock)], number)
		if !ok {
			return ours(b[at:], number)
		}
		at += n
	}
	return false
}

// walChunk returns the length of the good chunk of this log at the beginning of b.
func walChunk(b []byte, number uint32) (n int, ok bool) {
	head := walHeader
	if b[6] >= walSyncFirst {
		head += walSyncMore
	}
	n = head + int(binary.LittleEndian.Uint16(b[4:]))
	if n > len(b) || binary.LittleEndian.Uint32(b[7:]) != number {
		return 0, false
	}
	return n, binary.LittleEndian.Uint32(b) == walSum(b[6:n])
}

func walSum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// ours says whether a bad chunk belongs to this log: it has its number, or would be good if it had.
func ours(b []byte, number uint32) bool {
	if binary.LittleEndian.Uint32(b[7:]) == number {
		return true
	}
	b = bytes.Clone(b[:min(len(b), walBlock)])
	binary.LittleEndian.PutUint32(b[7:], number)
	_, ok := walChunk(b, number)
	return ok
}
