package telemetry

import (
	"encoding/binary"
	"hash/crc32"
)

func putSum(b []byte) { binary.LittleEndian.PutUint32(b[1:], crc32.Checksum(b[5:], castagnoli)) }
