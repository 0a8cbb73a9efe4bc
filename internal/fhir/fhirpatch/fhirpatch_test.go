package fhirpatch_test

import (
	"context"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpatch"
)

func resource(t testing.TB, text string) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return r
}

// patch writes operations as a Parameters resource: "add|Patient|birthDate|valueDate:\"2020\"" and so on, name, value,
// index, source and destination in any order after the path.
func patch(t testing.TB, ops ...string) fhir.Resource {
	t.Helper()
	var list []string
	for _, op := range ops {
		f := strings.Split(op, "|")
		parts := []string{`{"name":"type","valueCode":"` + f[0] + `"}`, `{"name":"path","valueString":"` + f[1] + `"}`}
		for _, p := range f[2:] {
			key, value, _ := strings.Cut(p, ":")
			switch {
			case key == "name":
				parts = append(parts, `{"name":"name","valueString":"`+value+`"}`)
			case strings.HasPrefix(key, "value"), key == "part", key == "resource":
				parts = append(parts, `{"name":"value","`+key+`":`+value+`}`)
			default:
				parts = append(parts, `{"name":"`+key+`","valueInteger":`+value+`}`)
			}
		}
		list = append(list, `{"name":"operation","part":[`+strings.Join(parts, ",")+`]}`)
	}
	return resource(t, `{"resourceType":"Parameters","parameter":[`+strings.Join(list, ",")+`]}`)
}

const patient = `{"resourceType":"Patient","id":"p","active":true,"deceasedBoolean":false,"name":[{"family":"A","given":["x","y"],"_given":[null,{"id":"g"}]},{"family":"B"}],"identifier":[{"value":"1"},{"value":"2"},{"value":"3"}]}`

