package fhirapi

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/vigil-health/vigil/internal/fhir"
)

// maxLines bounds a file of an export; then another begins.
const maxLines = 250_000

// writer writes resources line by line into files of a type.
type writer struct {
	b     *Bulk
	j     *job
	typ   string
	name  string // begins the files' names
	files []bulkFile
	f     *os.File
	buf   *bufio.Writer
}

func (w *writer) line(doc []byte) error {
	last := len(w.files) - 1
	if w.f == nil || w.files[last].Count >= maxLines {
		if err := w.close(); err != nil {
			return err
		}
		last++
		name := fmt.Sprintf("%s.%d.ndjson", w.name, last+1)
		f, err := os.OpenFile(w.b.path(w.j, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
		if err != nil {
			return err
		}
		w.f, w.buf, w.files = f, bufio.NewWriterSize(f, 256<<10), append(w.files, bulkFile{Type: w.typ, Name: name})
	}
	w.files[last].Count++
	if _, err := w.buf.Write(doc); err != nil {
		return err
	}
	return w.buf.WriteByte('\n')
}

func (w *writer) resource(res fhir.Resource) error { return w.line(fhir.Encode(res)) }

// fault writes an OperationOutcome.
func (w *writer) fault(code, msg, place string) error {
	return w.resource(fhir.New("OperationOutcome", "").With("issue", []fhir.Resource{issue(code, msg, place)}))
}

// close makes the file durable; its name becomes so with job.json.
func (w *writer) close() error {
	if w.f == nil {
		return nil
	}
	err := errors.Join(w.buf.Flush(), w.f.Sync(), w.f.Close())
	w.f = nil
	return err
}
