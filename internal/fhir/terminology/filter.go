package terminology

import (
	"regexp"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// test tells whether a code satisfies one filter of a value set.
type test func(n *node) bool

// tests reads the filters of an include. Invalid names one that cannot be read or is not supported.
func (s *system) tests(filters []fhir.Resource) ([]test, error) {
	var out []test
	for _, f := range filters {
		t, err := s.test(f.Str("property"), f.Str("op"), f.Str("value"))
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (s *system) test(property, op, value string) (test, error) {
	property = strings.TrimSpace(property)
	switch op {
	case "is-a", "descendent-of", "is-not-a", "generalizes":
		if property != "concept" && property != "code" && property != "parent" {
			return nil, invalid("filter", "filter %q asks for property concept, not %q", op, property)
		}
		return s.related(op, value)
	case "=":
		return func(n *node) bool { return some(n.values(property), func(v string) bool { return v == value }) }, nil
	case "in", "not-in":
		list := strings.Split(value, ",")
		return func(n *node) bool {
			hit := some(n.values(property), func(v string) bool { return some(list, func(w string) bool { return strings.TrimSpace(w) == v }) })
			return hit == (op == "in")
		}, nil
	case "regex":
		re, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return nil, invalid("filter", "the regular expression %q cannot be read: %v", value, err)
		}
		return func(n *node) bool { return some(n.values(property), re.MatchString) }, nil
	case "exists":
		if value != "true" && value != "false" {
			return nil, invalid("filter", "filter exists has the value true or false, not %q", value)
		}
		return func(n *node) bool { return (len(n.values(property)) > 0) == (value == "true") }, nil
	}
	return nil, invalid("filter", "filter %q is not one of is-a, descendent-of, is-not-a, generalizes, =, in, not-in, regex, exists", op)
}

func (s *system) related(op, value string) (test, error) {
	root := s.find(value)
	if root == nil {
		return nil, notFound("filter", "%s has no code %q%s", s.url, value, s.part())
	}
	switch op {
	case "is-a":
		return func(n *node) bool { return n == root || n.under(root) }, nil
	case "descendent-of":
		return func(n *node) bool { return n.under(root) }, nil
	case "is-not-a":
		return func(n *node) bool { return n != root && !n.under(root) }, nil
	}
	return func(n *node) bool { return n == root || root.under(n) }, nil
}

func some(list []string, ok func(string) bool) bool {
	for _, s := range list {
		if ok(s) {
			return true
		}
	}
	return false
}

// values returns what a code has under a property's name: the defined ones, and those that every code has.
func (n *node) values(property string) (out []string) {
	switch property {
	case "code", "concept":
		return []string{n.code}
	case "display":
		if n.display == "" {
			return nil
		}
		return []string{n.display}
	case "definition":
		if n.definition == "" {
			return nil
		}
		return []string{n.definition}
	case "parent", "child":
		list := n.parents
		if property == "child" {
			list = n.children
		}
		for _, k := range list {
			out = append(out, k.code)
		}
		return out
	case "inactive":
		if n.inactive {
			return []string{"true"}
		}
		return []string{"false"}
	}
	for _, p := range n.raw.List("property") {
		if p.Str("code") != property {
			continue
		}
		for _, key := range []string{"valueCode", "valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueDecimal", "valueCoding.code"} {
			if v := p.Str(key); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}
