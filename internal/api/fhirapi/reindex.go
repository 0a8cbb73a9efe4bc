package fhirapi

import (
	"net/http"
	"strconv"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// reindex makes search rows anew: of every type, of one, or of those to which a SearchParameter adds a parameter. It is
// for resources that were written before the parameter was.
func (d *door) reindex(r *http.Request, c call) (answer, error) {
	types := fhir.ResourceTypes()
	switch {
	case c.id != "" && c.typ != "SearchParameter":
		return answer{}, vigil.Errorf(vigil.Invalid, "fhir.reindex", "call it on the system, on a type, or on a SearchParameter")
	case c.id != "":
		if _, err := d.cfg.Records.Read(r.Context(), c.typ, c.id); err != nil {
			return answer{}, err
		}
		if types = d.cfg.Records.ParamsOf(c.id); len(types) == 0 {
			return answer{}, vigil.Errorf(vigil.Invalid, "fhir.reindex", "SearchParameter/%s adds no parameter: is its status active?", c.id)
		}
	case c.typ != "":
		types = []string{c.typ}
	}
	n, err := d.cfg.Records.Reindex(r.Context(), types, nil)
	if err != nil {
		return answer{}, err
	}
	return returned(fhir.Resource{"name": "count", "valueString": strconv.Itoa(n)}), nil
}
