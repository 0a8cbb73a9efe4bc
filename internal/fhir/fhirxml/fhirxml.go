// Package fhirxml reads and writes FHIR R4 resources as XML (http://hl7.org/fhir/R4/xml.html).
//
// The house speaks JSON inside; this is the other wire form of the same resources. It checks the shape that it needs to
// translate, fhir.Validate checks the rest. Start at Decode and Encode.
package fhirxml

// The namespaces of a FHIR document.
const (
	nsFHIR  = "http://hl7.org/fhir"
	nsXHTML = "http://www.w3.org/1999/xhtml"
)

// maxDepth bounds nesting, as fhir.Validate does.
const maxDepth = 64

// maxFaults bounds how many faults one answer names.
const maxFaults = 100
