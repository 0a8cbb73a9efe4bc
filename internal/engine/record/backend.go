package record

import (
	"context"
	"time"

	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Change is one version to write with its search rows.
type Change struct {
	Record Record       // Seq is given by the backend
	Was    int64        // the version that must be current; 0 when the id must be unused
	Values []fhir.Value // search rows; none for a deleted version
}

// Backend keeps versions and search rows. Its methods are safe for concurrent use; writes are durable when Apply
// returns. recordtest.Run is its examination.
type Backend interface {
	// Apply writes all changes and audit records in one transaction, or none, and sets Record.Seq of each change:
	// numbers rise by one in the order of commits. Conflict when a resource is not at Change.Was.
	Apply(ctx context.Context, changes []Change, trail []audit.Record) error
	// Last returns the highest Seq, 0 when nothing is stored.
	Last(ctx context.Context) (int64, error)
	// Current returns the newest version, which may be a deletion; NotFound when the id was never used.
	Current(ctx context.Context, typ, id string) (Record, error)
	// Version returns one version; NotFound when there is none.
	Version(ctx context.Context, typ, id string, version int64) (Record, error)
	// History returns versions, deletions too, newest first; none when nothing fits.
	History(ctx context.Context, q HistoryQuery) ([]Record, error)
	// Reindex replaces the search rows of up to limit current resources of the type, in an order of its own, behind after
	// (0 for the first), by what index makes of them. It returns the place of the last one and how many there were.
	Reindex(ctx context.Context, typ string, after int64, limit int, index func(fhir.Resource) []fhir.Value) (next int64, n int, err error)
	// Find returns the current, undeleted resources that a query asks for.
	Find(ctx context.Context, q Query) (Found, error)
}

// HistoryQuery asks for versions, newest first.
type HistoryQuery struct {
	Type, ID string    // "" for every type, for every resource of the type
	Patient  string    // only versions within this patient's compartment; "" for no bound
	Since    time.Time // written at or after; zero for no bound
	From, To time.Time // current at some time in [From, To); zero for no bound
	After    int64     // only versions with a smaller Seq: the last of the page before; 0 for the first page
	Limit    int       // 0 for all
}

// Query is a search, ready for a backend. All clauses must hold.
type Query struct {
	Type    string
	Patient string // only within this patient's compartment; "" for no bound
	Where   []Clause
	Sort    []Sort // the resource's age in the store breaks ties
	After   []any  // Cursor of the last row of the page before: as many values as Sort, then the tie breaker
	Limit   int    // 0 counts only
	Total   int    // count up to so many; negative without bound, 0 not at all
}

// The parameters that backends answer from the resource itself.
const (
	ParamID          = "_id"
	ParamLastUpdated = "_lastUpdated"
	ParamContent     = "Resource." + fhir.ParamContent // looked for in the resource's text
)

// Clause is one condition on a resource: on its own values of a parameter, on what it refers to, on what refers to it,
// or several of these.
type Clause struct {
	Param   string // fhir.Param.Key with or without a suffix, or ParamID, ParamLastUpdated; of a chain the reference that it follows
	Kind    fhir.ParamKind
	Any     []Match // any of them satisfies it
	Not     bool    // true when none may match (":not")
	Missing *bool   // ":missing"; then Any is empty

	Chain []Scope // the reference leads to a resource within any of the scopes
	Has   *Has    // a resource refers to it
	All   []Clause
	Or    []Clause // any of them; with Not none of them
}

// Scope is the set of resources of a type that satisfy clauses, within a patient's compartment when one is named.
type Scope struct {
	Type    string
	Patient string
	Where   []Clause
}

// Has is the reverse of a chain: some resource within the scope refers to this one by the reference parameter.
type Has struct {
	Param string // fhir.Param.Key
	Scope
}

// Op is how a match compares.
type Op string

// The operations: the prefixes of FHIR search and the modifiers of strings and URIs.
const (
	OpEq         Op = "eq"
	OpNe         Op = "ne"
	OpGt         Op = "gt"
	OpLt         Op = "lt"
	OpGe         Op = "ge"
	OpLe         Op = "le"
	OpSa         Op = "sa"
	OpEb         Op = "eb"
	OpAp         Op = "ap"
	OpStarts     Op = "starts"   // string: folded prefix
	OpContains   Op = "contains" // string: folded part
	OpExact      Op = "exact"    // string: as written
	OpEnds       Op = "ends"     // string: folded end
	OpWords      Op = "words"    // text: a word begins so
	OpBelow      Op = "below"    // uri
	OpAbove      Op = "above"    // uri
	OpSystemOnly Op = "system"   // token: any code of the system
	OpNear       Op = "near"     // position: within Max kilometres of the two Parts
)

// Match is one value to compare with; fields count as in fhir.Value, HasSystem tells "|code" from "code". Of a composite
// each of With is compared with the part in its place.
type Match struct {
	Op        Op
	HasSystem bool
	With      []Match
	fhir.Value
}

// Sort is one key of the order; missing values come last.
type Sort struct {
	Param string
	Kind  fhir.ParamKind
	Desc  bool
}

// Found is one page of a search.
type Found struct {
	Records []Record
	Cursor  []any // of the last record; nil when there is no further page
	Total   int   // -1 when more than Query.Total match, or it was not asked
}
