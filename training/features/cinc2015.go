package main

import (
	"archive/zip"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/predict/falsealarm"
)

// alarmOf are the kinds of alarm by the name that the PhysioNet/CinC 2015 records carry.
var alarmOf = map[string]falsealarm.Alarm{
	"Asystole": falsealarm.Asystole, "Bradycardia": falsealarm.ExtremeBrady, "Tachycardia": falsealarm.ExtremeTachy,
	"Ventricular_Tachycardia": falsealarm.VentricularTachy, "Ventricular_Flutter_Fib": falsealarm.VentricularFib,
}

// readAlarms writes one row per record: its name, the kind of alarm, whether it was true, then the features.
func readAlarms(dir string, out *table) error {
	f, err := os.Open(filepath.Join(dir, "index.csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	z, err := zip.OpenReader(filepath.Join(dir, "data.zip"))
	if err != nil {
		return err
	}
	defer z.Close()
	out.head([]string{"record", "alarm", "true_alarm"}, falsealarm.Names())
	for _, row := range rows[1:] { // record,alarm,true_alarm,signals
		kind, ok := alarmOf[row[1]]
		if !ok {
			return fmt.Errorf("record %s has an alarm %q that is not known", row[0], row[1])
		}
		curves, err := readCurves(z, row[0], row[3])
		if err != nil {
			return fmt.Errorf("record %s: %w", row[0], err)
		}
		out.line([]string{row[0], kind.String(), row[2]}, falsealarm.Features(falsealarm.Strip{Alarm: kind, Curves: curves}))
	}
	return nil
}

// readCurves reads the channels "name:unit:scale|…" of a record, 250 samples a second.
func readCurves(z *zip.ReadCloser, record, signals string) (out []falsealarm.Curve, err error) {
	f, err := z.Open(record + ".vd")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	for _, s := range strings.Split(signals, "|") {
		part := strings.Split(s, ":")
		if len(part) != 3 || len(b) < 4 {
			return nil, fmt.Errorf("signal %q does not fit the data", s)
		}
		scale, err := strconv.ParseFloat(part[2], 64)
		n := int(binary.LittleEndian.Uint32(b))
		if err != nil || 4+n > len(b) {
			return nil, fmt.Errorf("signal %q is cut short", s)
		}
		c := falsealarm.Curve{Rate: 250, Data: samples(b[4:4+n], scale)}
		b = b[4+n:]
		switch part[0] {
		case "RESP":
			continue
		case "PLETH":
			c.Kind = falsealarm.Pleth
		case "ABP":
			c.Kind = falsealarm.Pressure
		}
		out = append(out, c)
	}
	return out, nil
}

// samples undoes the differences: zig-zag varints, -32768 for missing.
func samples(b []byte, scale float64) (out []float64) {
	sum := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return out
		}
		b = b[n:]
		sum += d
		if sum == -32768 {
			out = append(out, math.NaN())
			continue
		}
		out = append(out, float64(sum)/scale)
	}
	return out
}
