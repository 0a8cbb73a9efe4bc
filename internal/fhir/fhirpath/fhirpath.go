// Package fhirpath is FHIRPath (release 2.0) over FHIR R4: it reads an expression once and evaluates it often.
//
// It knows no HTTP, no SQL and no clock of its own; terminology, references and profiles come in through Env. Every
// evaluation is bounded in steps and memory, and no input makes it panic. Start at Compile.
package fhirpath

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Expr is a compiled expression. It is safe for concurrent use.
type Expr struct {
	src  string
	tree *node
	run  op
}

// Compile reads an expression. It returns an Invalid error that names the place of the first fault: syntax, an unknown
// function or type, a wrong number of arguments.
func Compile(expr string) (*Expr, error) {
	tree, err := parse(expr)
	if err != nil {
		return nil, err
	}
	return build(expr, tree)
}

// CompileRule reads an invariant as R4 writes them: as() picks the items of a type out of many, as ofType() does.
func CompileRule(expr string) (*Expr, error) {
	tree, err := parse(expr)
	if err != nil {
		return nil, err
	}
	tree.walk(func(n *node) {
		if n.kind == nodeCall && n.name == "as" {
			n.name = "ofType"
		}
	})
	return build(expr, tree)
}

func build(expr string, tree *node) (*Expr, error) {
	run, err := compile(tree, true)
	if err != nil {
		return nil, err
	}
	return &Expr{src: expr, tree: tree, run: run}, nil
}

// String returns the expression as it was written.
func (e *Expr) String() string { return e.src }

// Resolver finds what a reference names.
type Resolver interface {
	// Resolve returns the resource that a Reference.reference or canonical URL names; nil when it is not known.
	// It may be called concurrently.
	Resolve(ctx context.Context, reference string) fhir.Resource
}

// Terminology answers whether a code belongs to a value set.
type Terminology interface {
	// Holds reports whether the value set holds the code; known is false when the set is not known. An empty system
	// stands for that of the element. It may be called concurrently.
	Holds(ctx context.Context, valueSet, system, code string) (in, known bool)
}

// Env is what an evaluation needs besides its node. The zero Env serves expressions that look at nothing else.
type Env struct {
	Resource    Value              // %resource: the resource that holds the node; the node itself when absent
	Root        Value              // %rootResource: the resource that contains Resource; Resource when absent
	Vars        map[string][]Value // further variables, without "%"
	Now         time.Time          // now(), today(), timeOfDay()
	Resolver    Resolver
	Terminology Terminology
	Conforms    func(v Value, profile string) (ok, known bool) // conformsTo() for profiles that are no base type
	Trace       func(name string, values []Value)
	MaxSteps    int  // DefaultSteps when 0
	Budget      *int // steps that several evaluations share, counted down; nil when MaxSteps alone counts
}

// DefaultSteps bounds an evaluation: items looked at and operations done.
const DefaultSteps = 2_000_000

// maxItems bounds how many values an evaluation holds at a time.
const maxItems = 200_000

// maxText bounds the length of a string that an evaluation makes, in bytes.
const maxText = 1 << 20

// Eval evaluates the expression on a node. It returns an Invalid error where the specification asks for one (more than
// one item where one is expected, operands of the wrong type) and where a limit is passed.
func (e *Expr) Eval(ctx context.Context, env *Env, node Value) ([]Value, error) {
	st := newState(ctx, env, node)
	defer st.free()
	out, err := e.run.eval(st, st.this)
	if err != nil {
		return nil, err
	}
	return append([]Value(nil), out...), nil
}

// EvalBool evaluates a condition: an empty result is false, a single value that is no Boolean is true.
func (e *Expr) EvalBool(ctx context.Context, env *Env, node Value) (bool, error) {
	st := newState(ctx, env, node)
	defer st.free()
	out, err := e.run.eval(st, st.this)
	if err != nil {
		return false, err
	}
	t, err := truth(out)
	return t == yes, err
}

func syntax(pos int, format string, args ...any) error {
	args = append([]any{pos + 1}, args...)
	return vigil.Errorf(vigil.Invalid, "fhirpath.compile", "character %d: "+format, args...)
}

func failure(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "fhirpath.eval", format, args...)
}
