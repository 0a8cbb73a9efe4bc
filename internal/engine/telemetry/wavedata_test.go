package telemetry

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
)

// TestWaveformsOfPeople codes real curves in blocks as the store keeps them and holds them to half of plain int16.
func TestWaveformsOfPeople(t *testing.T) {
	for _, x := range []struct {
		name    string
		rate    int
		records map[string][][]int16
		most    float64 // of plain int16, in the blocks of the store
	}{
		{"ecg_mitdb", 360, ecgRecords(t), 0.50},
		{"icu_bidmc", 125, icuRecords(t), 0.50},
	} {
		t.Run(x.name, func(t *testing.T) {
			if len(x.records) == 0 {
				t.Skip("the recordings of " + x.name + " are not here; set VIGIL_DATA to the folder that holds them")
			}
			for _, seconds := range []int{1, 30} {
				plain, coded := 0, 0
				for _, name := range sortedKeys(x.records) {
					for _, channel := range x.records[name] {
						for block := range slices.Chunk(channel, seconds*x.rate) {
							plain += 2 * len(block)
							coded += len(codeWave(t, block, x.rate))
						}
					}
				}
				ratio := float64(coded) / float64(plain)
				t.Logf("blocks of %2d s: %d of %d bytes, %.1f %%, %.2f bits a sample", seconds, coded, plain, 100*ratio, 16*ratio)
				if seconds == 30 && ratio > x.most {
					t.Errorf("%.1f %% of plain int16, at most %.1f", 100*ratio, 100*x.most)
				}
			}
		})
	}
}

func sortedKeys[V any](m map[string]V) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// codeWave returns the coded block after it was seen to come back whole.
func codeWave(t *testing.T, data []int16, rate int) []byte {
	t.Helper()
	var s scratch
	b := encodeWave(nil, &vigil.Waveform{Period: int64(1e9) / int64(rate), Scale: 0.005, Data: data}, &s)
	got, err := decodeWave(b, &s)
	if err != nil || !slices.Equal(got.Data, data) {
		t.Fatalf("a block does not come back: %v", err)
	}
	return b
}

// dataFile returns where a recording lies, in VIGIL_DATA or beside the module, or "".
func dataFile(name string) string {
	dirs := []string{os.Getenv("VIGIL_DATA")}
	if dir, err := os.Getwd(); err == nil {
		for range 8 {
			dirs = append(dirs, filepath.Join(dir, "../shared/data"))
			dir = filepath.Dir(dir)
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, name)); dir != "" && err == nil {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

func ecgRecords(t *testing.T) map[string][][]int16 {
	out := map[string][][]int16{}
	names, err := filepath.Glob(filepath.Join(dataFile("ecg_mitdb"), "*.vd.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = [][]int16{differences(t, text)}
	}
	return out
}

func icuRecords(t *testing.T) map[string][][]int16 {
	name := dataFile("icu_bidmc/data.zip")
	if name == "" {
		return nil
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string][][]int16{}
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".vd") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			n := binary.LittleEndian.Uint32(b)
			out[f.Name] = append(out[f.Name], differences(t, b[4:4+n]))
			b = b[4+n:]
		}
	}
	return out
}

// differences reads zig-zag varints of first differences.
func differences(t *testing.T, b []byte) (out []int16) {
	t.Helper()
	x := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			t.Fatal("a recording is cut off")
		}
		x, b = x+d, b[n:]
		out = append(out, int16(x))
	}
	return out
}
