package record

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/conformance"
	"github.com/vigil-health/vigil/internal/fhir/terminology"
)

// Config is what a store needs. Audit may be nil in tests; Now and NewID have defaults.
type Config struct {
	Backend Backend
	Now     func() time.Time
	NewID   func() string
	Audit   *audit.Trail // in the same database: writes are noted in their own transaction
}

// Store keeps FHIR resources. Every method acts as the principal of its context. Safe for concurrent use.
type Store struct {
	cfg     Config
	watch   watch
	stripes stripes
	shelf   *shelf
	terms   *terminology.Service

	params   fhir.Params
	paramsMu sync.Mutex
	learned  map[string][]*fhir.Param // by id of the SearchParameter
}

// New returns a store on its backend.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = randomID
	}
	books := &shelf{backend: cfg.Backend, kept: map[string]fhir.Resource{}}
	return &Store{cfg: cfg, shelf: books, terms: terminology.New(books)}
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	return hex.EncodeToString(b[:])
}

// NewID returns a fresh id for a Write with KeepID.
func (s *Store) NewID() string { return s.cfg.NewID() }

// WriteOp says what a Write does.
type WriteOp string

// The operations of a Write.
const (
	OpCreate WriteOp = "create"
	OpUpdate WriteOp = "update"
	OpDelete WriteOp = "delete"
)

// A resource with this security label (Resource.meta.security) is among staff: it lies in no patient's compartment,
// whomever it is about.
const (
	SecuritySystem = "urn:vigil:security"
	SecurityStaff  = "staff"
)

// Write is one change of a batch.
type Write struct {
	Op       WriteOp
	Resource fhir.Resource // create, update
	Type, ID string        // delete
	IfMatch  int64         // the version that must be current; 0 for any
	KeepID   bool          // create: the resource carries an id from NewID already, so that others could refer to it
}

// attempts bounds how often a write without IfMatch follows a resource that keeps moving.
const attempts = 8

// Create stores a new resource under a fresh id, whatever id it carries. Invalid names every fault of its structure.
func (s *Store) Create(ctx context.Context, r fhir.Resource) (Record, error) {
	return s.one(ctx, Write{Op: OpCreate, Resource: r})
}

// Update stores a new version of the resource, creating it when its id is unused. Conflict when ifMatch is not 0 and
// not the current version.
func (s *Store) Update(ctx context.Context, r fhir.Resource, ifMatch int64) (Record, error) {
	return s.one(ctx, Write{Op: OpUpdate, Resource: r, IfMatch: ifMatch})
}

// Delete ends a resource; its history stays. Deleting what is deleted already changes nothing; NotFound when the id
// was never used.
func (s *Store) Delete(ctx context.Context, typ, id string) error {
	_, err := s.one(ctx, Write{Op: OpDelete, Type: typ, ID: id})
	return err
}

func (s *Store) one(ctx context.Context, w Write) (Record, error) {
	recs, err := s.Batch(ctx, []Write{w})
	if err != nil {
		return Record{}, err
	}
	return recs[0], nil
}

// Batch applies all writes in one transaction, or none. The records come in the order of the writes. No resource may
// be written twice in one batch.
func (s *Store) Batch(ctx context.Context, writes []Write) ([]Record, error) {
	prepared := make([]Write, len(writes))
	seen := map[string]bool{}
	for i, w := range writes {
		p, err := s.prepare(ctx, w)
		if err != nil {
			return nil, atWrite(err, i, len(writes))
		}
		if ref := p.Type + "/" + p.ID; seen[ref] {
			return nil, vigil.Errorf(vigil.Invalid, "record.batch", "%s is written twice in one batch", ref)
		} else {
			seen[ref] = true
		}
		prepared[i] = p
	}
	for n := 1; ; n++ {
		recs, retry, err := s.attempt(ctx, prepared)
		if err == nil || !retry || n == attempts {
			return recs, err
		}
	}
}

// atWrite says which write of a batch an error belongs to.
func atWrite(err error, i, n int) error {
	if n == 1 {
		return err
	}
	return vigil.Errorf(vigil.KindOf(err), "record.batch", "write %d: %w", i, err)
}

