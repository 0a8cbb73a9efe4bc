package main

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/vigil-health/vigil/internal/engine/predict/deterioration"
)

// columns of the PhysioNet/CinC 2019 rows that are vital signs, in the order of deterioration.Hour.
var columns = [deterioration.Vitals]string{"HR", "O2Sat", "Temp", "SBP", "MAP", "DBP", "Resp"}

// readSepsis writes one row per patient and hour: pid, label and the two time-in-unit columns for comparison, then the
// features of the product.
func readSepsis(path string, out *table) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	in := csv.NewReader(z)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return err
	}
	s := sepsis{at: map[string]int{}}
	for i, name := range head {
		s.at[name] = i
	}
	for _, name := range append(slices.Clone(columns[:]), "pid", "Age", "Gender", "ICULOS", "HospAdmTime", "SepsisLabel") {
		if _, ok := s.at[name]; !ok {
			return fmt.Errorf("%s has no column %s", path, name)
		}
	}
	names := deterioration.Names()
	text := make([]string, len(names))
	for i, n := range names {
		text[i] = n.Key()
	}
	out.head([]string{"pid", "label", "ICULOS", "HospAdmTime"}, text)
	for {
		row, err := in.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.take(row, out)
	}
}

// sepsis gathers the hours of the patient whose rows are being read.
type sepsis struct {
	at    map[string]int
	pid   string
	chart deterioration.Chart
	buf   []float32
}

func (s *sepsis) take(row []string, out *table) {
	if pid := row[s.at["pid"]]; pid != s.pid {
		s.pid, s.chart = pid, deterioration.Chart{Hours: s.chart.Hours[:0]}
	}
	h := deterioration.NoHour()
	for v, name := range columns {
		h[v] = number(row[s.at[name]])
	}
	s.chart.Hours = append(s.chart.Hours, h)
	s.chart.Age, s.chart.Male = number(row[s.at["Age"]]), number(row[s.at["Gender"]])
	s.buf = deterioration.Features(s.buf[:0], s.chart)
	out.line([]string{s.pid, row[s.at["SepsisLabel"]], row[s.at["ICULOS"]], row[s.at["HospAdmTime"]]}, s.buf)
}

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}