func TestApply(t *testing.T) {
	for name, c := range map[string]struct {
		ops  []string
		want string // a part of the result
		gone string
	}{
		"AddValue":       {[]string{`add|Patient|name:birthDate|valueDate:"2020-01-01"`}, `"birthDate":"2020-01-01"`, ""},
		"AddToList":      {[]string{`add|Patient|name:identifier|valueIdentifier:{"value":"4"}`}, `{"value":"3"},{"value":"4"}`, ""},
		"AddFirst":       {[]string{`add|Patient|name:telecom|valueContactPoint:{"value":"1","system":"phone"}`}, `"telecom":[{"system":"phone","value":"1"}]`, ""},
		"AddParts":       {[]string{`add|Patient|name:contact|part:[{"name":"name","valueHumanName":{"family":"C"}},{"name":"relationship","valueCodeableConcept":{"text":"r"}},{"name":"gender","valueCode":"male"}]`}, `"contact":[{"gender":"male","name":{"family":"C"},"relationship":[{"text":"r"}]}]`, ""},
		"AddChoice":      {[]string{`add|Patient|name:multipleBirth|valueInteger:2`}, `"multipleBirthInteger":2`, ""},
		"AddContained":   {[]string{`add|Patient|name:contained|resource:{"resourceType":"Organization","id":"o"}`}, `"contained":[{"resourceType":"Organization","id":"o"}]`, ""},
		"AddExtension":   {[]string{`add|Patient.active|name:extension|part:[{"name":"url","valueUri":"u"},{"name":"value","valueString":"v"}]`}, `"_active":{"extension":[{"url":"u","valueString":"v"}]}`, ""},
		"AddToPrimitive": {[]string{`add|Patient.name[0].given[0]|name:id|valueString:"i"`}, `"_given":[{"id":"i"},{"id":"g"}]`, ""},
		"AddPrimitive":   {[]string{`add|Patient.name[0]|name:given|valueString:"z"`}, `"_given":[null,{"id":"g"},null],"family":"A","given":["x","y","z"]`, ""},
		"Insert":         {[]string{`insert|Patient.identifier|index:1|valueIdentifier:{"value":"9"}`}, `[{"value":"1"},{"value":"9"},{"value":"2"}`, ""},
		"InsertAtEnd":    {[]string{`insert|Patient.identifier|index:3|valueIdentifier:{"value":"9"}`}, `{"value":"3"},{"value":"9"}]`, ""},
		"InsertFirst":    {[]string{`insert|Patient.telecom|index:0|valueContactPoint:{"value":"1"}`}, `"telecom":[{"value":"1"}]`, ""},
		"Delete":         {[]string{`delete|Patient.active`}, `"id":"p"`, "active"},
		"DeleteItem":     {[]string{`delete|Patient.identifier.where(value = '2')`}, `[{"value":"1"},{"value":"3"}]`, ""},
		"DeletePair":     {[]string{`delete|Patient.name[0].given[1]`}, `"given":["x"]`, "_given"},
		"DeleteNothing":  {[]string{`delete|Patient.gender`}, `"active":true`, ""},
		"DeleteLast":     {[]string{`delete|Patient.name[1]`, `delete|Patient.name[0]`}, `"active":true`, "name"},
		"Replace":        {[]string{`replace|Patient.name[1].family|valueString:"Z"`}, `{"family":"Z"}`, ""},
		"ReplaceItem":    {[]string{`replace|Patient.name.where(family = 'B')|valueHumanName:{"text":"T"}`}, `{"text":"T"}]`, ""},
		"ReplaceChoice":  {[]string{`replace|Patient.deceased|valueDateTime:"2020"`}, `"deceasedDateTime":"2020"`, "deceasedBoolean"},
		"Move":           {[]string{`move|Patient.identifier|source:2|destination:0`}, `[{"value":"3"},{"value":"1"},{"value":"2"}]`, ""},
		"MoveDown":       {[]string{`move|Patient.identifier|source:0|destination:2`}, `[{"value":"2"},{"value":"3"},{"value":"1"}]`, ""},
		"InOrder":        {[]string{`add|Patient|name:gender|valueCode:"male"`, `replace|Patient.gender|valueCode:"female"`}, `"gender":"female"`, `"male"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := resource(t, patient)
			out, err := fhirpatch.Apply(context.Background(), r, patch(t, c.ops...))
			if err != nil {
				t.Fatal(err)
			}
			got := string(fhir.Encode(out))
			if !strings.Contains(got, c.want) || c.gone != "" && strings.Contains(got, c.gone) {
				t.Errorf("%s\nwant %s without %s", got, c.want, c.gone)
			}
			if before := string(fhir.Encode(resource(t, patient))); string(fhir.Encode(r)) != before {
				t.Errorf("the resource itself changed: %s", fhir.Encode(r))
			}
			if faults := fhir.Validate(out); len(faults) > 0 {
				t.Errorf("%v", faults)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	for op, want := range map[string]string{
		`add|Patient|name:active|valueBoolean:true`:                       "there already",
		`add|Patient|name:colour|valueString:"x"`:                         `no element "colour"`,
		`add|Patient|name:birthDate|valueQuantity:{"value":1}`:            "cannot be a Quantity",
		`add|Patient.name|name:family|valueString:"x"`:                    "must name one element, it names 2",
		`add|Patient|valueString:"x"`:                                     "name is missing",
		`add|Patient|name:gender`:                                         "value is missing",
		`insert|Patient.identifier|index:7|valueIdentifier:{}`:            "beyond the 3",
		`insert|Patient.name.given|index:7|valueIdentifier:{}`:            "cannot be a Identifier",
		`insert|Patient.name.family|index:0|valueString:"x"`:              "one whole list",
		`insert|Patient.identifier|valueIdentifier:{}`:                    "index is missing",
		`delete|Patient.name`:                                             "names 2",
		`delete|Patient`:                                                  "the resource itself",
		`delete|Patient.name[`:                                            "path:",
		`delete|'x'`:                                                      "gives a value",
		`replace|Patient.gender|valueCode:"male"`:                         "names 0",
		`replace|Patient.active|valueString:"x"`:                          "cannot be a string",
		`move|Patient.identifier|source:0|destination:3`:                  "must be below the 3",
		`move|Patient.identifier.where(value='2')|source:0|destination:0`: "one whole list",
		`dance|Patient`:                                                   "none of add",
	} {
		_, err := fhirpatch.Apply(context.Background(), resource(t, patient), patch(t, `delete|Patient.gender`, op))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "operation 1: ") {
			t.Errorf("%s: %v, want %q", op, err, want)
		}
	}
	if _, err := fhirpatch.Apply(context.Background(), resource(t, patient), resource(t, patient)); err == nil {
		t.Error("a Patient passes as a patch")
	}
}

func FuzzApply(f *testing.F) {
	f.Add([]byte(patient), fhir.Encode(patch(f, `add|Patient|name:birthDate|valueDate:"2020-01-01"`, `move|Patient.identifier|source:0|destination:2`)))
	f.Add([]byte(patient), fhir.Encode(patch(f, `insert|Patient.telecom|index:0|valueContactPoint:{"value":"1"}`, `replace|Patient.deceased|valueDateTime:"2020"`, `delete|Patient.name[0].given[1]`)))
	f.Add([]byte(`{"resourceType":"Patient","name":[null,{"given":1}],"_name":[2]}`), fhir.Encode(patch(f, `add|Patient.name[0]|name:given|valueString:"x"`)))
	f.Fuzz(func(t *testing.T, res, params []byte) {
		r, err := fhir.Parse(res)
		if err != nil {
			return
		}
		p, err := fhir.Parse(params)
		if err != nil {
			return
		}
		if out, err := fhirpatch.Apply(context.Background(), r, p); err == nil {
			fhir.Encode(out)
		}
	})
}
