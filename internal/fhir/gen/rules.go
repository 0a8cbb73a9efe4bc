package main

import (
	"fmt"
	"strings"
)

// rule is one constraint of a type or of an element.
type rule struct{ key, severity, expression, human string }

// errata are rules of R4 4.0.1 that refuse resources which the specification allows; each stands here as a later
// release words it. The comparisons of times give no answer when both sides have another precision.
func errata(key, expression string) string {
	switch key {
	case "per-1":
		return "start.hasValue().not() or end.hasValue().not() or (start.lowBoundary() <= end.highBoundary())"
	case "mdd-1":
		return "whenHandedOver.empty() or whenPrepared.empty() or whenHandedOver.highBoundary() >= whenPrepared.lowBoundary()"
	case "inv-1":
		return strings.Replace(expression, "lastModified >= authoredOn", "lastModified.highBoundary() >= authoredOn.lowBoundary()", 1)
	case "ref-1": // a Reference without a reference, and one to the container
		return "reference.exists() implies (reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids')) or (reference = '#' and %rootResource != %resource))"
	case "que-7": // the answer is a FHIR boolean, which is no System.Boolean
		return "operator = 'exists' implies (answer is boolean)"
	case "ras-2": // without a probability there is nothing to compare
		return "probability.empty() or ((probability is decimal) implies ((probability as decimal) <= 100))"
	case "cid-0": // ChargeItemDefinition has no name
		return ""
	}
	return expression
}

// rules returns the rules of a definition, those of the profile that it names included.
func (g *generator) rules(e object) []rule {
	var out []rule
	for _, c := range objects(e, "constraint") {
		r := rule{key: str(c, "key"), severity: "e", human: clean(str(c, "human"))}
		if str(c, "severity") == "warning" {
			r.severity = "w"
		}
		r.expression = clean(errata(r.key, str(c, "expression")))
		if r.expression != "" {
			out = append(out, r)
		}
	}
	for _, t := range objects(e, "type") {
		profiles, _ := t["profile"].([]any)
		for _, p := range profiles {
			url, _ := p.(string)
			for _, r := range g.named[last(url)] {
				if !g.inherited("Quantity", r) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

func clean(s string) string { return strings.Join(strings.Fields(s), " ") }

// inherited reports whether a type brings the rule along.
func (g *generator) inherited(typ string, r rule) bool {
	typ, _, _ = strings.Cut(strings.TrimPrefix(typ, "@"), ">")
	if r.key == "ele-1" && typ != "-" && typ != "" {
		return true // every element has it
	}
	for t := g.types[typ]; t != nil; t = g.types[t.base] {
		for _, have := range t.rules {
			if have.key == r.key && have.expression == r.expression {
				return true
			}
		}
	}
	return false
}

// writeRules writes one line a rule that the type does not bring along, below its type or element: K key severity
// expression, a tab, what it says.
func (g *generator) writeRules(rules []rule, typ string) {
	for _, r := range rules {
		if g.inherited(typ, r) {
			continue
		}
		fmt.Fprintf(&g.buf, "K %s %s %s\t%s\n", r.key, r.severity, r.expression, r.human)
	}
}
