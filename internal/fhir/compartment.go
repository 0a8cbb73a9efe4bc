package fhir

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// compartmentList names, for the compartments of encounters, devices, practitioners and related persons (FHIR R4
// compartmentdefinition.html), the parameters that put a resource of a type into one: owner, type, parameter …
//
//go:embed compartments.txt
var compartmentList string

type compartmentKey struct{ owner, typ string }

var otherCompartments = sync.OnceValue(func() map[compartmentKey][]string {
	out := map[compartmentKey][]string{}
	for line := range strings.Lines(compartmentList) {
		if f := strings.Fields(line); len(f) > 2 {
			out[compartmentKey{f[0], f[1]}] = f[2:]
		}
	}
	return out
})

// CompartmentOwners returns the types that have compartments.
func CompartmentOwners() []string {
	return []string{"Patient", "Encounter", "Device", "Practitioner", "RelatedPerson"}
}

// HasCompartment reports whether resources of the type own a compartment.
func HasCompartment(owner string) bool { return slices.Contains(CompartmentOwners(), owner) }

// CompartmentOf returns the reference parameters that put a resource of the type into the compartment of an owner of
// the other type; none means that it is never in one.
func CompartmentOf(owner, typ string) []string {
	if owner == "Patient" {
		return tables().compartments[typ]
	}
	return otherCompartments()[compartmentKey{owner, typ}]
}
