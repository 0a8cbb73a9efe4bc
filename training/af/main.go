// Command af trains the probability of atrial fibrillation from RR intervals.
//
// It is a tool that made the numbers in internal/engine/signal/afmodel.go and no part of the product: it reads the MIT-BIH
// atrial fibrillation database as RR intervals with rhythms, leaves out one patient after the other to measure, and
// prints the figures and then the model of all patients. The features are those of the product. Start at main.
//
//	go run ./training/af DATA/af_afdb_rr
package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/signal"
)

const stride = 16 // beats between the windows that are learned from

// Rhythms of the data set.
const (
	sinus   = 0
	fibril  = 1
	unknown = -1
)

// row is one window of signal.AFWindow beats.
type row struct {
	f      signal.AFFeatures
	af     bool // more than half of its beats
	pure   bool // all beats in one rhythm, sinus or fibrillation
	weight float64
}

type record struct {
	name string
	rows []row
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: af DIRECTORY, the folder af_afdb_rr")
		os.Exit(2)
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.csv.gz"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no *.csv.gz in %s", os.Args[1])
	}
	var records []record
	for _, f := range files {
		r, err := load(f)
		if err != nil {
			fmt.Fprintln(os.Stderr, "af:", err)
			os.Exit(1)
		}
		records = append(records, r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "af:", err)
		os.Exit(1)
	}
	leaveOneOut(records)
	show(train(records, -1))
}

// leaveOneOut prints how well each patient is told by a model of the others.
func leaveOneOut(records []record) {
	var all, pure score
	for k, r := range records {
		m := train(records, k)
		var one score
		for _, w := range r.rows {
			p := m.probability(w.f)
			one.add(p, w.af)
			all.add(p, w.af)
			if w.pure {
				pure.add(p, w.af)
			}
		}
		fmt.Printf("%s   %s\n", r.name, one)
	}
	fmt.Printf("all windows                     %s  AUROC %.4f\n", all, all.auroc())
	fmt.Printf("windows of one rhythm, AF or SR %s  AUROC %.4f\n", pure, pure.auroc())
}

// score gathers probabilities against the truth.
type score struct {
	p  []float64
	af []bool
}

func (s *score) add(p float64, af bool) { s.p, s.af = append(s.p, p), append(s.af, af) }

func (s score) String() string {
	var hit, n [2]int
	for i, p := range s.p {
		k := 0
		if s.af[i] {
			k = 1
		}
		n[k]++
		if (p >= 0.5) == s.af[i] {
			hit[k]++
		}
	}
	part := func(k int) string {
		if n[k] == 0 {
			return fmt.Sprintf("%6s of %5d", "-", 0)
		}
		return fmt.Sprintf("%6.2f of %5d", 100*float64(hit[k])/float64(n[k]), n[k])
	}
	return "Se " + part(1) + "  Sp " + part(0)
}

// auroc is the probability that a window of fibrillation scores higher than another.
func (s score) auroc() float64 {
	order := make([]int, len(s.p))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool { return s.p[order[a]] < s.p[order[b]] })
	var ranks, pos float64
	for i := 0; i < len(order); {
		k := i
		for k < len(order) && s.p[order[k]] == s.p[order[i]] {
			k++
		}
		middle := float64(i+k+1) / 2
		for ; i < k; i++ {
			if s.af[order[i]] {
				ranks += middle
				pos++
			}
		}
	}
	return (ranks - pos*(pos+1)/2) / pos / (float64(len(s.p)) - pos)
}

// load reads the windows of one patient.
func load(path string) (record, error) {
	r := record{name: strings.TrimSuffix(filepath.Base(path), ".csv.gz")}
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return r, err
	}
	var rr []float64
	var rhythm []int
	lines := bufio.NewScanner(z)
	lines.Scan() // the header
	for lines.Scan() {
		ms, label, _ := strings.Cut(lines.Text(), ",")
		v, err := strconv.ParseFloat(ms, 64)
		if err != nil {
			return r, err
		}
		l, err := strconv.Atoi(label)
		if err != nil {
			return r, err
		}
		rr, rhythm = append(rr, min(3, max(0.2, v/1000))), append(rhythm, l)
	}
	for i := 0; i+signal.AFWindow <= len(rr); i += stride {
		counts := map[int]int{}
		for _, l := range rhythm[i : i+signal.AFWindow] {
			counts[l]++
		}
		if counts[unknown] > 0 {
			continue
		}
		r.rows = append(r.rows, row{
			f: signal.FeaturesOf(rr[i : i+signal.AFWindow]), af: 2*counts[fibril] > signal.AFWindow,
			pure: counts[fibril] == signal.AFWindow || counts[sinus] == signal.AFWindow,
		})
	}
	return r, lines.Err()
}
