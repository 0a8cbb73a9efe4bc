package fhir

import "strings"

// Kind is the sort of a type.
type Kind byte

// The sorts of types.
const (
	KindResource  Kind = 'R'
	KindAbstract  Kind = 'A' // Resource, DomainResource, MetadataResource
	KindDatatype  Kind = 'C'
	KindPart      Kind = 'B' // "Observation.component"
	KindPrimitive Kind = 'P'
)

// Type is one type of R4: a resource, a datatype, a part of one or a primitive. Types are shared and read only; each
// is one pointer, so that they compare with ==.
type Type struct {
	s    *structure
	base *Type
}

// Member is an element as FHIRPath and profiles see it: a choice is one Member with a Form for each type.
type Member struct {
	Name     string // without "[x]"
	Choice   bool
	List     bool
	Min, Max int // Max -1 is any number
	Forms    []Form
	Set      *ValueSet // required binding; nil when open
	Rules    []Rule    // invariants on this element besides those of its type
}

// Form is one JSON name of an element.
type Form struct {
	Key     string   // "valueQuantity"
	Shadow  string   // "_valueString" for a primitive, else ""
	Type    *Type    //
	Targets []string // of a Reference; empty means any
}

// Rule is an invariant: a FHIRPath expression that must give true.
type Rule struct {
	Key        string // "obs-6"
	Warning    bool
	Expression string
	Human      string
}

// TypeOf returns the type of a name: "Patient", "Quantity", "code" or "Observation.component"; nil when there is none.
func TypeOf(name string) *Type {
	s := tables().types[name]
	if s == nil {
		return nil
	}
	return s.handle
}

// TypeNames calls yield with every type, in no order.
func TypeNames(yield func(*Type) bool) {
	for _, s := range tables().types {
		if !yield(s.handle) {
			return
		}
	}
}

// Name returns "Patient", "Quantity", "code", or the path of a part.
func (t *Type) Name() string { return t.s.name }

// Kind returns the sort of the type.
func (t *Type) Kind() Kind { return Kind(t.s.kind) }

// Primitive reports whether values are JSON strings, numbers or booleans.
func (t *Type) Primitive() bool { return t.s.kind == 'P' }

// Base returns the type that this one specialises; nil for Element and Resource.
func (t *Type) Base() *Type { return t.base }

// Is reports whether the type is other or specialises it.
func (t *Type) Is(other *Type) bool {
	for ; t != nil; t = t.base {
		if t == other {
			return true
		}
	}
	return false
}

// Rules returns the invariants of the type, without those of its base. Read only.
func (t *Type) Rules() []Rule { return t.s.rules }

// Member returns the element with a name as FHIRPath writes it ("value" for value[x]); nil when there is none.
func (t *Type) Member(name string) *Member { return t.s.members[name] }

// Members calls yield with every element in the order of the definition.
func (t *Type) Members(yield func(*Member) bool) {
	for _, el := range t.s.elements {
		if !yield(&el.member) {
			return
		}
	}
}

// Field returns the element and form under a JSON name ("valueQuantity"); nil when there is none.
func (t *Type) Field(key string) (*Member, *Form) {
	f, ok := t.s.fields[key]
	if !ok {
		return nil, nil
	}
	for i := range f.el.member.Forms {
		if form := &f.el.member.Forms[i]; form.Key == key {
			return &f.el.member, form
		}
	}
	return nil, nil
}

// parseRule reads "K key severity expression<tab>human".
func parseRule(line string) Rule {
	f := strings.SplitN(line, " ", 4)
	expression, human, _ := strings.Cut(f[3], "\t")
	return Rule{Key: f[1], Warning: f[2] == "w", Expression: expression, Human: human}
}

// link resolves names to pointers once every line is read.
func (d *definitions) link() {
	for _, s := range d.types {
		s.handle = &Type{s: s}
	}
	for _, s := range d.types {
		if b := d.types[s.baseName]; b != nil {
			s.base, s.handle.base = b, b.handle
		}
		for _, el := range s.elements {
			el.set = d.sets[el.bound]
			if el.set == nil && el.bound != "" {
				el.set = grammarSet(el.bound)
			}
			el.member = Member{Name: el.name, Choice: el.choice, List: el.list, Min: el.min, Max: el.max, Set: el.set, Rules: el.rules}
			for _, ref := range el.types {
				t := d.types[ref.code]
				if t == nil {
					continue
				}
				form := Form{Key: el.as(ref).Name, Type: t.handle, Targets: ref.targets}
				if t.kind == 'P' {
					form.Shadow = "_" + form.Key
				}
				el.member.Forms = append(el.member.Forms, form)
			}
			s.members[el.name] = &el.member
		}
	}
}
