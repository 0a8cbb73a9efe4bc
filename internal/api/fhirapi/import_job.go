package fhirapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// importAsk is what an import is asked for, and how far it is: what was stored is durable before Lines and Bytes move.
type importAsk struct {
	Inputs []importInput `json:"inputs"`
	Input  int           `json:"input"` // the one that is read
	Lines  int           `json:"lines"` // of it that are done
	Bytes  int64         `json:"bytes"` // of it that are done
	Stored []int         `json:"stored"`
	Faults []int         `json:"faults"`
}

// importInput is one NDJSON file: at a URL, or sent with the request and kept under Name.
type importInput struct {
	Type string `json:"type,omitempty"` // "" for any
	URL  string `json:"url,omitempty"`
	Name string `json:"name"`
}

// source names the input as its sender knows it.
func (in importInput) source() string {
	if in.URL != "" {
		return in.URL
	}
	return in.Name
}

// The limits of an import.
const (
	importBatch = 500 // resources in one transaction
	maxImport   = 8 << 30
	maxInputs   = 1000
)

// importKickOff is $import: a manifest of URLs, or NDJSON in the body or in the parts of a form.
func (d *door) importKickOff(r *http.Request, _ call) (answer, error) {
	p, ok := access.From(r.Context())
	switch {
	case !ok:
		return answer{}, signedIn(r.Context(), "import")
	case d.cfg.Bulk == nil:
		return answer{}, httpError{http.StatusNotImplemented, "not-supported", "bulk data is switched off here"}
	case !p.Has(access.Admin, access.System) || p.ReadOnly:
		return answer{}, vigil.Errorf(vigil.Denied, "fhir.import", "administrators import")
	}
	if err := asynchronous(r); err != nil {
		return answer{}, err
	}
	b := d.cfg.Bulk
	j, err := b.open(r, d.cfg.Base(r))
	if err != nil {
		return answer{}, err
	}
	if j.Import, err = b.inputs(r, j); err == nil && d.cfg.Audit != nil {
		err = d.cfg.Audit.Later(r.Context(), audit.Entry{Action: "fhir.import", What: "import", Detail: strconv.Itoa(len(j.Import.Inputs)) + " files"})
	}
	if err != nil {
		b.discard(j)
		return answer{}, err
	}
	n := len(j.Import.Inputs)
	j.Import.Stored, j.Import.Faults = make([]int, n), make([]int, n)
	return b.start(j)
}

// inputs reads what is to be imported and keeps what came with the request.
func (b *Bulk) inputs(r *http.Request, j *job) (*importAsk, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.Header.Get("Content-Type") != "" {
		return nil, httpError{http.StatusUnsupportedMediaType, "not-supported", "the Content-Type cannot be read"}
	}
	switch {
	case media == ndjson || media == "application/ndjson" || media == "application/x-ndjson":
		in := importInput{Type: r.URL.Query().Get("type"), Name: "input.1.ndjson"}
		return &importAsk{Inputs: []importInput{in}}, b.keep(j, in.Name, r.Body)
	case media == "multipart/form-data":
		return b.parts(r, j)
	case media == "" || media == "application/json" || format(media) == mediaJSON:
		return b.manifest(r)
	}
	return nil, httpError{http.StatusUnsupportedMediaType, "not-supported", "send application/fhir+ndjson, multipart/form-data or a manifest as application/json"}
}

func (b *Bulk) keep(j *job, name string, from io.Reader) error {
	f, err := os.OpenFile(b.path(j, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	err = errors.Join(err, f.Sync(), f.Close())
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return httpError{http.StatusRequestEntityTooLarge, "too-long", "the body is larger than 8 GiB"}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return httpError{http.StatusBadRequest, "incomplete", "the body ended early"}
	}
	return err
}

// parts keeps the files of a form; the name of a field may be the resource type of its file.
func (b *Bulk) parts(r *http.Request, j *job) (*importAsk, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, httpError{http.StatusBadRequest, "structure", "the form cannot be read"}
	}
	ask := &importAsk{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, httpError{http.StatusBadRequest, "structure", "the form cannot be read"}
		}
		in := importInput{Name: fmt.Sprintf("input.%d.ndjson", len(ask.Inputs)+1)}
		if fhir.KnownType(part.FormName()) {
			in.Type = part.FormName()
		}
		if err := b.keep(j, in.Name, part); err != nil {
			return nil, err
		}
		if ask.Inputs = append(ask.Inputs, in); len(ask.Inputs) > maxInputs {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.import", "more than %d files", maxInputs)
		}
	}
	if len(ask.Inputs) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.import", "the form has no file")
	}
	return ask, nil
}

