package exportapi

import (
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Record is a row of the Parquet file, in the columns of the CSV. Value is null where nothing was measured and for events.
type Record struct {
	Time    int64    `parquet:"time,timestamp(nanosecond),delta"`
	Kind    string   `parquet:"kind,dict"`
	Subject string   `parquet:"subject,dict"`
	Metric  string   `parquet:"metric,dict"`
	Device  string   `parquet:"device,dict"`
	Value   *float64 `parquet:"value,optional"`
	Unit    string   `parquet:"unit,dict"`
	Quality string   `parquet:"quality,dict"`
	LOINC   string   `parquet:"loinc,dict"`
	MDC     string   `parquet:"mdc,dict"`
	Data    string   `parquet:"data"`
}

const (
	batchRows = 1024   // handed over at a time
	groupRows = 65_536 // held in memory until they are written
)

func newParquet(w io.Writer) format {
	out := parquet.NewGenericWriter[Record](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(groupRows))
	batch, values := make([]Record, 0, batchRows), make([]float64, batchRows)
	flush := func() error {
		_, err := out.Write(batch)
		batch = batch[:0]
		return err
	}
	return &table{
		codes: map[vigil.Metric]*coding.Metric{},
		put: func(r *row) error {
			n := len(batch)
			batch = append(batch, Record{
				Time: r.time, Kind: r.kind, Subject: string(r.key.Subject), Metric: string(r.key.Metric), Device: string(r.key.Device),
				Unit: r.codes.UCUM, Quality: qualityText(r.quality), LOINC: r.codes.LOINC, MDC: r.codes.MDC, Data: r.data,
			})
			if r.valid {
				values[n] = r.value
				batch[n].Value = &values[n]
			}
			if n+1 == batchRows {
				return flush()
			}
			return nil
		},
		end: func() error {
			if err := flush(); err != nil {
				return err
			}
			return out.Close()
		},
	}
}
