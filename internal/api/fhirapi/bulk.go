package fhirapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

// BulkConfig is what Bulk Data needs besides the door's own configuration.
type BulkConfig struct {
	Dir    string        // of its jobs and their files; made when absent
	Hosts  []string      // hosts ("files.example.org", "10.0.0.7:8443") that $import may fetch from; none: it fetches nothing
	Client *http.Client  // for these; default: 30 minutes a file
	Expiry time.Duration // how long files stay after a job has ended; default a day
}

// Bulk does $export and $import (HL7 FHIR Bulk Data Access 2.0), one job after the other. A job lives in a folder of its
// own; one that was interrupted goes on after a restart. Run works, the door starts and shows jobs.
type Bulk struct {
	cfg  BulkConfig
	door *door
	wake chan struct{}
	mu   sync.Mutex
	jobs map[string]*job
}

type jobStatus string

const (
	jobQueued  jobStatus = "queued"
	jobRunning jobStatus = "running"
	jobDone    jobStatus = "done"
	jobFailed  jobStatus = "failed"
)

// job is one export or import as it lies in job.json.
type job struct {
	ID        string           `json:"id"`
	Who       access.Principal `json:"who"` // acts, and alone may see it
	Request   string           `json:"request"`
	Base      string           `json:"base"` // URL of the door as it was called
	Status    jobStatus        `json:"status"`
	Started   time.Time        `json:"started"` // the transaction time
	Ended     time.Time        `json:"ended,omitzero"`
	Progress  string           `json:"progress,omitempty"`
	Fault     string           `json:"fault,omitempty"`
	Export    *exportAsk       `json:"export,omitempty"`
	Import    *importAsk       `json:"import,omitempty"`
	Output    []bulkFile       `json:"output,omitempty"`
	Errors    []bulkFile       `json:"errors,omitempty"`
	cancel    context.CancelFunc
	cancelled bool
}

// bulkFile is one NDJSON file of a job.
type bulkFile struct {
	Type  string `json:"type"`
	Name  string `json:"name,omitempty"`
	Count int    `json:"count"`
	Input string `json:"input,omitempty"` // of an import: where it came from
}

// The limits of Bulk Data.
const (
	maxJobs      = 10 // that one principal may have waiting
	pollAfter    = "2"
	expiry       = 24 * time.Hour
	sweepEvery   = 10 * time.Minute
	fileTimeout  = 30 * time.Minute
	fileMode     = 0o600
	ndjson       = "application/fhir+ndjson"
	bulkPath     = "_bulk"
	progressStep = 5000 // resources between two reports of progress
)

// NewBulk opens the folder of jobs; cfg is that of the door.
func NewBulk(cfg Config, bulk BulkConfig) (*Bulk, error) {
	if bulk.Expiry == 0 {
		bulk.Expiry = expiry
	}
	b := &Bulk{cfg: bulk, wake: make(chan struct{}, 1), jobs: map[string]*job{}}
	if b.cfg.Client == nil {
		b.cfg.Client = &http.Client{Timeout: fileTimeout}
	}
	client := *b.cfg.Client
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error { return b.allowed(r.URL.String()) }
	b.cfg.Client = &client
	b.door = newDoor(cfg)
	if err := os.MkdirAll(bulk.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open bulk data: %w", err)
	}
	entries, err := os.ReadDir(bulk.Dir)
	if err != nil {
		return nil, fmt.Errorf("open bulk data: %w", err)
	}
	for _, e := range entries {
		j := &job{}
		text, err := os.ReadFile(filepath.Join(bulk.Dir, e.Name(), "job.json"))
		if errors.Is(err, os.ErrNotExist) { // its kick-off was never answered
			b.discard(&job{ID: e.Name()})
			continue
		}
		if err != nil || json.Unmarshal(text, j) != nil || j.ID != e.Name() {
			b.door.cfg.Log.Warn("fhir.bulk.unreadable", "job", e.Name())
			continue
		}
		if j.Status == jobRunning {
			j.Status = jobQueued
		}
		b.jobs[j.ID] = j
	}
	return b, nil
}

func (b *Bulk) path(j *job, name string) string { return filepath.Join(b.cfg.Dir, j.ID, name) }

