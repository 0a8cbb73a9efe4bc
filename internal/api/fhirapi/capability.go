package fhirapi

import (
	"bytes"
	"io"
	"net/http"

	"github.com/vigil-health/vigil/internal/fhir"
)

func readCloser(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// capability is made from the tables and claims only what the door does.
func (d *door) capability(r *http.Request) fhir.Resource {
	var rest []fhir.Resource
	for _, typ := range fhir.ResourceTypes() {
		rest = append(rest, resourceCapability(typ))
	}
	return fhir.New("CapabilityStatement", "").With("status", "active").With("date", "2026-01-01").With("kind", "instance").
		With("fhirVersion", "4.0.1").With("format", []string{"json", mediaType}).
		With("software", fhir.Resource{"name": "Vigil", "version": orUnknown(d.cfg.Version)}).
		With("implementation", fhir.Resource{"description": "Vigil: records, and vitals from telemetry as Observations", "url": d.cfg.Base(r)}).
		With("rest", []fhir.Resource{{
			"mode":        "server",
			"security":    fhir.Resource{"cors": false, "description": "A session cookie from the application API; every read of a patient's record and every write is audited."},
			"resource":    rest,
			"interaction": interactions("transaction", "batch"),
		}})
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

func resourceCapability(typ string) fhir.Resource {
	if typ == "AuditEvent" {
		return fhir.Resource{"type": typ, "interaction": interactions("read", "search-type"), "searchParam": []fhir.Resource{{"name": "patient", "type": "reference"}, {"name": "date", "type": "date"}}}
	}
	var params, includes = []fhir.Resource{}, []string{}
	for _, p := range fhir.SearchParams(typ) {
		params = append(params, fhir.Resource{"name": p.Name, "type": string(p.Kind)})
		if p.Kind == fhir.ParamReference {
			includes = append(includes, typ+":"+p.Name)
		}
	}
	c := fhir.Resource{
		"type": typ, "interaction": interactions("read", "vread", "update", "delete", "history-instance", "create", "search-type"),
		"versioning": "versioned", "readHistory": true, "updateCreate": true, "conditionalCreate": true, "conditionalRead": "not-match",
		"conditionalUpdate": false, "conditionalDelete": "not-supported", "searchParam": params,
	}
	if len(includes) > 0 {
		c["searchInclude"] = includes
	}
	return c
}
