package conformance

import (
	"context"
	"strings"
	"sync"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// rule is a compiled invariant.
type rule struct {
	fhir.Rule
	expr *fhirpath.Expr
}

// invariants are the rules of R4, compiled: those of each type, its bases included, and those of single elements.
type invariants struct {
	ofType   map[*fhir.Type][]rule
	ofMember map[*fhir.Member][]rule
}

var base = sync.OnceValue(func() *invariants {
	out := &invariants{ofType: map[*fhir.Type][]rule{}, ofMember: map[*fhir.Member][]rule{}}
	for t := range fhir.TypeNames {
		var rules []rule
		for b := t; b != nil; b = b.Base() {
			rules = append(rules, compileRules(b.Rules())...)
		}
		if len(rules) > 0 {
			out.ofType[t] = rules
		}
		for m := range t.Members {
			if rules := compileRules(m.Rules); len(rules) > 0 {
				out.ofMember[m] = rules
			}
		}
	}
	return out
})

// compileRules leaves out what the examination of structure sees already: ele-1 (no empty element) and txt-1 and txt-2
// (narrative).
func compileRules(rules []fhir.Rule) []rule {
	var out []rule
	for _, r := range rules {
		if r.Key == "ele-1" || r.Key == "txt-1" || r.Key == "txt-2" {
			continue
		}
		expr, err := fhirpath.CompileRule(r.Expression)
		if err != nil {
			continue // impossible for the rules of R4: a test compiles every one
		}
		out = append(out, rule{r, expr})
	}
	return out
}

// apply notes the rules that a value breaks.
func (x *examination) apply(rules []rule, node fhirpath.Value) {
	for i := range rules {
		r := &rules[i]
		if r.Warning && x.errorsOnly {
			continue
		}
		ok, err := r.expr.EvalBool(x.ctx, &x.env, node)
		if ok && err == nil {
			continue
		}
		severity := Error
		if r.Warning {
			severity = Warning
		}
		msg := r.Key + ": " + r.Human
		if err != nil {
			severity, msg = Warning, r.Key+" cannot be evaluated: "+err.Error()
		}
		x.add(severity, "invariant", msg)
	}
}

// resource examines one whole resource: the top of a document, one that it contains, or an entry of a Bundle.
func (x *examination) resource(r map[string]any, profiles []string) {
	name, _ := r["resourceType"].(string)
	t := fhir.TypeOf(name)
	if t == nil || t.Kind() != fhir.KindResource {
		return // the examination of structure says so
	}
	contained := len(x.path) > 0 && x.path[len(x.path)-1].key == "contained"
	before := x.env
	node := fhirpath.Node(r, t)
	x.env.Resource = node
	if !contained {
		x.env.Root = node
	}
	if x.v != nil {
		x.env.Terminology, x.env.Resolver, x.env.Conforms = x.v.cfg.Terminology, x, x.conforms
	}
	if len(x.path) == 0 {
		x.push("", name, -1)
		defer x.pop()
	}
	if name == "Bundle" {
		outer := x.bundle
		x.bundle = r
		defer func() { x.bundle = outer }()
	}
	x.object(r, t)
	if x.v != nil {
		x.claims(node, profiles)
	}
	x.env = before
}

// object applies the rules to an object and to everything in it.
func (x *examination) object(o map[string]any, t *fhir.Type) {
	if len(x.path) > maxDepth {
		return // the examination of structure says so
	}
	rules := base()
	if list := rules.ofType[t]; len(list) > 0 {
		x.apply(list, fhirpath.Node(o, t))
	}
	if x.v != nil && t == extensionType() {
		x.extension(o)
	}
	for m := range t.Members {
		for i := range m.Forms {
			f := &m.Forms[i]
			if value, shadow := o[f.Key], shadowOf(o, f); value != nil || shadow != nil {
				x.element(value, shadow, m, f, rules.ofMember[m])
			}
		}
	}
}

const maxDepth = 64

func shadowOf(o map[string]any, f *fhir.Form) any {
	if f.Shadow == "" {
		return nil
	}
	return o[f.Shadow]
}

func (x *examination) element(value, shadow any, m *fhir.Member, f *fhir.Form, rules []rule) {
	if f.Type.Primitive() && shadow == nil && len(rules) == 0 {
		return
	}
	items, isList := value.([]any)
	shadows, shadowList := shadow.([]any)
	if !isList && !shadowList {
		x.push(f.Key, m.Name, -1)
		x.item(value, shadow, f, rules)
		x.pop()
		return
	}
	for i := range max(len(items), len(shadows)) {
		var v, s any
		if i < len(items) {
			v = items[i]
		}
		if i < len(shadows) {
			s = shadows[i]
		}
		x.push(f.Key, m.Name, i)
		x.item(v, s, f, rules)
		x.pop()
	}
}

func (x *examination) item(value, shadow any, f *fhir.Form, rules []rule) {
	if len(rules) > 0 {
		x.apply(rules, fhirpath.NodeWith(value, shadow, f.Type))
	}
	if o, ok := value.(map[string]any); ok {
		if f.Type.Kind() == fhir.KindAbstract || f.Type.Kind() == fhir.KindResource {
			x.resource(o, nil)
		} else if !f.Type.Primitive() {
			x.object(o, f.Type)
		}
	}
	if o, ok := shadow.(map[string]any); ok {
		x.object(o, elementType())
	}
}

// extension examines an extension against its definition, where that is known.
func (x *examination) extension(o map[string]any) {
	url, _ := o["url"].(string)
	if !strings.Contains(url, ":") {
		return // part of an extension: the definition of the whole speaks of it
	}
	p, seen := x.extensions[url]
	if !seen {
		if p = x.v.profile(x.ctx, url); x.extensions == nil {
			x.extensions = map[string]*profile{}
		}
		if p != nil && p.typ != extensionType() {
			p = nil
		}
		x.extensions[url] = p
	}
	if p != nil {
		x.profile(p, fhirpath.Node(o, extensionType()))
	}
}

var extensionType = sync.OnceValue(func() *fhir.Type { return fhir.TypeOf("Extension") })

var elementType = sync.OnceValue(func() *fhir.Type { return fhir.TypeOf("Element") })

// Resolve finds what a reference names: in the Bundle that is examined, else where Config.References looks.
func (x *examination) Resolve(ctx context.Context, reference string) fhir.Resource {
	for _, e := range fhir.Resource(x.bundle).List("entry") {
		url, res := e.Str("fullUrl"), fhir.Resource(nil)
		if o, ok := e["resource"].(map[string]any); ok {
			res = o
		}
		if res != nil && (url == reference || strings.HasSuffix(url, "/"+reference) || url == "" && res.Ref() == reference) {
			return res
		}
	}
	if x.v == nil || x.v.cfg.References == nil {
		return nil
	}
	return x.v.cfg.References.Resolve(ctx, reference)
}
