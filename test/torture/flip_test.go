package torture_test

import (
	"bytes"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

var flips = flag.Int("torture.flips", 60, "bit flips in files of the stores")

// flipCounts says what became of flipped bits.
type flipCounts struct{ flips, refused, told, served, harmless, silent, wrong int }

// TestBitFlips flips single bits in files of every kind: what comes out is right, and what is missing is spoken of.
func TestBitFlips(t *testing.T) {
	rnd := random(t)
	_, img, _, l := killedImage(t)
	var c flipCounts
	kinds := map[string]*flipCounts{}
	for range *flips {
		name := pick(rnd, img)
		bad := bytes.Clone(img[name])
		at := rnd.IntN(len(bad))
		bad[at] ^= 1 << rnd.IntN(8)
		kind := kindOf(name)
		if kinds[kind] == nil {
			kinds[kind] = &flipCounts{}
		}
		dir, remove := img.write(t, name, bad)
		f, err := examine(dir, l.next)
		remove()
		for _, c := range []*flipCounts{&c, kinds[kind]} {
			if c.flips++; err != nil {
				c.refused++
				continue
			}
			v := judge(l, f)
			c.take(v, f)
		}
		if err == nil {
			if v := judge(l, f); v.invented > 0 || v.lost > 0 && len(f.told) == 0 {
				t.Errorf("byte %d of %d of %s: %v", at, len(bad), name, v.text[:min(8, len(v.text))])
			}
		}
	}
	rows := []row{
		{"bits flipped in files of the stores", c.flips},
		{"refused to open, saying why", c.refused},
		{"found while reading, counted and said", c.told},
		{"  of them with everything that was not hit still served (not a loss)", c.served},
		{"hit nothing that is read: everything was there", c.harmless},
		{"  something missing without a word", c.silent},
		{"  something wrong came out", c.wrong},
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[kind]
		t.Logf("%-24s %4d flips: %d refused, %d told, %d harmless, %d silent, %d wrong", kind, k.flips, k.refused, k.told, k.harmless, k.silent, k.wrong)
	}
	publish(t, "Bit flips in every kind of file", rows)
}

func (c *flipCounts) take(v verdict, f *found) {
	switch {
	case v.invented > 0:
		c.wrong++
	case len(f.told) > 0:
		c.told++
		if v.lost < v.checked {
			c.served++
		}
	case v.lost > 0:
		c.silent++
	default:
		c.harmless++
	}
}

// pick chooses a file: every second time by its size, else any file that holds something.
func pick(rnd *rand.Rand, img image) string {
	var names []string
	total := 0
	for name, b := range img {
		if len(b) > 0 {
			names = append(names, name)
			total += len(b)
		}
	}
	slices.Sort(names)
	if rnd.IntN(2) == 0 {
		return names[rnd.IntN(len(names))]
	}
	at := rnd.IntN(total)
	for _, name := range names {
		if at -= len(img[name]); at < 0 {
			return name
		}
	}
	return names[0]
}
