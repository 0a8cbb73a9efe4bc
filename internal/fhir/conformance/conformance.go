// Package conformance examines resources: structure, invariants, value sets and profiles, every fault at once.
//
// It knows no HTTP and no store; profiles, terminology and references come in through Config. It changes nothing in a
// resource. Start at Validator; Check is the short examination before a write.
package conformance

import (
	"context"
	"strings"
	"sync"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// Severity is how grave an issue is, a word of the value set issue-severity.
type Severity string

// The severities.
const (
	Error       Severity = "error"
	Warning     Severity = "warning"
	Information Severity = "information"
)

// Issue is one finding.
type Issue struct {
	Severity    Severity
	Code        string // a word of the value set issue-type: structure, required, value, invariant, code-invalid, not-found
	Expression  string // FHIRPath: "Observation.component[0].value"
	Pointer     string // JSON pointer: "/component/0/valueQuantity"; that of the parent for an element that is missing
	Diagnostics string // what is wrong, and by which rule
}

// Profiles finds profiles by canonical URL.
type Profiles interface {
	// StructureDefinition returns the definition, nil when it is not known. It may be called concurrently; the result
	// is not changed.
	StructureDefinition(ctx context.Context, url string) fhir.Resource
}

// Config is what a Validator works with. Each part may be nil.
type Config struct {
	Profiles    Profiles             // besides the base profiles of R4, which are always known
	Terminology fhirpath.Terminology // besides the value sets that R4 binds as required
	References  fhirpath.Resolver    // resolve() in invariants and profiles
	MaxSteps    int                  // of one examination; DefaultSteps when 0
}

// Validator examines resources. It is safe for concurrent use.
type Validator struct {
	cfg      Config
	mu       sync.Mutex
	compiled map[string]*profile // by URL and version
}

// New returns a Validator.
func New(cfg Config) *Validator {
	if cfg.MaxSteps == 0 {
		cfg.MaxSteps = DefaultSteps
	}
	return &Validator{cfg: cfg, compiled: map[string]*profile{}}
}

// DefaultSteps bounds one examination by a Validator, since profiles are written by strangers: some seconds at worst.
const DefaultSteps = 10_000_000

// How many issues one examination names: warnings never crowd out errors.
const (
	maxErrors   = 200
	maxWarnings = 100
)

// Validate examines a resource against R4, the profiles that it claims in meta.profile, here and in the resources that
// it holds, and the given ones. It returns every issue in the order of the document, nil when there is none.
func (v *Validator) Validate(ctx context.Context, r fhir.Resource, profiles ...string) []Issue {
	x := &examination{ctx: ctx, v: v, budget: new(int)}
	*x.budget = v.cfg.MaxSteps
	x.env.Budget = x.budget
	x.structure(r)
	if len(x.issues) > 0 && fhir.TypeOf(r.Type()) == nil {
		return x.issues
	}
	x.resource(r, profiles)
	if x.cut {
		x.issues = append(x.issues, Issue{Severity: Information, Code: "informational", Expression: r.Type(), Diagnostics: "there are more issues than are listed here"})
	}
	if !x.spend(0) {
		x.issues = append(x.issues, Issue{Severity: Error, Code: "too-costly", Expression: r.Type(), Diagnostics: "the profiles take too many steps to check; the examination is not complete"})
	}
	return x.issues
}

// Check is the examination before a write: structure and invariants of R4, without profiles and warnings.
func Check(r fhir.Resource) []vigil.Fault {
	x := &examination{ctx: context.Background(), errorsOnly: true}
	x.structure(r)
	if fhir.TypeOf(r.Type()) != nil {
		x.resource(r, nil)
	}
	var out []vigil.Fault
	for _, i := range x.issues {
		out = append(out, vigil.Fault{Path: i.Expression, Msg: i.Diagnostics})
	}
	return out
}

// OK reports whether no issue is an error.
func OK(issues []Issue) bool {
	for _, i := range issues {
		if i.Severity == Error {
			return false
		}
	}
	return true
}

// Outcome returns the issues as an OperationOutcome; without any it says that all is well.
func Outcome(issues []Issue) fhir.Resource {
	list := make([]any, 0, len(issues))
	for _, i := range issues {
		o := map[string]any{"severity": string(i.Severity), "code": i.Code, "diagnostics": i.Diagnostics}
		if i.Expression != "" {
			o["expression"] = []any{i.Expression}
		}
		if i.Pointer != "" {
			o["location"] = []any{i.Pointer}
		}
		list = append(list, o)
	}
	if len(list) == 0 {
		list = append(list, map[string]any{"severity": string(Information), "code": "informational", "diagnostics": "No issues were found."})
	}
	return fhir.New("OperationOutcome", "").With("issue", list)
}

// examination is one run of a Validator.
type examination struct {
	ctx        context.Context
	v          *Validator // nil for Check
	errorsOnly bool
	path       []segment
	issues     []Issue
	errors     int  // in issues
	cut        bool // there are more
	env        fhirpath.Env
	bundle     map[string]any      // that holds the resource
	extensions map[string]*profile // by URL; nil when not known
	profiles   int                 // how deep profiles refer to profiles
	silent     bool
	budget     *int // steps that are left for invariants and profiles; nil for Check, which runs only what R4 brings
}

// segment is one step of the place that is being looked at.
type segment struct {
	key    string // in JSON
	name   string // in FHIRPath
	index  int    // -1 when it stands alone
	inside bool   // the top of the document, or of the part examined
}

func (x *examination) push(key, name string, index int) {
	x.path = append(x.path, segment{key: key, name: name, index: index})
}

// spend counts n steps and reports whether there were any left.
func (x *examination) spend(n int) bool {
	if x.budget == nil {
		return true
	}
	*x.budget -= n
	return *x.budget > 0
}

func (x *examination) pop() { x.path = x.path[:len(x.path)-1] }

// add notes an issue at the place that is being looked at.
func (x *examination) add(s Severity, code, diagnostics string) {
	if x.errorsOnly && s != Error || x.silent && len(x.issues) > 0 {
		return
	}
	if s == Error && x.errors >= maxErrors || s != Error && len(x.issues)-x.errors >= maxWarnings {
		x.cut = true
		return
	}
	i := Issue{Severity: s, Code: code, Diagnostics: diagnostics}
	if !x.silent {
		i.Expression, i.Pointer = x.place()
	}
	for _, have := range x.issues {
		if have == i {
			return
		}
	}
	x.issues = append(x.issues, i)
	if s == Error {
		x.errors++
	}
}

func (x *examination) place() (expression, pointer string) {
	var e, p strings.Builder
	for i, s := range x.path {
		if i > 0 {
			e.WriteByte('.')
			p.WriteString("/" + escape(s.key))
		}
		e.WriteString(s.name)
		if s.index >= 0 {
			e.WriteString("[" + itoa(s.index) + "]")
			p.WriteString("/" + itoa(s.index))
		}
	}
	return e.String(), p.String()
}

// structure notes what fhir.Problems finds.
func (x *examination) structure(r fhir.Resource) {
	for _, p := range fhir.Problems(r) {
		x.errors++
		if x.errorsOnly {
			x.issues = append(x.issues, Issue{Severity: Error, Code: p.Code, Expression: p.Path, Diagnostics: p.Msg})
			continue
		}
		expression, pointer := translate(r, p.Path)
		x.issues = append(x.issues, Issue{Severity: Error, Code: p.Code, Expression: expression, Pointer: pointer, Diagnostics: p.Msg})
	}
}