// save writes job.json in one step, so that a power cut leaves the one before or this one.
func (b *Bulk) save(j *job) error {
	b.mu.Lock()
	text, err := json.Marshal(j)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	next := b.path(j, "job.json.new")
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, b.path(j, "job.json")); err != nil {
		return err
	}
	d, err := os.Open(filepath.Join(b.cfg.Dir, j.ID))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open makes the folder of a new job, which is not queued before start.
func (b *Bulk) open(r *http.Request, base string) (*job, error) {
	p, _ := access.From(r.Context())
	b.mu.Lock()
	waiting := 0
	for _, j := range b.jobs {
		if j.Who.ID == p.ID && j.Ended.IsZero() {
			waiting++
		}
	}
	b.mu.Unlock()
	if waiting >= maxJobs {
		return nil, httpError{http.StatusTooManyRequests, "throttled", fmt.Sprintf("%d jobs of yours wait already: poll or delete them first", waiting)}
	}
	var id [12]byte
	rand.Read(id[:]) //nolint:errcheck // never fails
	j := &job{ID: hex.EncodeToString(id[:]), Who: p, Request: base + strings.TrimPrefix(r.URL.RequestURI(), "/fhir"), Base: base, Status: jobQueued, Started: b.door.cfg.Now().UTC()}
	return j, os.Mkdir(filepath.Join(b.cfg.Dir, j.ID), 0o700)
}

// start queues a job and answers where it can be watched.
func (b *Bulk) start(j *job) (answer, error) {
	if err := b.save(j); err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	b.jobs[j.ID] = j
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	h := http.Header{"Content-Location": {j.Base + "/" + bulkPath + "/" + j.ID}}
	return answer{status: http.StatusAccepted, header: h}, nil
}

// Run does the jobs until ctx ends.
func (b *Bulk) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		b.sweep()
		for j := b.next(); j != nil; j = b.next() {
			b.work(ctx, j)
			if ctx.Err() != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		case <-sweep.C:
		}
	}
}

// next returns the job that has waited longest, nil when none waits.
func (b *Bulk) next() *job {
	b.mu.Lock()
	defer b.mu.Unlock()
	var first *job
	for _, j := range b.jobs {
		if j.Status == jobQueued && (first == nil || j.Started.Before(first.Started)) {
			first = j
		}
	}
	return first
}

// work does one job as the principal who asked for it. When ctx ends the job stays as it is and is taken up again.
func (b *Bulk) work(ctx context.Context, j *job) {
	inner, cancel := context.WithCancel(access.With(ctx, j.Who))
	defer cancel()
	b.mu.Lock()
	j.Status, j.cancel = jobRunning, cancel
	gone := j.cancelled
	b.mu.Unlock()
	if gone {
		return
	}
	err := b.save(j)
	if err == nil && j.Export != nil {
		err = b.export(inner, j)
	} else if err == nil {
		err = b.load(inner, j)
	}
	if ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	gone = j.cancelled
	end := *j
	b.mu.Unlock()
	if gone {
		b.discard(j)
		return
	}
	end.Ended, end.Status = b.door.cfg.Now().UTC(), jobDone
	if err != nil {
		end.Status, end.Fault = jobFailed, vigil.Message(err)
		b.door.cfg.Log.Warn("fhir.bulk.failed", "job", j.ID, "error", err)
	}
	if err := b.save(&end); err != nil { // on disk first: who is told that it is done finds it done after a restart
		b.door.cfg.Log.Error("fhir.bulk.save", "job", j.ID, "error", err)
	}
	b.mu.Lock()
	j.Ended, j.Status, j.Fault = end.Ended, end.Status, end.Fault
	gone = j.cancelled
	b.mu.Unlock()
	if gone {
		b.discard(j)
	}
}

// report says how far a job is.
func (b *Bulk) report(j *job, format string, args ...any) {
	b.mu.Lock()
	j.Progress = fmt.Sprintf(format, args...)
	b.mu.Unlock()
}

func (b *Bulk) discard(j *job) {
	if err := os.RemoveAll(filepath.Join(b.cfg.Dir, j.ID)); err != nil {
		b.door.cfg.Log.Error("fhir.bulk.remove", "job", j.ID, "error", err)
	}
}

// sweep removes what has expired.
func (b *Bulk) sweep() {
	now := b.door.cfg.Now()
	b.mu.Lock()
	var old []*job
	for id, j := range b.jobs {
		if !j.Ended.IsZero() && now.Sub(j.Ended) > b.cfg.Expiry {
			old = append(old, j)
			delete(b.jobs, id)
		}
	}
	b.mu.Unlock()
	for _, j := range old {
		b.discard(j)
	}
}