// manifest reads {"inputFormat": …, "input": [{"type": …, "url": …}]}.
func (b *Bulk) manifest(r *http.Request) (*importAsk, error) {
	var m struct {
		InputFormat string
		Input       []struct{ Type, URL string }
	}
	text, err := bodyBytes(r)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.import", "the manifest is not JSON: %v", err)
	}
	if m.InputFormat != "" && m.InputFormat != ndjson && m.InputFormat != "application/ndjson" {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.import", "inputFormat %s is not application/fhir+ndjson", quote(m.InputFormat))
	}
	if len(m.Input) == 0 || len(m.Input) > maxInputs {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.import", "the manifest names no input, or more than %d", maxInputs)
	}
	ask := &importAsk{}
	for i, in := range m.Input {
		if in.Type != "" && !fhir.KnownType(in.Type) {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.import", "input %d: there is no resource type %s", i, quote(in.Type))
		}
		if err := b.allowed(in.URL); err != nil {
			return nil, err
		}
		ask.Inputs = append(ask.Inputs, importInput{Type: in.Type, URL: in.URL, Name: fmt.Sprintf("input.%d.ndjson", i+1)})
	}
	return ask, nil
}

// allowed refuses URLs of hosts that the site did not name: a server that fetches any URL opens the house's own network
// to whoever may name one.
func (b *Bulk) allowed(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return vigil.Errorf(vigil.Invalid, "fhir.import", "%s is not an http or https URL", quote(raw))
	}
	if !slices.Contains(b.cfg.Hosts, u.Host) {
		return vigil.Errorf(vigil.Invalid, "fhir.import", "the host %s is not allowed: name it in the configuration under import.hosts, or send the file with the request", quote(u.Host))
	}
	return nil
}

// load does an import from where it was.
func (b *Bulk) load(ctx context.Context, j *job) error {
	ask := j.Import
	for ask.Input < len(ask.Inputs) {
		l := &loader{b: b, j: j, ask: ask, in: ask.Inputs[ask.Input], said: j.Errors, errs: &writer{b: b, j: j, typ: "OperationOutcome", name: fmt.Sprintf("error.%d.%d", ask.Input+1, ask.Lines)}}
		err := l.run(ctx)
		if cerr := l.errs.close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("import file %d: %w", ask.Input+1, err)
		}
		b.mu.Lock()
		name := l.in.source()
		typ := l.in.Type
		if typ == "" {
			typ = "Resource"
		}
		j.Output = append(j.Output, bulkFile{Type: typ, Count: ask.Stored[ask.Input], Input: name})
		ask.Input, ask.Lines, ask.Bytes = ask.Input+1, 0, 0
		b.mu.Unlock()
		if err := b.save(j); err != nil {
			return err
		}
	}
	return nil
}

// loader imports one file.
type loader struct {
	b     *Bulk
	j     *job
	ask   *importAsk
	in    importInput
	said  []bulkFile // files of faults of before
	errs  *writer
	batch []record.Write
	lines []int // of the batch
}