// prepare checks access and structure and copies the resource, so that the caller's stays as it is.
func (s *Store) prepare(ctx context.Context, w Write) (Write, error) {
	if w.Op != OpDelete {
		w.Resource = fhir.Normal(w.Resource)
		if w.Type, w.ID = w.Resource.Type(), w.Resource.ID(); w.Op == OpCreate && !w.KeepID {
			w.ID = s.cfg.NewID()
			w.Resource["id"] = w.ID
		}
	}
	if err := checkType(w.Type); err != nil {
		return w, err
	}
	if err := checkWrite(ctx, w.Type); err != nil {
		s.denied(ctx, "record."+string(w.Op), w.Type, w.ID)
		return w, err
	}
	if !fhir.ValidID(w.ID) {
		return w, vigil.Errorf(vigil.Invalid, "record."+string(w.Op), "%q is not an id: 1 to 64 letters, digits, '-' or '.'", w.ID)
	}
	if w.Op == OpDelete {
		return w, nil
	}
	if faults := conformance.Check(w.Resource); len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, "record."+string(w.Op), "the %s is not valid", w.Type)
		err.Faults = faults
		return w, err
	}
	if w.Type == "SearchParameter" {
		_, err := customParams(w.Resource)
		return w, err
	}
	return w, nil
}

func checkType(typ string) error {
	if !fhir.KnownType(typ) {
		return vigil.Errorf(vigil.Invalid, "record.type", "%q is not a FHIR R4 resource type", typ)
	}
	return nil
}

// attempt applies the writes on the versions that are current now; retry tells that another write came between.
func (s *Store) attempt(ctx context.Context, writes []Write) (recs []Record, retry bool, err error) {
	unlock := s.stripes.lock(writes)
	defer func() { unlock() }()
	var changes []Change
	var trail []audit.Record
	recs = make([]Record, len(writes))
	at := make([]int, 0, len(writes))
	retry = true
	for i, w := range writes {
		c, skip, err := s.change(ctx, w)
		if err != nil {
			return nil, false, atWrite(err, i, len(writes))
		}
		if recs[i] = c.Record; skip {
			continue
		}
		retry = retry && w.IfMatch == 0
		changes, at = append(changes, c), append(at, i)
		if s.cfg.Audit != nil {
			trail = append(trail, s.cfg.Audit.Prepare(ctx, audit.Entry{Action: "record." + string(w.Op), What: c.Record.Ref(),
				Detail: "version " + strconv.FormatInt(c.Record.Version, 10), Subjects: c.Record.Patients}))
		}
	}
	if len(changes) == 0 {
		return recs, false, nil
	}
	if err := s.watch.begin(ctx, s.cfg.Backend); err != nil {
		return nil, false, err
	}
	err = s.cfg.Backend.Apply(ctx, changes, trail)
	s.shelf.wrote(changes)
	unlock() // before watchers run: they may write
	unlock = func() {}
	done := make([]Record, len(changes))
	for j := range changes {
		done[j] = changes[j].Record
		recs[at[j]] = done[j]
		if err == nil {
			s.learn(&done[j])
		}
	}
	if err != nil {
		s.watch.end(nil)
		return nil, retry && vigil.KindOf(err) == vigil.Conflict, err
	}
	s.watch.end(done)
	return recs, false, nil
}

// change makes the next version of one resource; skip when there is nothing to do.
func (s *Store) change(ctx context.Context, w Write) (c Change, skip bool, err error) {
	var was Record
	if w.Op != OpCreate {
		was, err = s.cfg.Backend.Current(ctx, w.Type, w.ID)
		if err != nil && vigil.KindOf(err) != vigil.NotFound {
			return c, false, err
		}
	}
	if w.IfMatch != 0 && w.IfMatch != was.Version {
		return c, false, vigil.Errorf(vigil.Conflict, "record."+string(w.Op), "%s/%s is at version %d, not %d", w.Type, w.ID, was.Version, w.IfMatch)
	}
	now := s.cfg.Now().UTC().Truncate(time.Microsecond)
	who, _ := access.From(ctx)
	c = Change{Was: was.Version, Record: Record{Type: w.Type, ID: w.ID, Version: was.Version + 1, Updated: now, Author: who.ID}}
	if w.Op == OpDelete {
		if was.Version == 0 {
			return c, false, notFound("record.delete", w.Type, w.ID)
		}
		c.Record.Deleted, c.Record.Patients, c.Record.JSON = true, was.Patients, []byte("{}")
		if was.Deleted {
			c.Record = was
		}
		return c, was.Deleted, nil
	}
	stamp(w.Resource, c.Record)
	c.Record.JSON = fhir.Encode(w.Resource)
	c.Values = s.params.Index(w.Resource)
	c.Record.Patients = patients(w.Resource, c.Values)
	return c, false, nil
}

