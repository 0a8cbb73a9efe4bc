package sim

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
)

// Reading says how recordings are read that do not explain themselves.
type Reading struct {
	Columns Columns
	Signals string   // of .vd records: "II:mV:500|PLETH:NU:1000"
	Rate    int      // of .vd records
	Only    []string // record ids; all when empty
	voice   monitorVoice
}

// OpenRecordings opens files and directories. What it can be is in docs/guide/replay.md; its Invalid error says what was
// met and how to mend it.
func OpenRecordings(paths []string, how Reading) (out []*Recording, err error) {
	if how.voice, err = newVoice(); err != nil {
		return nil, err
	}
	for _, p := range paths {
		list, err := openPath(p, how)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if r.ID == "" {
				r.ID = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(p), ".gz"), filepath.Ext(strings.TrimSuffix(p, ".gz")))
			}
			if len(how.Only) == 0 || slices.Contains(how.Only, r.ID) {
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "no record is left to play; --only names records by their id")
	}
	return out, nil
}

func openPath(p string, how Reading) ([]*Recording, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s cannot be read: %w", p, err)
	}
	if info.IsDir() {
		return openFolder(p, how)
	}
	dir, name := os.DirFS(filepath.Dir(p)), filepath.Base(p)
	switch base := strings.TrimSuffix(name, ".gz"); strings.ToLower(filepath.Ext(base)) {
	case ".csv":
		return openTable(dir, name, p, how.Columns)
	case ".hea":
		return one(recordWFDB(dir, name, how.voice))
	case ".dat":
		return one(recordWFDB(dir, strings.TrimSuffix(base, ".dat")+".hea", how.voice))
	case ".vd":
		signals, err := how.signals(p)
		if err != nil {
			return nil, err
		}
		data, err := readSome(dir, name, vdBytes)
		if err != nil {
			return nil, err
		}
		return one(recordVD(strings.TrimSuffix(base, ".vd"), data, signals, vdLayout{how.Rate, len(signals) > 1, how.voice}))
	case ".zip":
		signals, err := how.signals(p)
		if err != nil {
			return nil, err
		}
		return openZip(p, vdLayout{how.Rate, len(signals) > 1, how.voice}, func(string) []vdSignal { return signals })
	}
	return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s is no recording that is known: .csv, .hea with .dat (WFDB), .vd, each also .gz, a .zip of .vd, or a directory", p)
}

func one(r *Recording, err error) ([]*Recording, error) {
	if err != nil {
		return nil, err
	}
	return []*Recording{r}, nil
}

func (how Reading) signals(p string) ([]vdSignal, error) {
	if how.Signals == "" || how.Rate == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s does not say what it holds; name it with --signals NAME:UNIT:SCALE and --rate, such as --signals MLII:mV:200:1024 --rate 360", p)
	}
	return parseSignals(how.Signals)
}

func openTable(dir fs.FS, name, shown string, cols Columns) (out []*Recording, err error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s cannot be read: %w", shown, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var in io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s is not gzip: %s", shown, err)
		}
	}
	return ReadCSV(shown, in, cols)
}

// readSome reads a whole file, unpacked when it is gzip, of at most so many bytes.
func readSome(dir fs.FS, name string, most int64) (data []byte, err error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s cannot be read: %w", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var in io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s is not gzip: %s", name, err)
		}
	}
	if data, err = io.ReadAll(io.LimitReader(in, most+1)); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s cannot be read: %w", name, err)
	}
	if int64(len(data)) > most {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s is larger than %d MB; split it", name, most>>20)
	}
	return data, nil
}