// find returns a copy of a job of the principal of the request. Whether others have jobs is nobody's business.
func (b *Bulk) find(r *http.Request, id string) (*job, job, error) {
	p, ok := access.From(r.Context())
	if !ok {
		return nil, job{}, signedIn(r.Context(), "bulk")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[id]
	if j == nil || j.Who.ID != p.ID || !j.Ended.IsZero() && b.door.cfg.Now().Sub(j.Ended) > b.cfg.Expiry {
		return nil, job{}, vigil.Errorf(vigil.NotFound, "fhir.bulk", "you have no such job; files are kept %s after it ended", b.cfg.Expiry)
	}
	return j, *j, nil
}

// bulkJob answers below _bulk: the state of a job, its files, and its end.
func (d *door) bulkJob(r *http.Request, p []string) (answer, error) {
	b := d.cfg.Bulk
	if b == nil || len(p) < 2 || len(p) > 3 {
		return notHere(r)
	}
	j, now, err := b.find(r, p[1])
	switch {
	case err != nil:
		return answer{}, err
	case len(p) == 3 && gets(r):
		return b.file(j, &now, p[2])
	case len(p) == 2 && gets(r):
		return b.state(&now)
	case len(p) == 2 && r.Method == http.MethodDelete:
		b.remove(j)
		return answer{status: http.StatusAccepted}, nil
	}
	return notHere(r)
}

// remove ends a job and drops its files; while it runs, Run does so.
func (b *Bulk) remove(j *job) {
	b.mu.Lock()
	delete(b.jobs, j.ID)
	j.cancelled = true
	running := j.Status == jobRunning
	if j.cancel != nil {
		j.cancel()
	}
	b.mu.Unlock()
	if !running {
		b.discard(j)
	}
}

func (b *Bulk) file(j *job, now *job, name string) (answer, error) {
	known := func(list []bulkFile) bool {
		return slices.ContainsFunc(list, func(f bulkFile) bool { return f.Name == name && name != "" })
	}
	if now.Status != jobDone || !known(now.Output) && !known(now.Errors) {
		return answer{}, vigil.Errorf(vigil.NotFound, "fhir.bulk", "the job has no file %s", quote(name))
	}
	return answer{status: http.StatusOK, file: b.path(j, name)}, nil
}

func (b *Bulk) state(j *job) (answer, error) {
	switch j.Status {
	case jobQueued, jobRunning:
		progress := j.Progress
		if progress == "" {
			progress = string(j.Status)
		}
		return answer{status: http.StatusAccepted, header: http.Header{"X-Progress": {progress}, "Retry-After": {pollAfter}}}, nil
	case jobFailed:
		return answer{}, httpError{http.StatusInternalServerError, "exception", j.Fault}
	}
	list := func(files []bulkFile) []map[string]any {
		out := []map[string]any{}
		for _, f := range files {
			one := map[string]any{"type": f.Type, "count": f.Count}
			if f.Name != "" {
				one["url"] = j.Base + "/" + bulkPath + "/" + j.ID + "/" + f.Name
			}
			if f.Input != "" {
				one["inputUrl"] = f.Input
			}
			out = append(out, one)
		}
		return out
	}
	manifest, err := json.Marshal(map[string]any{"transactionTime": fhir.Instant(j.Started), "request": j.Request, "requiresAccessToken": true,
		"output": list(j.Output), "deleted": []any{}, "error": list(j.Errors)})
	h := http.Header{"Expires": {j.Ended.Add(b.cfg.Expiry).UTC().Format(http.TimeFormat)}}
	return answer{status: http.StatusOK, manifest: manifest, header: h}, err
}

// asynchronous refuses a kick-off that does not ask to be answered later.
func asynchronous(r *http.Request) error {
	for _, h := range r.Header.Values("Prefer") {
		for part := range strings.FieldsFuncSeq(h, func(c rune) bool { return c == ',' || c == ';' }) {
			if strings.EqualFold(strings.TrimSpace(part), "respond-async") {
				return nil
			}
		}
	}
	return httpError{http.StatusBadRequest, "required", `this runs for long: ask with the header "Prefer: respond-async"`}
}
