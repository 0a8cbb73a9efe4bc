package torture_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

var tears = flag.Int("torture.tears", 12, "places at which the end of every log is torn; the last bytes are torn one by one")

// TestTornEnd cuts the end of every log file off, or fills it with noise, at byte after byte of what was written last:
// everything acknowledged before that is there.
func TestTornEnd(t *testing.T) {
	rnd := random(t)
	early, late, before, all := killedImage(t)
	var torn, checked, lost, invented int
	files := map[string]int{}
	for name, b := range late {
		if !isLog(name) {
			continue
		}
		from, to := tail(early[name], b)
		for _, at := range places(from, to) {
			for _, noise := range []bool{false, true} {
				bad := bytes.Clone(b[:at])
				if noise {
					bad = append(bad, randomBytes(rnd, to-at)...)
				}
				dir, remove := late.write(t, name, bad)
				f, err := examine(dir, all.next)
				remove()
				torn++
				files[kindOf(name)]++
				if err != nil {
					t.Errorf("%s torn at %d of %d (noise: %v): the stores do not open: %v", name, at, len(b), noise, err)
					continue
				}
				f.allow(all, before)
				v := judge(before, f)
				checked, lost, invented = checked+v.checked, lost+v.lost, invented+v.invented
				for _, s := range v.text {
					t.Errorf("%s torn at %d of %d (noise: %v): %s", name, at, len(b), noise, s)
				}
			}
		}
	}
	rows := []row{{"ends torn or filled with noise", torn}}
	for kind, n := range files {
		rows = append(rows, row{"of them " + kind, n})
	}
	publish(t, "Torn ends of every log", append(rows,
		row{"acknowledged writes looked up", checked}, row{"  lost", lost}, row{"  stored and never written, or written otherwise", invented}))
}

// places are evenly spread over the stretch, and half of them lie one by one at its end.
func places(from, to int) (out []int) {
	for at := from; at < to; at += max(1, 2*(to-from) / *tears) {
		out = append(out, at)
	}
	for at := max(from, to-*tears/2); at < to; at++ {
		out = append(out, at)
	}
	return out
}

// isLog says whether a file is written at its end: Pebble's logs and manifests, SQLite's journal.
func isLog(name string) bool {
	return strings.HasSuffix(name, ".log") || strings.HasSuffix(name, "-wal") || strings.Contains(name, "MANIFEST")
}

// kindOf names the kind of a file.
func kindOf(name string) string {
	base := filepath.Base(name)
	switch {
	case strings.HasPrefix(base, "MANIFEST"):
		return "Pebble manifest"
	case strings.HasPrefix(base, "OPTIONS"):
		return "Pebble options"
	case strings.HasPrefix(base, "marker."):
		return "Pebble marker"
	case strings.HasSuffix(base, ".sst"):
		return "Pebble table"
	case strings.HasSuffix(base, ".log"):
		return "Pebble write-ahead log"
	case strings.HasSuffix(base, "-wal"):
		return "SQLite journal"
	case strings.HasSuffix(base, "-shm"):
		return "SQLite shared memory"
	case strings.HasSuffix(base, ".db"):
		return "SQLite database"
	case strings.HasPrefix(name, "tls"):
		return "certificate or key"
	}
	return base
}

// tail returns the stretch of b that was written after it was a.
func tail(a, b []byte) (from, to int) {
	for from < min(len(a), len(b)) && a[from] == b[from] {
		from++
	}
	for to = len(b); to > from && b[to-1] == 0 && (to > len(a) || a[to-1] == 0); to-- {
	}
	if from == len(b) {
		return 0, 0 // nothing was
	}
	return from, to
}

func randomBytes(rnd *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rnd.Uint32())
	}
	return out
}

// allow takes from what was found the numbers that were written later than the ledger knows.
func (f *found) allow(all, before *ledger) {
	for kind, m := range f.has {
		for n := range m {
			if n >= before.next && n < all.next {
				delete(f.has[kind], n)
			}
		}
	}
}
