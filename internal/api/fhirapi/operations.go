package fhirapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// level says where an operation may be called.
type level byte

const (
	onSystem level = 1 << iota
	onType
	onInstance
)

// operation is one FHIR operation. The table in operations feeds the router and the capability statement.
type operation struct {
	name   string   // with its "$"
	at     level    // one or more
	types  []string // resource types it is for; nil means every type
	writes bool     // changes something: by POST only
	spec   string   // canonical URL of its definition
	raw    bool     // reads the body itself
	run    func(d *door, r *http.Request, c call) (answer, error)
}

// call is where an operation was called, and with what.
type call struct {
	typ, id string
	in      fhir.Resource // a Parameters resource; a resource sent by itself is its parameter "resource"
}

func operations() []operation {
	const spec = "http://hl7.org/fhir/OperationDefinition/"
	const bulk = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
	return []operation{
		{name: "$export", at: onSystem, spec: bulk + "export", run: (*door).exportKickOff},
		{name: "$export", at: onType, types: []string{"Patient"}, spec: bulk + "patient-export", run: (*door).exportKickOff},
		{name: "$export", at: onInstance, types: []string{"Group"}, spec: bulk + "group-export", run: (*door).exportKickOff},
		{name: "$import", at: onSystem, writes: true, raw: true, spec: "urn:vigil:OperationDefinition:import", run: (*door).importKickOff},
		{name: "$meta", at: onSystem | onType | onInstance, spec: spec + "Resource-meta", run: (*door).meta},
		{name: "$meta-add", at: onInstance, writes: true, spec: spec + "Resource-meta-add", run: (*door).metaAdd},
		{name: "$meta-delete", at: onInstance, writes: true, spec: spec + "Resource-meta-delete", run: (*door).metaDelete},
		{name: "$status", at: onInstance, types: []string{"Subscription"}, spec: backport + "status", run: (*door).subscriptionStatus},
		{name: "$events", at: onInstance, types: []string{"Subscription"}, spec: backport + "events", run: (*door).subscriptionEvents},
		{name: "$get-ws-binding-token", at: onInstance, types: []string{"Subscription"}, spec: backport + "get-ws-binding-token", run: (*door).bindingToken},
		{name: "$reindex", at: onSystem | onType | onInstance, writes: true, spec: "urn:vigil:operation:reindex", run: (*door).reindex},
		{name: "$validate", at: onType | onInstance, spec: spec + "Resource-validate", run: (*door).validate},
		{name: "$everything", at: onType | onInstance, types: []string{"Patient"}, spec: spec + "Patient-everything", run: (*door).everything},
		{name: "$everything", at: onInstance, types: []string{"Encounter"}, spec: spec + "Encounter-everything", run: (*door).encounterEverything},
		{name: "$summary", at: onInstance, types: []string{"Patient"}, spec: "http://hl7.org/fhir/uv/ips/OperationDefinition/summary", run: (*door).summary},
		{name: "$document", at: onInstance, types: []string{"Composition"}, spec: spec + "Composition-document", run: (*door).document},
		{name: "$lastn", at: onType, types: []string{"Observation"}, spec: spec + "Observation-lastn", run: (*door).lastN},
		{name: "$stats", at: onType, types: []string{"Observation"}, spec: spec + "Observation-stats", run: (*door).stats},
		{name: "$expand", at: onType | onInstance, types: []string{"ValueSet"}, spec: spec + "ValueSet-expand", run: (*door).expand},
		{name: "$validate-code", at: onType | onInstance, types: []string{"ValueSet"}, spec: spec + "ValueSet-validate-code", run: (*door).validateCode},
		{name: "$validate-code", at: onType | onInstance, types: []string{"CodeSystem"}, spec: spec + "CodeSystem-validate-code", run: (*door).validateCode},
		{name: "$lookup", at: onType | onInstance, types: []string{"CodeSystem"}, spec: spec + "CodeSystem-lookup", run: (*door).lookup},
		{name: "$subsumes", at: onType | onInstance, types: []string{"CodeSystem"}, spec: spec + "CodeSystem-subsumes", run: (*door).subsumes},
		{name: "$translate", at: onType | onInstance, types: []string{"ConceptMap"}, spec: spec + "ConceptMap-translate", run: (*door).translate},
	}
}

