package signal

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func dataDir(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("VIGIL_DATA"), "../../../../shared/data", "../../../../../shared/data"} {
		if dir == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	t.Skip("skipped: no real recordings here; name their folder with VIGIL_DATA")
	return ""
}

func gunzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// varints restores one channel: the running sum of first differences.
func varints(b []byte) []int16 {
	var out []int16
	sum := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			break
		}
		sum += d
		out = append(out, int16(sum))
		b = b[n:]
	}
	return out
}

// channels splits a record of several channels.
func channels(b []byte) [][]int16 {
	var out [][]int16
	for len(b) >= 4 {
		n := int(binary.LittleEndian.Uint32(b))
		if 4+n > len(b) {
			break
		}
		out = append(out, varints(b[4:4+n]))
		b = b[4+n:]
	}
	return out
}

type annotation struct {
	at  int64
	sym string
	aux string
}

func annotations(t testing.TB, path string) []annotation {
	var out []annotation
	sc := bufio.NewScanner(bytes.NewReader(gunzip(t, path)))
	sc.Scan()
	for sc.Scan() {
		f := strings.SplitN(sc.Text(), ",", 3)
		at, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, annotation{at, f[1], f[2]})
	}
	return out
}