func (l *loader) run(ctx context.Context) error {
	if l.in.URL != "" && l.ask.Bytes == 0 {
		if err := l.fetch(ctx); err != nil {
			return err
		}
	}
	f, err := os.Open(l.b.path(l.j, l.in.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(l.ask.Bytes, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(f, 256<<10)
	number, at := l.ask.Lines, l.ask.Bytes
	for {
		line, n, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n > 0 {
			number, at = number+1, at+int64(n)
			if err := l.line(line, n, number); err != nil {
				return err
			}
		}
		if len(l.batch) >= importBatch || errors.Is(err, io.EOF) {
			if err := l.commit(ctx, number, at); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

// readLine returns the next line and its length in the file with its end. Of a line longer than a resource may be it
// returns the beginning only.
func readLine(in *bufio.Reader) (line []byte, n int, err error) {
	for {
		part, err := in.ReadSlice('\n')
		n += len(part)
		if len(line) <= maxBody {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, n, err
		}
	}
}

func (l *loader) fetch(ctx context.Context) error {
	l.b.report(l.j, "fetching file %d of %d", l.ask.Input+1, len(l.ask.Inputs))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.in.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", ndjson)
	res, err := l.b.cfg.Client.Do(req)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "fhir.import", "%s cannot be fetched: %w", l.in.URL, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return vigil.Errorf(vigil.Unavailable, "fhir.import", "%s cannot be fetched: it answers %s", l.in.URL, res.Status)
	}
	return l.b.keep(l.j, l.in.Name, io.LimitReader(res.Body, maxImport))
}

// line adds the resource of a line to the batch, or says what is wrong with it.
func (l *loader) line(line []byte, n, number int) error {
	if n > maxBody {
		return l.fault(number, "too-long", "the resource is larger than 16 MiB")
	}
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return nil
	}
	res, err := fhir.Parse(line)
	switch {
	case err != nil:
		return l.fault(number, "structure", vigil.Message(err))
	case l.in.Type != "" && res.Type() != l.in.Type:
		return l.fault(number, "invalid", "resourceType is "+quote(res.Type())+", the file is of "+l.in.Type)
	}
	if err := writable(res.Type(), res.ID()); err != nil {
		return l.fault(number, "business-rule", err.Error())
	}
	if res.ID() == "" { // the same after a restart
		res["id"] = fmt.Sprintf("%s-%d-%d", l.j.ID, l.ask.Input+1, number)
	}
	l.batch, l.lines = append(l.batch, record.Write{Op: record.OpUpdate, Resource: res}), append(l.lines, number)
	return nil
}

func (l *loader) fault(line int, code, msg string) error {
	l.ask.Faults[l.ask.Input]++
	return l.errs.fault(code, fmt.Sprintf("line %d: %s", line, msg), "")
}

// commit stores the batch, whole or, when some of it is refused, in parts, and notes how far the file is done.
func (l *loader) commit(ctx context.Context, number int, at int64) error {
	if err := l.store(ctx, l.batch, l.lines); err != nil {
		return err
	}
	l.batch, l.lines = l.batch[:0], l.lines[:0]
	stored, faults := 0, 0
	for i := range l.ask.Stored {
		stored, faults = stored+l.ask.Stored[i], faults+l.ask.Faults[i]
	}
	l.b.report(l.j, "file %d of %d, %d resources stored, %d refused", l.ask.Input+1, len(l.ask.Inputs), stored, faults)
	if l.errs.f != nil {
		if err := errors.Join(l.errs.buf.Flush(), l.errs.f.Sync()); err != nil {
			return err
		}
	}
	l.b.mu.Lock()
	l.j.Errors = slices.Clone(l.said)
	for _, f := range l.errs.files {
		f.Input = l.in.source()
		l.j.Errors = append(l.j.Errors, f)
	}
	l.ask.Lines, l.ask.Bytes = number, at
	l.b.mu.Unlock()
	return l.b.save(l.j)
}

// store writes in one transaction; what is refused is written in halves, down to the resource that is to blame.
func (l *loader) store(ctx context.Context, writes []record.Write, lines []int) error {
	if len(writes) == 0 {
		return nil
	}
	_, err := l.b.door.cfg.Records.Batch(ctx, writes)
	kind := vigil.KindOf(err)
	switch {
	case err == nil:
		l.ask.Stored[l.ask.Input] += len(writes)
		return nil
	case ctx.Err() != nil || kind != vigil.Invalid && kind != vigil.Conflict && kind != vigil.NotFound:
		return err
	case len(writes) == 1:
		return l.refused(lines[0], writes[0].Resource.Ref(), err)
	}
	half := len(writes) / 2
	if err := l.store(ctx, writes[:half], lines[:half]); err != nil {
		return err
	}
	return l.store(ctx, writes[half:], lines[half:])
}

// refused writes the faults of one resource with its line.
func (l *loader) refused(line int, ref string, err error) error {
	l.ask.Faults[l.ask.Input]++
	issues := []fhir.Resource{issue("invalid", fmt.Sprintf("line %d: %s: %s", line, ref, vigil.Message(err)), "")}
	if ve, ok := errors.AsType[*vigil.Error](err); ok {
		for _, f := range ve.Faults {
			issues = append(issues, issue("invalid", f.Msg, f.Path))
		}
	}
	return l.errs.resource(fhir.New("OperationOutcome", "").With("issue", issues))
}
