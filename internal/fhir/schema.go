package fhir

// Element is one element of a type under one JSON name: a choice has one Element a type.
type Element struct {
	Name   string // as in JSON: "valueQuantity"
	Choice string // of a choice its name without the type: "value"; "" otherwise
	Type   string // "Quantity", "string", "Resource", or the path of a part: "Observation.component"
	List   bool
	// Required elements come at least once; Summary elements belong to the short form of a resource.
	Required, Summary bool
}

// Primitive reports whether the element's values are JSON strings, numbers or booleans.
func (e Element) Primitive() bool { return isPrimitive(e.Type) }

// Holds reports whether the element's values are whole resources with a resourceType.
func (e Element) Holds() bool { return e.Type == "Resource" || KnownType(e.Type) }

// Elements returns the elements of a type or part in the order of its definition; nil when the type is unknown.
func Elements(typ string) []Element {
	t := tables().types[typ]
	if t == nil {
		return nil
	}
	var out []Element
	for _, el := range t.elements {
		for _, ref := range el.types {
			out = append(out, el.as(ref))
		}
	}
	return out
}

// ElementOf returns one element of a type or part by its JSON name.
func ElementOf(typ, name string) (Element, bool) {
	t := tables().types[typ]
	if t == nil {
		return Element{}, false
	}
	f, ok := t.fields[name]
	if !ok {
		return Element{}, false
	}
	return f.el.as(f.typ), true
}

func (el *element) as(ref typeRef) Element {
	out := Element{Name: el.name, Type: ref.code, List: el.list, Required: el.required, Summary: el.summary}
	if el.choice {
		out.Choice, out.Name = el.name, el.name+upper(ref.code)
	}
	return out
}
