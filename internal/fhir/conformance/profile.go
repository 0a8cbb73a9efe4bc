package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// baseProfiles are the differentials of the profiles and extensions that R4 itself publishes, stripped to what validation reads; made
// by ../gen.
//
//go:embed profiles.json.gz
var baseProfiles []byte

const baseURL = "http://hl7.org/fhir/StructureDefinition/"

// profile is a StructureDefinition compiled: what it says on top of its base.
type profile struct {
	url   string
	typ   *fhir.Type
	base  string // URL of the profile beneath; "" when that is the type itself
	root  *element
	large bool // more than maxElements: it is not examined
}

// maxElements bounds a profile; the largest snapshots of R4 have 300.
const maxElements = 5000

// element is one element of a profile, or one slice of it.
type element struct {
	name     string // without "[x]"
	slice    string // name of the slice; "" for the element itself
	min, max int    // -1 when the profile says nothing
	types    []typeRef
	fixed    any
	pattern  any
	maxLen   int
	least    *fhirpath.Value // minValue[x]
	most     *fhirpath.Value // maxValue[x]
	binding  *binding
	rules    []rule
	slicing  *slicing
	slices   []*element
	children []*element
	beneath  *element // the same element or slice in the base profile
}

type typeRef struct {
	code     string
	profiles []string
	targets  []string // URLs
}

type binding struct {
	strength string
	set      string
}

type slicing struct {
	discriminators []discriminator
	closed         bool
}

type discriminator struct {
	kind string // value, pattern, exists, type, profile
	path string
}

// builtin are the base profiles by URL.
var builtin = sync.OnceValue(func() map[string]fhir.Resource {
	zr, err := gzip.NewReader(bytes.NewReader(baseProfiles))
	if err != nil {
		panic("conformance: the embedded profiles are damaged: " + err.Error()) // impossible: part of the program
	}
	dec := json.NewDecoder(zr)
	dec.UseNumber()
	var list []map[string]any
	if err := dec.Decode(&list); err != nil {
		panic("conformance: the embedded profiles are damaged: " + err.Error()) // impossible: part of the program
	}
	out := map[string]fhir.Resource{}
	for _, p := range list {
		out[fhir.Resource(p).Str("url")] = p
	}
	return out
})

// maxCompiled bounds how many profiles a Validator keeps compiled.
const maxCompiled = 1000

// profile returns a compiled profile; nil when it is not known or is a type of R4 itself.
func (v *Validator) profile(ctx context.Context, url string) *profile { return v.find(ctx, url, 0) }

// find is profile for the base of a profile, the base of that, and so on, in case they form a circle.
func (v *Validator) find(ctx context.Context, url string, depth int) *profile {
	plain, _, _ := strings.Cut(url, "|")
	sd := builtin()[plain]
	if sd == nil && v.cfg.Profiles != nil && !isBaseType(plain) {
		sd = v.cfg.Profiles.StructureDefinition(ctx, url)
	}
	if sd == nil || depth > maxProfiles {
		return nil
	}
	key := plain + "|" + sd.Str("version") + "|" + sd.Str("meta.versionId") + "|" + sd.Str("meta.lastUpdated")
	v.mu.Lock()
	p := v.compiled[key]
	v.mu.Unlock()
	if p != nil {
		return p
	}
	var b *profile
	if base := sd.Str("baseDefinition"); !isBaseType(base) {
		b = v.find(ctx, base, depth+1)
	}
	p = compileProfile(sd, b)
	v.mu.Lock()
	if len(v.compiled) >= maxCompiled {
		clear(v.compiled)
	}
	v.compiled[key] = p
	v.mu.Unlock()
	return p
}

func isBaseType(url string) bool {
	name, ok := strings.CutPrefix(url, baseURL)
	return ok && fhir.TypeOf(name) != nil
}

// compileProfile reads the differential, as the base profile is examined by itself; the snapshot where there is no
// differential or the base is not known.
func compileProfile(sd fhir.Resource, beneath *profile) *profile {
	p := &profile{url: sd.Str("url"), typ: fhir.TypeOf(sd.Str("type")), root: newElement(sd.Str("type"))}
	if b := sd.Str("baseDefinition"); !isBaseType(b) {
		p.base = b
	}
	list := sd.List("differential.element")
	if snapshot := sd.List("snapshot.element"); len(snapshot) > 0 && (len(list) == 0 || p.base != "" && beneath == nil) {
		list, p.base = snapshot, ""
	}
	if len(list) > maxElements {
		list, p.large = nil, true
	}
	for _, e := range list {
		if at := p.root.locate(e); at != nil {
			at.read(e)
		}
	}
	if beneath != nil {
		p.root.inherit(beneath.root)
	}
	return p
}

