package fhirxml_test

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirxml"
)

const patient = `<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir">
  <id value="sara"/>
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">Sara &amp; <b>co</b></div></text>
  <contained><Organization><id value="o"/><name value="A &lt; B"/></Organization></contained>
  <extension url="http://example.org/x"><valueDecimal value="1.50"/></extension>
  <active value="true"/>
  <name><given value="Sara"><extension url="http://example.org/y"><valueCode value="a"/></extension></given><given value="Ann"/></name>
  <name id="n2"><given><extension url="http://example.org/z"><valueBoolean value="false"/></extension></given></name>
  <!-- a comment -->
  <birthDate value="1970-03"/>
  <multipleBirthInteger value="2"/>
</Patient>`

const patientJSON = `{"resourceType":"Patient","id":"sara",
 "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Sara &amp; <b>co</b></div>"},
 "contained":[{"resourceType":"Organization","id":"o","name":"A < B"}],
 "extension":[{"url":"http://example.org/x","valueDecimal":1.50}],
 "active":true,
 "name":[{"given":["Sara","Ann"],"_given":[{"extension":[{"url":"http://example.org/y","valueCode":"a"}]},null]},
         {"id":"n2","_given":[{"extension":[{"url":"http://example.org/z","valueBoolean":false}]}]}],
 "birthDate":"1970-03","multipleBirthInteger":2}`

func TestDecode(t *testing.T) {
	got, err := fhirxml.Decode([]byte(patient))
	if err != nil {
		t.Fatal(err)
	}
	want, err := fhir.Parse([]byte(patientJSON))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, fhir.Normal(got)); d != "" {
		t.Errorf("decoded (-want +got):\n%s", d)
	}
	out, err := fhirxml.Encode(got)
	if err != nil {
		t.Fatal(err)
	}
	again, err := fhirxml.Decode(out)
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if d := cmp.Diff(want, fhir.Normal(again)); d != "" {
		t.Errorf("after encoding (-want +got):\n%s", d)
	}
}

func TestDecodeRefuses(t *testing.T) {
	open := `<Patient xmlns="http://hl7.org/fhir">`
	for name, c := range map[string]struct{ xml, says string }{
		"NoNamespace":     {`<Patient><active value="true"/></Patient>`, "namespace"},
		"UnknownType":     {`<Pat xmlns="http://hl7.org/fhir"/>`, "not a resource type"},
		"UnknownElement":  {open + `<nme value="x"/></Patient>`, "Patient.nme: is not an element of Patient"},
		"Twice":           {open + `<active value="true"/><active value="true"/></Patient>`, "Patient.active: may not be repeated"},
		"BadBoolean":      {open + `<active value="yes"/></Patient>`, `Patient.active: "yes" must be true or false`},
		"BadNumber":       {open + `<multipleBirthInteger value="NaN"/></Patient>`, "must be a number"},
		"Text":            {open + `hello</Patient>`, "text is not allowed here"},
		"Attribute":       {open + `<active val="true"/></Patient>`, `attribute "val" is not known`},
		"Empty":           {open + `<active/></Patient>`, "must have a value or an extension"},
		"Doctype":         {`<!DOCTYPE x [<!ENTITY a "b">]>` + open + `</Patient>`, "document type declaration"},
		"Entity":          {open + `<active value="&a;"/></Patient>`, "line 1"},
		"Unclosed":        {open + `<active value="true"/>`, "not well-formed XML at line 1"},
		"Two":             {open + `</Patient>` + open + `</Patient>`, "something follows"},
		"NoElement":       {`<!-- -->`, "no element"},
		"TwoContained":    {open + `<contained><Group/><Group/></contained></Patient>`, "one resource only"},
		"EmptyContained":  {open + `<contained/></Patient>`, "must hold a resource"},
		"DivInNoNS":       {open + `<text><status value="empty"/><div>x</div></text></Patient>`, "must have the namespace"},
		"Deep":            {open + strings.Repeat(`<extension url="a">`, 80) + strings.Repeat(`</extension>`, 80) + `</Patient>`, "deeper than"},
		"PrefixedDivRoot": {strings.Replace(open, ">", ` xmlns:h="http://www.w3.org/1999/xhtml">`, 1) + `<text><status value="empty"/><h:div>x</h:div></text></Patient>`, "declare its namespace itself"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fhirxml.Decode([]byte(c.xml))
			if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ json, says string }{
		"UnknownType":    {`{"resourceType":"Pat"}`, "not a resource type"},
		"UnknownElement": {`{"resourceType":"Patient","nme":1}`, "elements that Patient does not have"},
		"BrokenDiv":      {`{"resourceType":"Patient","text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b></div>"}}`, "not well-formed"},
		"DivAndMore":     {`{"resourceType":"Patient","text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"/><active value=\"true\"/>"}}`, "must be one <div"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := fhir.Parse([]byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			_, err = fhirxml.Encode(r)
			if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

// dataFile finds a file of the shared data, or skips.
func dataFile(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("VIGIL_DATA"), "../../../../shared/data", "../../../../../shared/data"} {
		if p := filepath.Join(dir, name); dir != "" {
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	t.Skipf("no shared data: set VIGIL_DATA to the folder that holds %s", name)
	return ""
}

// The official examples are the same after JSON → XML → JSON.
func TestExamplesRoundTrip(t *testing.T) {
	zr, err := zip.OpenReader(dataFile(t, "fhir/r4-examples.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	for _, f := range zr.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		want, err := fhir.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		x, err := fhirxml.Encode(want)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		got, err := fhirxml.Decode(x)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if d := cmp.Diff(plain(want), plain(fhir.Normal(got))); d != "" {
			t.Errorf("%s changes (-want +got):\n%.2000s", f.Name, d)
		}
	}
}

// plain drops what XML writes in another form of the same: space around a div and its named entities.
func plain(v any) any {
	switch x := v.(type) {
	case fhir.Resource:
		return plain(map[string]any(x))
	case map[string]any:
		for k, item := range x {
			if s, ok := item.(string); ok && k == "div" {
				x[k] = strings.NewReplacer("&nbsp;", "\u00a0", "&copy;", "©", "&reg;", "®").Replace(strings.TrimSpace(s))
				continue
			}
			x[k] = plain(item)
		}
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
	}
	return v
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(patient))
	f.Add([]byte(`<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource><Group><actual value="true"/></Group></resource></entry></Bundle>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := fhirxml.Decode(b)
		if err != nil {
			return
		}
		if out, err := fhirxml.Encode(r); err == nil {
			if _, err := fhirxml.Decode(out); err != nil {
				t.Errorf("what was written cannot be read: %v\n%s", err, out)
			}
		}
	})
}