func stamp(r fhir.Resource, rec Record) {
	meta, ok := r["meta"].(map[string]any)
	if !ok {
		meta = map[string]any{}
		r["meta"] = meta
	}
	meta["versionId"] = strconv.FormatInt(rec.Version, 10)
	meta["lastUpdated"] = rec.Updated.Format("2006-01-02T15:04:05.000000Z")
}

// patients returns the ids of the patients whose compartments hold the resource (FHIR CompartmentDefinition patient).
func patients(r fhir.Resource, values []fhir.Value) []string {
	var out []string
	for _, label := range r.List("meta.security") {
		if label.Str("system") == SecuritySystem && label.Str("code") == SecurityStaff {
			return nil
		}
	}
	add := func(id string) {
		if !slices.Contains(out, id) && fhir.ValidID(id) {
			out = append(out, id)
		}
	}
	typ := r.Type()
	if typ == "Patient" {
		add(r.ID())
	}
	names := fhir.CompartmentParams(typ)
	if len(names) == 0 {
		return out
	}
	for i := range values {
		v := &values[i]
		if v.Kind == fhir.ParamReference && v.Type == "Patient" && slices.Contains(names, v.Param[len(typ)+1:]) {
			add(v.ID)
		}
	}
	return out
}

func notFound(op, typ, id string) error {
	return vigil.Errorf(vigil.NotFound, op, "there is no %s/%s", typ, id)
}

// Read returns the current version. NotFound when the id was never used, NotFound with Msg "gone" when it was deleted.
func (s *Store) Read(ctx context.Context, typ, id string) (Record, error) {
	rec, err := s.guarded(ctx, "record.read", typ, id, func() (Record, error) { return s.cfg.Backend.Current(ctx, typ, id) })
	if err == nil && rec.Deleted {
		return Record{}, vigil.Errorf(vigil.NotFound, "record.read", Gone)
	}
	return rec, err
}

// Gone is the message of the NotFound error for a deleted resource.
const Gone = "gone"

// VRead returns one version; a version that is a deletion is NotFound with Msg "gone".
func (s *Store) VRead(ctx context.Context, typ, id string, version int64) (Record, error) {
	rec, err := s.guarded(ctx, "record.vread", typ, id, func() (Record, error) { return s.cfg.Backend.Version(ctx, typ, id, version) })
	if err == nil && rec.Deleted {
		return Record{}, vigil.Errorf(vigil.NotFound, "record.vread", Gone)
	}
	return rec, err
}

// guarded reads one record, checks that the principal may see it and notes the read.
func (s *Store) guarded(ctx context.Context, op, typ, id string, read func() (Record, error)) (Record, error) {
	if err := checkType(typ); err != nil {
		return Record{}, err
	}
	only, err := checkRead(ctx, typ)
	if err != nil {
		s.denied(ctx, op, typ, id)
		return Record{}, err
	}
	rec, err := read()
	if only != "" && (vigil.KindOf(err) == vigil.NotFound || err == nil && !slices.Contains(rec.Patients, only)) {
		s.denied(ctx, op, typ, id) // whether it exists is nobody else's business
		return Record{}, vigil.Errorf(vigil.Denied, op, "your role does not give access to %s/%s", typ, id)
	}
	if err != nil {
		return Record{}, err
	}
	return rec, s.noted(ctx, op, rec.Ref(), "", rec.Patients)
}

// noted writes a read of patients' records to the trail; what concerns no patient is not noted.
func (s *Store) noted(ctx context.Context, op, what, detail string, subjects []string) error {
	if s.cfg.Audit == nil || len(subjects) == 0 {
		return nil
	}
	return s.cfg.Audit.Later(ctx, audit.Entry{Action: op, What: what, Detail: detail, Subjects: subjects})
}

func (s *Store) denied(ctx context.Context, op, typ, id string) {
	if s.cfg.Audit == nil {
		return
	}
	what := typ
	if fhir.ValidID(id) {
		what += "/" + id
	}
	_ = s.cfg.Audit.Later(ctx, audit.Entry{Action: op, What: what, Outcome: audit.Denied}) // it is refused either way
}