// inherit links each element with the same one in the base profile, and takes over how it is sliced.
func (e *element) inherit(b *element) {
	e.beneath = b
	for o := b; e.slicing == nil && o != nil; o = o.beneath {
		e.slicing = o.slicing
	}
	for _, c := range e.children {
		for o := b; o != nil; o = o.beneath {
			if i := slices.IndexFunc(o.children, func(d *element) bool { return d.name == c.name }); i >= 0 {
				c.inherit(o.children[i])
				break
			}
		}
	}
	for _, s := range e.slices {
		for o := b; o != nil; o = o.beneath {
			if i := slices.IndexFunc(o.slices, func(d *element) bool { return d.slice == s.slice }); i >= 0 {
				s.inherit(o.slices[i])
				break
			}
		}
	}
}

func newElement(name string) *element { return &element{name: name, min: -1, max: -2} }

// unbounded is the max "*"; unsaid that a profile sets none.
const (
	unbounded = -1
	unsaid    = -2
)

// locate returns the node that an ElementDefinition speaks of, made where it is new. Ids such as
// "Observation.component:systolic.code" name the slices; without an id the path and sliceName do.
func (root *element) locate(e fhir.Resource) *element {
	id := e.Str("id")
	if id == "" || !strings.HasPrefix(id, root.name) {
		id = e.Str("path")
		if s := e.Str("sliceName"); s != "" {
			id += ":" + s
		}
	}
	steps := strings.Split(id, ".")
	if len(steps) > maxDepth {
		return nil
	}
	at := root
	for _, s := range steps[1:] {
		name, slice, sliced := strings.Cut(s, ":")
		at = at.child(strings.TrimSuffix(name, "[x]"))
		if sliced {
			at = at.sliceOf(slice)
		}
	}
	return at
}

func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	c := newElement(name)
	e.children = append(e.children, c)
	return c
}

func (e *element) sliceOf(name string) *element {
	for _, s := range e.slices {
		if s.slice == name {
			return s
		}
	}
	s := newElement(e.name)
	s.slice = name
	e.slices = append(e.slices, s)
	return s
}

// read takes over what an ElementDefinition says.
func (e *element) read(def fhir.Resource) {
	if n, ok := def.Num("min"); ok {
		e.min = int(n)
	}
	if s := def.Str("max"); s == "*" {
		e.max = unbounded
	} else if n, err := json.Number(s).Int64(); err == nil {
		e.max = int(n)
	}
	if n, ok := def.Num("maxLength"); ok {
		e.maxLen = int(n)
	}
	for key, value := range def {
		switch {
		case strings.HasPrefix(key, "fixed"):
			e.fixed = value
		case strings.HasPrefix(key, "pattern"):
			e.pattern = value
		case strings.HasPrefix(key, "minValue"):
			e.least = limit(key[len("minValue"):], value)
		case strings.HasPrefix(key, "maxValue"):
			e.most = limit(key[len("maxValue"):], value)
		}
	}
	for _, t := range def.List("type") {
		e.types = append(e.types, typeRef{t.Str("code"), texts(t["profile"]), texts(t["targetProfile"])})
	}
	if set := def.Str("binding.valueSet"); set != "" {
		e.binding = &binding{def.Str("binding.strength"), set}
	}
	for _, c := range def.List("constraint") {
		if expr, err := fhirpath.CompileRule(c.Str("expression")); err == nil && c.Str("key") != "ele-1" && c.Str("key") != "ext-1" {
			e.rules = append(e.rules, rule{fhir.Rule{Key: c.Str("key"), Warning: c.Str("severity") == "warning", Expression: expr.String(), Human: c.Str("human")}, expr})
		}
	}
	if s, ok := def["slicing"].(map[string]any); ok {
		e.slicing = &slicing{closed: s["rules"] == "closed"}
		for _, d := range fhir.Resource(s).List("discriminator") {
			e.slicing.discriminators = append(e.slicing.discriminators, discriminator{d.Str("type"), d.Str("path")})
		}
	}
}

// limit returns a bound of a value; typ is as in a JSON name: "Integer", "DateTime", "Quantity".
func limit(typ string, value any) *fhirpath.Value {
	t := fhir.TypeOf(typ)
	if t == nil && typ != "" {
		t = fhir.TypeOf(strings.ToLower(typ[:1]) + typ[1:])
	}
	v := fhirpath.Node(value, t)
	return &v
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, it := range list {
		if s, ok := it.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
