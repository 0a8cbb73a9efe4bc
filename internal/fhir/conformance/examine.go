package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// maxProfiles bounds how deep profiles may refer to profiles.
const maxProfiles = 12

// claims examines a resource against the profiles that it claims and those that are asked for.
func (x *examination) claims(node fhirpath.Value, asked []string) {
	urls := slices.Clone(asked)
	for _, u := range texts(fhir.Resource(node.Object()).Get("meta.profile")) {
		if !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	for _, url := range urls {
		if plain, _, _ := strings.Cut(url, "|"); isBaseType(plain) {
			if t := fhir.TypeOf(strings.TrimPrefix(plain, baseURL)); !node.Type.Is(t) {
				x.add(Error, "structure", fmt.Sprintf("is a %s and cannot conform to %s", node.Type.Name(), url))
			}
			continue
		}
		p := x.v.profile(x.ctx, url)
		if p == nil {
			severity := Warning
			if slices.Contains(asked, url) {
				severity = Error
			}
			x.add(severity, "not-found", "the profile "+url+" is not known here and was not checked; upload its StructureDefinition")
			continue
		}
		x.profile(p, node)
	}
}

// conforms is conformsTo() of FHIRPath.
func (x *examination) conforms(v fhirpath.Value, url string) (ok, known bool) {
	p := x.v.profile(x.ctx, url)
	if p == nil {
		return false, false
	}
	return x.meets(p, v), true
}

// meets reports whether a value conforms to a profile, without noting anything.
func (x *examination) meets(p *profile, v fhirpath.Value) bool {
	y := &examination{ctx: x.ctx, v: x.v, env: x.env, bundle: x.bundle, profiles: x.profiles, silent: true, errorsOnly: true, budget: x.budget}
	y.profile(p, v)
	return len(y.issues) == 0
}

// profile examines a value against a profile and those beneath it.
func (x *examination) profile(p *profile, v fhirpath.Value) {
	if x.profiles++; x.profiles > maxProfiles {
		x.profiles--
		return
	}
	defer func() { x.profiles-- }()
	if p.large {
		x.add(Error, "too-costly", fmt.Sprintf("%s has more than %d elements and was not checked", p.url, maxElements))
		return
	}
	if p.typ == nil || v.Type == nil || !v.Type.Is(p.typ) {
		x.add(Error, "structure", fmt.Sprintf("%s is a profile of %s", p.url, p.root.name))
		return
	}
	if p.base != "" {
		if b := x.v.profile(x.ctx, p.base); b != nil {
			x.profile(b, v)
		} else {
			x.add(Warning, "not-found", "the profile "+p.base+", on which "+p.url+" builds, is not known here and was not checked")
		}
	}
	x.apply(p.root.rules, v)
	x.children(p, p.root, v)
}

// children examines the elements of an object that the profile speaks of.
func (x *examination) children(p *profile, e *element, v fhirpath.Value) {
	if len(x.path) > maxDepth {
		return
	}
	for _, c := range e.children {
		if !x.spend(4) {
			return
		}
		name := c.name
		var form *fhir.Form
		if v.Type != nil && v.Type.Member(name) == nil {
			if m, f := v.Type.Field(name); m != nil { // "valueQuantity": the choice may have that type only
				name, form = m.Name, f
			}
		}
		values := v.Members(name)
		x.count(p, c, len(values), name)
		for _, w := range values {
			x.step(w, name)
			if form == nil || w.Place().Key == form.Key {
				x.value(p, c, w)
			} else {
				x.add(Error, "structure", fmt.Sprintf("must be a %s, not a %s (profile %s)", form.Type.Name(), w.Type.Name(), p.url))
			}
			x.pop()
		}
		if len(c.slices) > 0 {
			x.slices(p, c, values)
		}
	}
}

func (x *examination) step(w fhirpath.Value, name string) {
	at := w.Place()
	x.push(at.Key, name, at.Index)
}

// count notes too few or too many values of an element or slice.
func (x *examination) count(p *profile, e *element, n int, name string) {
	what := name
	if e.slice != "" {
		what = fmt.Sprintf("the slice %s of %s", e.slice, name)
	}
	switch {
	case e.min > 0 && n < e.min:
		x.add(Error, "required", fmt.Sprintf("%s is required %d times at least, there are %d (profile %s)", what, e.min, n, p.url))
	case e.max == 0 && n > 0:
		x.add(Error, "structure", fmt.Sprintf("%s may not be there (profile %s)", what, p.url))
	case e.max > 0 && n > e.max:
		x.add(Error, "structure", fmt.Sprintf("%s may be there %d times at most, there are %d (profile %s)", what, e.max, n, p.url))
	}
}

// value examines one value of an element or slice.
func (x *examination) value(p *profile, e *element, w fhirpath.Value) {
	switch {
	case e.fixed != nil && !equalJSON(e.fixed, w.JSON()):
		x.add(Error, "value", fmt.Sprintf("must be %s (profile %s)", brief(e.fixed), p.url))
	case e.pattern != nil && !covers(e.pattern, w.JSON()):
		x.add(Error, "value", fmt.Sprintf("must hold %s (profile %s)", brief(e.pattern), p.url))
	}
	if s, ok := w.JSON().(string); ok && e.maxLen > 0 && len([]rune(s)) > e.maxLen {
		x.add(Error, "too-long", fmt.Sprintf("may have %d characters at most (profile %s)", e.maxLen, p.url))
	}
	if e.least != nil {
		if c, known := fhirpath.Compare(w, *e.least); known && c < 0 {
			x.add(Error, "value", fmt.Sprintf("is less than %s (profile %s)", e.least, p.url))
		}
	}
	if e.most != nil {
		if c, known := fhirpath.Compare(w, *e.most); known && c > 0 {
			x.add(Error, "value", fmt.Sprintf("is more than %s (profile %s)", e.most, p.url))
		}
	}
	if len(e.types) > 0 && !x.typed(p, e, w) {
		return
	}
	if e.binding != nil {
		x.bound(p, e.binding, w)
	}
	x.apply(e.rules, w)
	if w.Kind == fhirpath.Object || len(e.children) > 0 {
		x.children(p, e, w)
	}
}

// typed checks the type of a choice, the profile of a datatype or resource, and the target of a reference.
func (x *examination) typed(p *profile, e *element, w fhirpath.Value) bool {
	var fits []typeRef
	for _, t := range e.types {
		if code := fhir.TypeOf(t.code); code == nil || w.Type == nil || w.Type.Is(code) || w.Type.Kind() == fhir.KindPart {
			fits = append(fits, t)
		}
	}
	if len(fits) == 0 {
		codes := make([]string, len(e.types))
		for i, t := range e.types {
			codes[i] = t.code
		}
		x.add(Error, "structure", fmt.Sprintf("must be a %s, not a %s (profile %s)", strings.Join(codes, " or "), w.Type.Name(), p.url))
		return false
	}
	for _, t := range fits {
		if len(t.profiles) > 0 {
			x.oneOf(p, t.profiles, w)
		}
		if len(t.targets) > 0 && t.code == "Reference" {
			x.target(p, t.targets, w)
		}
	}
	return true
}

// oneOf examines a value against the profile of its type; of several it must meet one.
func (x *examination) oneOf(p *profile, urls []string, w fhirpath.Value) {
	var known []*profile
	for _, u := range urls {
		if plain, _, _ := strings.Cut(u, "|"); isBaseType(plain) {
			return
		}
		q := x.v.profile(x.ctx, u)
		if q == nil {
			return // what is not known cannot be refused
		}
		known = append(known, q)
	}
	if len(known) == 1 {
		x.profile(known[0], w)
		return
	}
	if !slices.ContainsFunc(known, func(q *profile) bool { return x.meets(q, w) }) {
		x.add(Error, "structure", fmt.Sprintf("conforms to none of %s (profile %s)", strings.Join(urls, ", "), p.url))
	}
}

// target checks the type of what a reference names against the profiles that it may conform to.
func (x *examination) target(p *profile, urls []string, w fhirpath.Value) {
	text, _ := w.Object()["reference"].(string)
	ref := fhir.ParseReference(text)
	if ref.Type == "" {
		return
	}
	target := fhir.TypeOf(ref.Type)
	for _, u := range urls {
		if name, ok := strings.CutPrefix(u, baseURL); ok && fhir.TypeOf(name) != nil {
			if target.Is(fhir.TypeOf(name)) {
				return
			}
			continue
		}
		if q := x.v.profile(x.ctx, u); q == nil || q.typ == nil || target.Is(q.typ) {
			return
		}
	}
	x.add(Error, "value", fmt.Sprintf("may not refer to a %s, only to %s (profile %s)", ref.Type, strings.Join(urls, ", "), p.url))
}

// bound checks a code, Coding, CodeableConcept or Quantity against a value set; what is not known is not checked.
func (x *examination) bound(p *profile, b *binding, w fhirpath.Value) {
	if b.strength != "required" && b.strength != "extensible" {
		return
	}
	in, known := x.inSet(b.set, w)
	if in || !known {
		return
	}
	if b.strength == "required" {
		x.add(Error, "code-invalid", fmt.Sprintf("has no code of the required value set %s (profile %s)", b.set, p.url))
		return
	}
	x.add(Warning, "code-invalid", fmt.Sprintf("has no code of the extensible value set %s (profile %s)", b.set, p.url))
}

func (x *examination) inSet(set string, w fhirpath.Value) (in, known bool) {
	if code, ok := w.JSON().(string); ok {
		return x.holds(set, "", code)
	}
	o := w.Object()
	codings, isConcept := o["coding"].([]any)
	if !isConcept {
		codings = []any{o}
	}
	if o == nil || w.Type != nil && w.Type.Name() == "CodeableConcept" && !isConcept {
		codings = nil
	}
	_, known = x.holds(set, "", "")
	for _, c := range codings {
		m, _ := c.(map[string]any)
		system, _ := m["system"].(string)
		code, _ := m["code"].(string)
		if in, k := x.holds(set, system, code); in || !k {
			return in, k
		}
	}
	return false, known
}

func (x *examination) holds(set, system, code string) (in, known bool) {
	if t := x.v.cfg.Terminology; t != nil {
		if in, known = t.Holds(x.ctx, set, system, code); known {
			return in, known
		}
	}
	if s := fhir.ValueSetOf(set); s != nil {
		return s.Holds(system, code), true
	}
	return false, false
}
