package sim

import (
	"errors"
	"io"
	"io/fs"
)

// DrainVD decodes a .vd record to its end and returns how many samples it had.
func DrainVD(data []byte, signals string, rate int, framed bool) (int, error) {
	s, err := parseSignals(signals)
	if err != nil {
		return 0, err
	}
	v, err := openVD(data, s, max(1, rate%1000), framed)
	if err != nil {
		return 0, err
	}
	return drain(v)
}

// DrainWFDB decodes a record to its end and returns how many samples it had.
func DrainWFDB(dir fs.FS, h *WFDBHeader) (int, error) {
	w, err := openWFDB(dir, h, 1<<40)
	if err != nil {
		return 0, err
	}
	return drain(w)
}

func drain(w waveSource) (n int, err error) {
	defer func() { err = errors.Join(err, w.Close()) }()
	for {
		block, err := w.next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		for _, c := range block {
			n += len(c)
		}
	}
}
