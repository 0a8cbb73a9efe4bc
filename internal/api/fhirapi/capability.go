package fhirapi

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/vigil-health/vigil/internal/fhir"
)

func readCloser(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// capability is made from the tables and claims only what the door does.
func (d *door) capability(r *http.Request) fhir.Resource {
	var rest []fhir.Resource
	for _, typ := range fhir.ResourceTypes() {
		rest = append(rest, resourceCapability(typ, d.cfg.Records.Params(typ)))
	}
	server := fhir.Resource{
		"mode":        "server",
		"security":    d.security(r),
		"resource":    rest,
		"interaction": interactions("transaction", "batch", "history-system", "search-system"),
		"searchParam": searchParams(fhir.SearchParams("Resource")),
		"compartment": compartments(),
	}
	if ops := operationsOn(onSystem, ""); len(ops) > 0 {
		server["operation"] = ops
	}
	return fhir.New("CapabilityStatement", "").With("status", "active").With("date", "2026-01-01").With("kind", "instance").
		With("fhirVersion", "4.0.1").With("format", []string{"json", "xml", mediaJSON, mediaXML}).
		With("patchFormat", []string{mediaJSONPatch, mediaJSON, mediaXML}).
		With("software", fhir.Resource{"name": "Vigil", "version": orUnknown(d.cfg.Version)}).
		With("implementation", fhir.Resource{"description": "Vigil: records, and vitals from telemetry as Observations", "url": d.cfg.Base(r)}).
		With("rest", []fhir.Resource{server})
}

// security says how clients show who they are (SMART App Launch 2, CapabilityStatement.rest.security).
func (d *door) security(r *http.Request) fhir.Resource {
	const text = "A session cookie from the application API, or its token as a bearer; every read of a patient's record and every write is audited."
	if d.cfg.TokenURL == nil {
		return fhir.Resource{"cors": false, "description": text}
	}
	return fhir.Resource{
		"cors": false, "description": "Programs: SMART Backend Services. People: " + text,
		"service": []fhir.Resource{fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/restful-security-service", "SMART-on-FHIR", "SMART-on-FHIR"))},
		"extension": []fhir.Resource{{
			"url":       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
			"extension": []fhir.Resource{{"url": "token", "valueUri": d.cfg.TokenURL(r)}},
		}},
	}
}

func compartments() (out []string) {
	for _, owner := range fhir.CompartmentOwners() {
		out = append(out, "http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(owner))
	}
	return out
}

// operationsOn lists the operations of a type, or with no type those of the system.
func operationsOn(at level, typ string) []fhir.Resource {
	var out []fhir.Resource
	for _, op := range operations() {
		if op.at&at != 0 && (op.types == nil || slices.Contains(op.types, typ)) {
			out = append(out, fhir.Resource{"name": op.name[1:], "definition": op.spec})
		}
	}
	return out
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func interactions(codes ...string) []fhir.Resource {
	out := make([]fhir.Resource, len(codes))
	for i, c := range codes {
		out[i] = fhir.Resource{"code": c}
	}
	return out
}

func searchParams(params []*fhir.Param) []fhir.Resource {
	out := make([]fhir.Resource, 0, len(params))
	for _, p := range params {
		out = append(out, fhir.Resource{"name": p.Name, "type": string(p.Kind)})
	}
	return out
}

// referring names for each type the reference parameters that may name it.
var referring = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for _, typ := range fhir.ResourceTypes() {
		for _, p := range fhir.SearchParams(typ) {
			for _, target := range p.Targets {
				if p.Kind == fhir.ParamReference {
					out[target] = append(out[target], typ+":"+p.Name)
				}
			}
		}
	}
	return out
})

func resourceCapability(typ string, params []*fhir.Param) fhir.Resource {
	if typ == "AuditEvent" {
		return fhir.Resource{"type": typ, "interaction": interactions("read", "search-type"), "searchParam": []fhir.Resource{{"name": "patient", "type": "reference"}, {"name": "date", "type": "date"}}}
	}
	var includes []string
	for _, p := range params {
		if p.Kind == fhir.ParamReference {
			includes = append(includes, typ+":"+p.Name)
		}
	}
	c := fhir.Resource{
		"type": typ, "interaction": interactions("read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"),
		"versioning": "versioned", "readHistory": true, "updateCreate": true, "conditionalCreate": true, "conditionalRead": "full-support",
		"conditionalUpdate": true, "conditionalDelete": "single", "searchParam": searchParams(params),
	}
	if len(includes) > 0 {
		c["searchInclude"] = append([]string{"*"}, includes...)
	}
	if refs := referring()[typ]; len(refs) > 0 {
		c["searchRevInclude"] = refs
	}
	if ops := operationsOn(onType|onInstance, typ); len(ops) > 0 {
		c["operation"] = ops
	}
	return c
}
