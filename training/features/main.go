// Command features writes the features of a model's training set as CSV, made by the code that runs in the product.
//
// It is a tool of the training programs in this folder and no part of the product: it reads the public data sets that the
// models are trained on, and computes nothing itself. Start at main.
//
//	go run ./training/features deterioration DATA/sepsis_cinc2019/hospA_dev.csv.gz > out.csv
//	go run ./training/features falsealarm DATA/alarms_cinc2015 > out.csv
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "features:", err)
		os.Exit(1)
	}
}

// kinds are the training sets that can be read.
var kinds = map[string]func(path string, out *table) error{
	"deterioration": readSepsis,
	"falsealarm":    readAlarms,
}

func run(args []string, out io.Writer) error {
	if len(args) != 2 || kinds[args[0]] == nil {
		return fmt.Errorf("say what and from where: features deterioration|falsealarm PATH")
	}
	w := bufio.NewWriterSize(out, 1<<20)
	if err := kinds[args[0]](args[1], &table{w: w}); err != nil {
		return err
	}
	return w.Flush()
}

// table writes CSV rows of text columns followed by numbers; NaN is an empty field.
type table struct {
	w   *bufio.Writer
	row []byte
}

func (t *table) head(text []string, numbers []string) {
	for i, s := range append(append([]string(nil), text...), numbers...) {
		if i > 0 {
			t.row = append(t.row, ',')
		}
		t.row = append(t.row, s...)
	}
	t.end()
}

func (t *table) line(text []string, numbers []float32) {
	for i, s := range text {
		if i > 0 {
			t.row = append(t.row, ',')
		}
		t.row = append(t.row, s...)
	}
	for _, v := range numbers {
		t.row = append(t.row, ',')
		if v == v {
			t.row = strconv.AppendFloat(t.row, float64(v), 'g', -1, 32)
		}
	}
	t.end()
}

func (t *table) end() {
	t.row = append(t.row, '\n')
	t.w.Write(t.row) //nolint:errcheck // Flush says it
	t.row = t.row[:0]
}
