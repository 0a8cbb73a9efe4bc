package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// slices puts each value into its slice, and examines each slice.
func (x *examination) slices(p *profile, e *element, values []fhirpath.Value) {
	taken := make([]bool, len(values))
	for _, s := range e.slices {
		n := 0
		for i, w := range values {
			if taken[i] || !x.spend(4) || !x.inSlice(e, s, w) {
				continue
			}
			taken[i] = true
			n++
			x.step(w, e.name)
			x.value(p, s, w)
			if len(s.slices) > 0 { // a slice of a slice
				x.slices(p, s, values[i:i+1])
			}
			x.pop()
		}
		x.count(p, s, n, e.name)
	}
	if e.slicing == nil || !e.slicing.closed {
		return
	}
	for i, w := range values {
		if !taken[i] {
			x.step(w, e.name)
			x.add(Error, "structure", fmt.Sprintf("belongs to no slice, and the slicing is closed (profile %s)", p.url))
			x.pop()
		}
	}
}

// inSlice tells by the discriminators whether a value belongs to a slice. A choice without discriminators is sliced by
// type, an extension by its URL.
func (x *examination) inSlice(e, s *element, w fhirpath.Value) bool {
	var by []discriminator
	if e.slicing != nil {
		by = e.slicing.discriminators
	}
	switch {
	case len(by) > 0:
	case w.Type != nil && w.Type.Name() == "Extension":
		by = []discriminator{{"value", "url"}}
	case len(s.types) > 0 || strings.HasPrefix(s.slice, e.name):
		by = []discriminator{{"type", "$this"}}
	default: // no way to tell: whatever meets what the slice says
		return x.quietly(func(y *examination) { y.value(&profile{}, s, w) })
	}
	for _, d := range by {
		if !x.discriminated(d, s, w) {
			return false
		}
	}
	return true
}

// quietly reports whether an examination finds nothing.
func (x *examination) quietly(f func(y *examination)) bool {
	y := &examination{ctx: x.ctx, v: x.v, env: x.env, bundle: x.bundle, profiles: x.profiles + 1, silent: true, errorsOnly: true, budget: x.budget}
	if y.profiles > maxProfiles {
		return false
	}
	f(y)
	return len(y.issues) == 0
}

func (x *examination) discriminated(d discriminator, s *element, w fhirpath.Value) bool {
	values, nodes := x.follow(d.path, s, []fhirpath.Value{w})
	switch d.kind {
	case "exists":
		for _, n := range nodes {
			if n.max == 0 {
				return len(values) == 0
			}
		}
		return len(values) > 0
	case "type":
		return ofTypes(s, nodes, values)
	case "profile":
		for _, n := range nodes {
			for _, t := range n.types {
				for _, url := range slices.Concat(t.profiles, t.targets) {
					if q := x.v.profile(x.ctx, url); q != nil && len(values) > 0 && x.meets(q, values[0]) {
						return true
					}
				}
			}
		}
		return false
	}
	if d.path == "url" && w.Type != nil && w.Type.Name() == "Extension" && len(s.types) > 0 && len(s.types[0].profiles) > 0 {
		url, _ := w.Object()["url"].(string)
		plain, _, _ := strings.Cut(s.types[0].profiles[0], "|")
		return url == plain
	}
	return x.anyMeets(nodes, values)
}

// ofTypes tells whether a value has a type that the slice names, by its definition or by its name ("valueQuantity").
func ofTypes(s *element, nodes []*element, values []fhirpath.Value) bool {
	for _, w := range values {
		for _, n := range nodes {
			for _, t := range n.types {
				if w.Type != nil && w.Type.Is(fhir.TypeOf(t.code)) {
					return true
				}
			}
			if n == s && len(n.types) == 0 && w.Place().Key == s.slice {
				return true
			}
		}
	}
	return false
}

// follow walks a discriminator's path through values and through what the slice says, side by side.
func (x *examination) follow(path string, s *element, values []fhirpath.Value) ([]fhirpath.Value, []*element) {
	var nodes []*element
	for n := s; n != nil; n = n.beneath {
		nodes = append(nodes, n)
	}
	for _, step := range steps(path) {
		var next []fhirpath.Value
		switch {
		case step == "resolve()":
			for _, w := range values {
				if ref, _ := w.Object()["reference"].(string); ref != "" {
					if r := x.Resolve(x.ctx, ref); r != nil {
						next = append(next, fhirpath.Root(r))
					}
				}
			}
			values = next
			continue
		case strings.HasPrefix(step, "ofType("):
			t := fhir.TypeOf(strings.TrimSuffix(strings.TrimPrefix(step, "ofType("), ")"))
			for _, w := range values {
				if w.Type != nil && t != nil && w.Type.Is(t) {
					next = append(next, w)
				}
			}
			values = next
			continue
		}
		name, url := step, ""
		if rest, ok := strings.CutPrefix(step, "extension("); ok {
			name, url = "extension", strings.Trim(strings.TrimSuffix(rest, ")"), "'\"")
		}
		for _, w := range values {
			for _, m := range w.Members(name) {
				if got, _ := m.Object()["url"].(string); url == "" || got == url {
					next = append(next, m)
				}
			}
		}
		values, nodes = next, childrenOf(nodes, name)
	}
	return values, nodes
}

// steps cuts a path at its points, not at those inside brackets.
func steps(path string) []string {
	if path == "" || path == "$this" {
		return nil
	}
	var out []string
	depth, from := 0, 0
	for i := range len(path) {
		switch path[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '.':
			if depth == 0 {
				out = append(out, path[from:i])
				from = i + 1
			}
		}
	}
	out = append(out, path[from:])
	if out[0] == "$this" {
		out = out[1:]
	}
	return out
}

func childrenOf(nodes []*element, name string) []*element {
	var out []*element
	for _, n := range nodes {
		for _, c := range n.children {
			if c.name == name {
				out = append(append(out, c), c.slices...)
			}
		}
	}
	return out
}

// anyMeets tells whether the values meet every node that says something about them, each by one value at least.
func (x *examination) anyMeets(nodes []*element, values []fhirpath.Value) bool {
	said := false
	for _, n := range nodes {
		if !x.spend(1+len(values)) || !n.decides() {
			continue
		}
		said = true
		met := false
		for _, w := range values {
			if met = x.decidedBy(n, w); met {
				break
			}
		}
		if !met {
			return false
		}
	}
	return said
}

// decides reports whether the node, or something in it, can tell values apart.
func (e *element) decides() bool {
	if e.fixed != nil || e.pattern != nil || e.binding != nil && e.binding.strength == "required" {
		return true
	}
	for _, c := range slices.Concat(e.children, e.slices) {
		if c.decides() {
			return true
		}
	}
	return false
}

// decidedBy reports whether a value has what the node fixes.
func (x *examination) decidedBy(e *element, w fhirpath.Value) bool {
	if e.fixed != nil && !equalJSON(e.fixed, w.JSON()) || e.pattern != nil && !covers(e.pattern, w.JSON()) {
		return false
	}
	if e.binding != nil && e.binding.strength == "required" {
		if in, known := x.inSet(e.binding.set, w); known && !in {
			return false
		}
	}
	for _, c := range e.children {
		values := w.Members(c.name)
		if nodes := append([]*element{c}, c.slices...); c.decides() && !x.anyMeets(nodes, values) {
			return false
		}
	}
	return true
}