// openFolder recognises a directory as a whole.
func openFolder(p string, how Reading) ([]*Recording, error) {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(p, name))
		return err == nil
	}
	switch {
	case has("numerics_1hz.csv.gz") && has("data.zip"):
		return openStays(p, how)
	case has("index.csv") && has("data.zip"):
		return openIndexed(p, how)
	}
	found, err := filepath.Glob(filepath.Join(p, "*.hea"))
	if err != nil || len(found) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "the directory %s is not recognised: it may hold numerics_1hz.csv.gz with data.zip, index.csv with data.zip, or WFDB headers (.hea); else name the files", p)
	}
	var out []*Recording
	for _, name := range found {
		r, err := recordWFDB(os.DirFS(p), filepath.Base(name), how.voice)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// staySignals is what data.zip of a set of stays holds, in this order, at 125 Hz: the BIDMC set.
const (
	staySignals = "PLETH:NU:1000|II:mV:500|RESP:NU:1000"
	stayRate    = 125
)

// openStays reads numbers of many stays with their waveforms and what is known of the patients.
func openStays(p string, how Reading) ([]*Recording, error) {
	out, err := openTable(os.DirFS(p), "numerics_1hz.csv.gz", filepath.Join(p, "numerics_1hz.csv.gz"), Columns{})
	if err != nil {
		return nil, err
	}
	signals, err := parseSignals(staySignals)
	if err != nil {
		return nil, err
	}
	archive := filepath.Join(p, "data.zip")
	waves, err := openZip(archive, vdLayout{stayRate, true, how.voice}, func(string) []vdSignal { return signals })
	if err != nil {
		return nil, err
	}
	facts, err := zipTexts(archive, ".fix.txt")
	if err != nil {
		return nil, err
	}
	for _, r := range out {
		for _, w := range waves {
			if w.ID == r.ID {
				r.Signals, r.open, r.Lasts = w.Signals, w.open, max(r.Lasts, w.Lasts)
				r.Left = append(slices.Clone(r.Left), w.Left...)
			}
		}
		r.describe(facts[r.ID])
	}
	return out, nil
}

// describe takes age, sex and unit from the facts of a stay.
func (r *Recording) describe(text string) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if source, _, ok := strings.Cut(line, "_"); ok && i == 0 {
			r.Source = strings.ToUpper(source)
		}
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Age":
			if age, err := strconv.Atoi(value); err == nil && age > 0 && age < 130 {
				r.Age = age
			}
		case "Gender":
			if value == "M" || value == "F" {
				r.Sex = value
			}
		case "Location":
			r.Unit = value
		}
	}
}

// openIndexed reads a set with an index of its records and their signals, such as the CinC 2015 alarms.
func openIndexed(p string, how Reading) ([]*Recording, error) {
	text, err := readSome(os.DirFS(p), "index.csv", 16<<20)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	head := strings.Split(strings.TrimSpace(lines[0]), ",")
	id, col := slices.Index(head, "record"), slices.Index(head, "signals")
	if id < 0 || col < 0 {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s/index.csv:1: the columns record and signals are needed", p)
	}
	signals := map[string][]vdSignal{}
	for i, line := range lines[1:] {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) != len(head) {
			return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s/index.csv:%d: %d columns instead of %d", p, i+2, len(f), len(head))
		}
		if len(how.Only) > 0 && !slices.Contains(how.Only, f[id]) {
			continue
		}
		if signals[f[id]], err = parseSignals(f[col]); err != nil {
			return nil, err
		}
	}
	if how.Rate == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "replay.open", "%s does not say how many samples a second it has; name it with --rate", p)
	}
	return openZip(filepath.Join(p, "data.zip"), vdLayout{how.Rate, true, how.voice}, func(id string) []vdSignal { return signals[id] })
}

// openZip reads the .vd records of an archive; records without signals are passed over.
func openZip(p string, layout vdLayout, signals func(id string) []vdSignal) (out []*Recording, err error) {
	err = eachEntry(p, ".vd", func(id string, data []byte) error {
		s := signals(id)
		if s == nil {
			return nil
		}
		r, err := recordVD(id, data, s, layout)
		out = append(out, r)
		return err
	}, func(id string) bool { return signals(id) != nil })
	return out, err
}

func zipTexts(p, suffix string) (map[string]string, error) {
	out := map[string]string{}
	err := eachEntry(p, suffix, func(id string, data []byte) error {
		out[id] = string(data)
		return nil
	}, func(string) bool { return true })
	return out, err
}

func eachEntry(p, suffix string, fn func(id string, data []byte) error, want func(id string) bool) (err error) {
	z, err := zip.OpenReader(p)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "replay.open", "%s is no zip archive: %w", p, err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	for _, f := range z.File {
		id, ok := strings.CutSuffix(path.Base(strings.TrimSuffix(f.Name, ".gz")), suffix)
		if !ok || !want(id) {
			continue
		}
		data, err := readSome(z, f.Name, vdBytes)
		if err != nil {
			return err
		}
		if err := fn(id, bytes.Clone(data)); err != nil {
			return err
		}
	}
	return nil
}
