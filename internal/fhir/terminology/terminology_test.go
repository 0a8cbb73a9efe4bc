package terminology_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/terminology"
)

// rack is a shelf of a few resources.
type rack []fhir.Resource

func (k rack) Canonical(_ context.Context, typ, url, version string) (fhir.Resource, error) {
	for _, r := range k {
		if r.Type() == typ && r.Str("url") == url && (version == "" || version == r.Str("version")) {
			return r, nil
		}
	}
	return nil, nil
}

func (k rack) ConceptMaps(context.Context) (out []fhir.Resource, _ error) {
	for _, r := range k {
		if r.Type() == "ConceptMap" {
			out = append(out, r)
		}
	}
	return out, nil
}

func parsed(t testing.TB, docs ...string) (out rack) {
	t.Helper()
	for _, doc := range docs {
		r, err := fhir.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

const (
	beasts = `{"resourceType":"CodeSystem","url":"urn:beasts","version":"2","name":"Beasts","status":"active","content":"complete","concept":[
	 {"code":"animal","display":"Animal","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[
	  {"code":"dog","display":"Dog, domestic","property":[{"code":"legs","valueInteger":4}],"designation":[{"language":"de","value":"Hund"}],"concept":[{"code":"pug","display":"Pug"}]},
	  {"code":"bird","display":"Bird","property":[{"code":"legs","valueInteger":2}]}]},
	 {"code":"bat","display":"Bat","property":[{"code":"parent","valueCode":"bird"},{"code":"parent","valueCode":"animal"},{"code":"inactive","valueBoolean":true}]}]}`
	loop = `{"resourceType":"CodeSystem","url":"urn:loop","status":"active","content":"complete","concept":[
	 {"code":"a","property":[{"code":"parent","valueCode":"b"}]},{"code":"b","property":[{"code":"parent","valueCode":"a"}]},{"code":"c"}]}`
	pets = `{"resourceType":"ValueSet","url":"urn:pets","status":"active","compose":{"include":[{"system":"urn:beasts","filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}}`
	self = `{"resourceType":"ValueSet","url":"urn:self","status":"active","compose":{"include":[{"valueSet":["urn:self"]}]}}`
	plan = `{"resourceType":"ConceptMap","url":"urn:map","status":"active","group":[{"source":"urn:beasts","target":"urn:paws","unmapped":{"mode":"fixed","code":"other"},
	 "element":[{"code":"dog","target":[{"code":"d","equivalence":"wider"},{"code":"canine","equivalence":"equivalent"}]}]}]}`
)

func codesOf(e terminology.Expansion) string {
	var out []string
	for _, c := range e.Concepts {
		out = append(out, c.Code)
	}
	return strings.Join(out, " ")
}

func TestExpand(t *testing.T) {
	s := terminology.New(parsed(t, beasts, loop, pets, self))
	set := func(compose string) string {
		return `{"resourceType":"ValueSet","compose":` + compose + `}`
	}
	for _, c := range []struct {
		name, set, want string
		page            terminology.Page
		total           int
	}{
		{"All", set(`{"include":[{"system":"urn:beasts"}]}`), "animal dog pug bird bat", terminology.Page{Count: -1}, 5},
		{"IsA", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}`), "dog pug", terminology.Page{Count: -1}, 2},
		{"DescendentOf", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"concept","op":"descendent-of","value":"animal"}]}]}`), "dog pug bird bat", terminology.Page{Count: -1}, 4},
		{"Equals", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"legs","op":"=","value":"2"}]}]}`), "bird", terminology.Page{Count: -1}, 1},
		{"In", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"code","op":"in","value":"pug, bat"}]}]}`), "pug bat", terminology.Page{Count: -1}, 2},
		{"NotIn", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"code","op":"not-in","value":"pug,bat"}]}]}`), "animal dog bird", terminology.Page{Count: -1}, 3},
		{"Regex", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"code","op":"regex","value":"b.*"}]}]}`), "bird bat", terminology.Page{Count: -1}, 2},
		{"Exists", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"legs","op":"exists","value":"true"}]}]}`), "dog bird", terminology.Page{Count: -1}, 2},
		{"BothFilters", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"legs","op":"exists","value":"true"},{"property":"concept","op":"is-a","value":"dog"}]}]}`), "dog", terminology.Page{Count: -1}, 1},
		{"Imported", set(`{"include":[{"valueSet":["urn:pets"]}]}`), "dog pug", terminology.Page{Count: -1}, 2},
		{"ImportedWithin", set(`{"include":[{"system":"urn:beasts","concept":[{"code":"pug"},{"code":"bird"}],"valueSet":["urn:pets"]}]}`), "pug", terminology.Page{Count: -1}, 1},
		{"Excluded", set(`{"include":[{"system":"urn:beasts"}],"exclude":[{"valueSet":["urn:pets"]}]}`), "animal bird bat", terminology.Page{Count: -1}, 3},
		{"Twice", set(`{"include":[{"valueSet":["urn:pets"]},{"system":"urn:beasts","concept":[{"code":"dog"}]}]}`), "dog pug", terminology.Page{Count: -1}, 2},
		{"Inactive", set(`{"inactive":false,"include":[{"system":"urn:beasts"}]}`), "animal dog pug bird", terminology.Page{Count: -1}, 4},
		{"ActiveOnly", set(`{"include":[{"system":"urn:beasts"}]}`), "animal dog pug bird", terminology.Page{Count: -1, ActiveOnly: true}, 4},
		{"Filter", set(`{"include":[{"system":"urn:beasts"}]}`), "dog", terminology.Page{Count: -1, Filter: "DOM do"}, 1},
		{"Page", set(`{"include":[{"system":"urn:beasts"}]}`), "dog pug", terminology.Page{Offset: 1, Count: 2}, 5},
		{"Beyond", set(`{"include":[{"system":"urn:beasts"}]}`), "", terminology.Page{Offset: 99, Count: 2}, 5},
		{"ListedOfUnheld", set(`{"include":[{"system":"http://snomed.info/sct","concept":[{"code":"1","display":"One"}]}]}`), "1", terminology.Page{Count: -1}, 1},
		{"Expanded", `{"resourceType":"ValueSet","expansion":{"contains":[{"system":"x","code":"g","abstract":true,"contains":[{"system":"x","code":"h"}]}]}}`, "h", terminology.Page{Count: -1}, 1},
		{"BuiltIn", set(`{"include":[{"valueSet":["http://hl7.org/fhir/ValueSet/administrative-gender"]}]}`), "male female other unknown", terminology.Page{Count: -1}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := s.Expand(t.Context(), parsed(t, c.set)[0], c.page)
			if err != nil || codesOf(got) != c.want || got.Total != c.total {
				t.Errorf("%q of %d (%v), want %q of %d", codesOf(got), got.Total, err, c.want, c.total)
			}
		})
	}
	for _, c := range []struct {
		name, set string
		kind      vigil.Kind
	}{
		{"Unheld", set(`{"include":[{"system":"http://snomed.info/sct"}]}`), vigil.NotFound},
		{"UnknownSet", set(`{"include":[{"valueSet":["urn:none"]}]}`), vigil.NotFound},
		{"Recursive", set(`{"include":[{"valueSet":["urn:self"]}]}`), vigil.Invalid},
		{"Grammar", set(`{"include":[{"system":"urn:ietf:bcp:13"}]}`), vigil.Invalid},
		{"BadFilter", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"x","op":"like","value":"1"}]}]}`), vigil.Invalid},
		{"BadRegex", set(`{"include":[{"system":"urn:beasts","filter":[{"property":"x","op":"regex","value":"("}]}]}`), vigil.Invalid},
		{"Nothing", set(`{"include":[{}]}`), vigil.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := s.Expand(t.Context(), parsed(t, c.set)[0], terminology.Page{Count: -1}); vigil.KindOf(err) != c.kind {
				t.Errorf("%v, want %s", err, c.kind)
			}
		})
	}
}

func TestRelations(t *testing.T) {
	s := terminology.New(parsed(t, beasts, loop))
	for _, c := range [][4]string{
		{"urn:beasts", "animal", "pug", "subsumes"}, {"urn:beasts", "pug", "animal", "subsumed-by"}, {"urn:beasts", "dog", "dog", "equivalent"},
		{"urn:beasts", "dog", "bird", "not-subsumed"}, {"urn:beasts", "bird", "bat", "subsumes"}, {"urn:loop", "a", "c", "not-subsumed"},
	} {
		if got, err := s.Subsumes(t.Context(), c[0], "", c[1], c[2], nil); err != nil || got != c[3] {
			t.Errorf("%v: %s %v", c, got, err)
		}
	}
	if _, err := s.Subsumes(t.Context(), "urn:beasts", "", "dog", "unicorn", nil); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("a code that is not there: %v", err)
	}
	down, err := s.Relatives(t.Context(), "urn:beasts", "dog", false)
	up, err2 := s.Relatives(t.Context(), "urn:beasts", "bat", true)
	if err != nil || err2 != nil || !slices.Equal(down, []string{"dog", "pug"}) || !slices.Equal(up, []string{"animal", "bird", "bat"}) {
		t.Errorf("%v %v, %v %v", down, err, up, err2)
	}
	c, err := s.Lookup(t.Context(), "urn:beasts", "", "dog", nil)
	if err != nil || c.Display != "Dog, domestic" || c.Version != "2" || !slices.Equal(c.Parents, []string{"animal"}) || !slices.Equal(c.Children, []string{"pug"}) || len(c.Designations) != 1 {
		t.Errorf("%+v %v", c, err)
	}
}

func TestValidate(t *testing.T) {
	s := terminology.New(parsed(t, beasts, pets))
	for _, c := range []struct {
		set, system, code, display string
		want                       bool
	}{
		{"urn:pets", "urn:beasts", "pug", "", true}, {"urn:pets", "", "pug", "", true}, {"urn:pets", "urn:beasts", "bird", "", false}, {"urn:pets", "urn:other", "pug", "", false},
		{"urn:pets", "urn:beasts", "pug", "pug", true}, {"urn:pets", "urn:beasts", "pug", "Poodle", false}, {"urn:pets", "urn:beasts", "dog", "Hund", true},
		{"http://hl7.org/fhir/ValueSet/mimetypes", "", "image/png", "", true},
		{terminology.MetricCodes, coding.SystemLOINC, "8867-4", "heart rate", true}, {terminology.MetricUnits, coding.SystemUCUM, "/min", "", true},
		{"http://hl7.org/fhir/ValueSet/observation-category", "http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "", true},
	} {
		set, err := s.Resource(t.Context(), "ValueSet", c.set)
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.InSet(t.Context(), set, []terminology.Coded{{System: c.system, Code: c.code, Display: c.display}})
		if err != nil || v.Result != c.want || v.Result == (v.Message != "") {
			t.Errorf("%+v: %+v %v", c, v, err)
		}
	}
	if _, known := s.Holds(t.Context(), "urn:none", "", "x"); known {
		t.Error("an unknown set is known")
	}
	if in, known := s.Holds(t.Context(), "urn:pets", "urn:beasts", "dog"); !in || !known {
		t.Error("memberOf does not find the dog")
	}
	v, err := s.InSystem(t.Context(), coding.SystemLOINC, "", nil, []terminology.Coded{{Code: "1-1"}})
	if err != nil || v.Result || !strings.Contains(v.Message, "in the part of it") {
		t.Errorf("a code of LOINC that is not held: %+v %v", v, err)
	}
}

func TestTranslate(t *testing.T) {
	s := terminology.New(parsed(t, plan))
	one := func(tr terminology.Translation) string {
		found, err := s.Translate(t.Context(), tr)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range found {
			out = append(out, m.Equivalence+":"+m.Concept.Code)
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		tr   terminology.Translation
		want string
	}{
		{terminology.Translation{Codes: []terminology.Coded{{System: "urn:beasts", Code: "dog"}}}, "wider:d equivalent:canine"},
		{terminology.Translation{Codes: []terminology.Coded{{System: "urn:beasts", Code: "newt"}}}, "inexact:other"},
		{terminology.Translation{Codes: []terminology.Coded{{System: "urn:paws", Code: "d"}}, Reverse: true}, "narrower:dog"},
		{terminology.Translation{Codes: []terminology.Coded{{System: coding.SystemLOINC, Code: "8867-4"}}, TargetSystem: coding.SystemMDC}, "equivalent:147842"},
		{terminology.Translation{Codes: []terminology.Coded{{System: coding.SystemLOINC, Code: "none"}}}, ""},
		{terminology.Translation{Codes: []terminology.Coded{{System: "http://hl7.org/fhir/administrative-gender", Code: "male"}}, TargetSystem: "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"}, "equal:M"},
	} {
		if got := one(c.tr); got != c.want {
			t.Errorf("%+v: %q, want %q", c.tr.Codes, got, c.want)
		}
	}
}

// Every built-in value set can be asked: it expands, or says which code system is missing.
func TestBuiltInSetsAnswer(t *testing.T) {
	s := terminology.New(nil)
	good := 0
	for _, url := range terminology.BuiltInSets() {
		set, err := s.Resource(t.Context(), "ValueSet", url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		_, err = s.Expand(t.Context(), set, terminology.Page{Count: -1})
		if kind := vigil.KindOf(err); err != nil && kind != vigil.NotFound && kind != vigil.Invalid {
			t.Errorf("%s: %v", url, err)
		}
		if err == nil {
			good++
		}
	}
	if good < 500 {
		t.Errorf("only %d value sets expand", good)
	}
}

// FuzzExpand expands what strangers compose: an answer or an error, never a crash.
func FuzzExpand(f *testing.F) {
	f.Add([]byte(`{"include":[{"system":"urn:beasts","filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}`))
	f.Add([]byte(`{"include":[{"valueSet":["urn:self"]}],"exclude":[{"system":"urn:loop"}]}`))
	f.Add([]byte(`{"include":[{"system":"urn:beasts","filter":[{"property":"code","op":"regex","value":"(a+)+"}]}]}`))
	s := terminology.New(parsed(f, beasts, loop, pets, self))
	f.Fuzz(func(t *testing.T, b []byte) {
		compose, err := fhir.Parse(b)
		if err != nil {
			return
		}
		set := fhir.Normal(fhir.New("ValueSet", "").With("compose", map[string]any(compose)))
		if _, err := s.Expand(t.Context(), set, terminology.Page{Count: -1}); vigil.KindOf(err) == vigil.Internal && err != nil {
			t.Error(err)
		}
		s.InSet(t.Context(), set, []terminology.Coded{{Code: "dog"}}) //nolint:errcheck // that it returns is the test
	})
}

func BenchmarkHolds(b *testing.B) {
	s := terminology.New(nil)
	for b.Loop() {
		if in, _ := s.Holds(b.Context(), terminology.MetricCodes, coding.SystemLOINC, "8867-4"); !in {
			b.Fatal("not held")
		}
	}
}