// operate runs an operation; p is the path before its name.
func (d *door) operate(r *http.Request, p []string, name string) (answer, error) {
	c, at := call{}, onSystem
	switch {
	case len(p) == 0 || len(p) == 1 && p[0] == "":
	case !fhir.KnownType(p[0]):
		return answer{}, httpError{http.StatusNotFound, "not-supported", "there is no FHIR resource type " + quote(p[0])}
	case len(p) == 1:
		c.typ, at = p[0], onType
	case len(p) == 2:
		c.typ, c.id, at = p[0], p[1], onInstance
	default:
		return notHere(r)
	}
	for _, op := range operations() {
		if op.name != name || op.at&at == 0 || c.typ != "" && op.types != nil && !slices.Contains(op.types, c.typ) {
			continue
		}
		if !gets(r) && r.Method != http.MethodPost || gets(r) && op.writes {
			return answer{}, httpError{http.StatusMethodNotAllowed, "not-supported", name + " is called by POST"}
		}
		var err error
		if op.raw {
			return op.run(d, r, c)
		}
		if c.in, err = parameters(r); err != nil {
			return answer{}, err
		}
		return op.run(d, r, c)
	}
	return answer{}, httpError{http.StatusNotFound, "not-supported", "there is no operation " + quote(name) + " here"}
}

// parameters reads what an operation was called with: a Parameters resource, another resource, or the query.
func parameters(r *http.Request) (fhir.Resource, error) {
	var list []any
	for key, values := range r.URL.Query() {
		if key == "_format" || key == "_pretty" {
			continue
		}
		for _, v := range values {
			list = append(list, map[string]any{"name": key, "valueString": v})
		}
	}
	in := fhir.Resource{"resourceType": "Parameters"}
	if r.Method == http.MethodPost && r.ContentLength != 0 {
		res, err := body(r)
		if err != nil {
			return nil, err
		}
		if res.Type() == "Parameters" {
			if given, ok := res["parameter"].([]any); ok {
				list = append(given, list...)
			}
		} else {
			list = append(list, map[string]any{"name": "resource", "resource": map[string]any(res)})
		}
	}
	if len(list) > 0 {
		in["parameter"] = list
	}
	return in, nil
}

// param returns the value of a parameter by name, whatever its type, nil when it was not given. Values of simple types
// come as text.
func (c call) param(name string) any {
	for _, p := range c.in.List("parameter") {
		if p.Str("name") != name {
			continue
		}
		if res, ok := p["resource"].(map[string]any); ok {
			return fhir.Resource(res)
		}
		for key, v := range p {
			if !strings.HasPrefix(key, "value") {
				continue
			}
			switch x := v.(type) {
			case bool:
				return map[bool]string{true: "true", false: "false"}[x]
			case json.Number:
				return x.String()
			case map[string]any:
				return fhir.Resource(x)
			}
			return v
		}
	}
	return nil
}

// text returns a parameter of a simple type, "" when it was not given.
func (c call) text(name string) string {
	s, _ := c.param(name).(string)
	return s
}

// part returns a parameter that is a resource or of a complex type, nil when it was not given.
func (c call) part(name string) fhir.Resource {
	res, _ := c.param(name).(fhir.Resource)
	return res
}

func required(op, name string) error {
	return vigil.Errorf(vigil.Invalid, "fhir."+op, "parameter %q is required", name)
}

// returned makes the Parameters that an operation answers with.
func returned(params ...fhir.Resource) answer {
	return answer{status: http.StatusOK, resource: fhir.New("Parameters", "").With("parameter", params)}
}
