package fhirpath_test

import (
	"context"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
	"github.com/vigil-health/vigil/internal/fhir/fhirxml"
)

// disputed lists the tests that fail, each with the reason.
var disputed = map[string]string{
	"HighBoundaryDateTimeMillisecond1": "wants 08:00:59.999 as the last moment of hour 08; it is 08:59:59.999",
	"HighBoundaryDateTimeMillisecond3": "wants 08:00:59.999 as the last moment of hour 08; it is 08:59:59.999",
}

// suite is the form of tests-fhir-r4.xml.
type suite struct {
	Groups []struct {
		Name  string      `xml:"name,attr"`
		Tests []suiteTest `xml:"test"`
	} `xml:"group"`
}

type suiteTest struct {
	Name       string `xml:"name,attr"`
	Input      string `xml:"inputfile,attr"`
	Mode       string `xml:"mode,attr"`
	Predicate  string `xml:"predicate,attr"`
	Invalid    string `xml:"invalid,attr"`
	Expression struct {
		Invalid string `xml:"invalid,attr"`
		Text    string `xml:",chardata"`
	} `xml:"expression"`
	Outputs []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"output"`
}

func suiteFile(t testing.TB, name string) []byte {
	t.Helper()
	dirs := []string{filepath.Join(os.Getenv("VIGIL_DATA"), "fhir/fhirpath")}
	if os.Getenv("VIGIL_DATA") == "" {
		dirs = nil
		for dir, _ := os.Getwd(); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			dirs = append(dirs, filepath.Join(dir, "shared/data/fhir/fhirpath"))
		}
	}
	for _, dir := range dirs {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return b
		}
	}
	t.Skipf("no shared data: set VIGIL_DATA to the folder that holds fhir/fhirpath/%s", name)
	return nil
}

func suiteResource(t testing.TB, name string) fhir.Resource {
	t.Helper()
	decode := fhir.Parse
	if strings.HasSuffix(name, ".xml") {
		decode = fhirxml.Decode
	}
	r, err := decode(suiteFile(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// TestOfficialSuite runs HL7's test suite for R4 and prints what fails.
func TestOfficialSuite(t *testing.T) {
	var s suite
	if err := xml.Unmarshal(suiteFile(t, "tests-fhir-r4.xml"), &s); err != nil {
		t.Fatal(err)
	}
	inputs := map[string]fhir.Resource{}
	good, total := 0, 0
	for _, g := range s.Groups {
		for _, c := range g.Tests {
			if c.Input != "" && inputs[c.Input] == nil {
				inputs[c.Input] = suiteResource(t, c.Input)
			}
			total++
			msg, reason := c.run(inputs[c.Input]), disputed[c.Name]
			switch {
			case msg == "":
				if good++; reason != "" {
					t.Errorf("%s passes and is still listed as disputed", c.Name)
				}
			case reason != "":
				t.Logf("%s: %s: %s", c.Name, msg, reason)
			default:
				t.Errorf("%s: %s: %s: %s", g.Name, c.Name, strings.Join(strings.Fields(c.Expression.Text), " "), msg)
			}
		}
	}
	t.Logf("%d of %d tests of the official suite pass", good, total)
	if total < 935 {
		t.Errorf("the suite has %d tests, want 935", total)
	}
}

// run returns what is wrong, "" when nothing is.
func (c suiteTest) run(r fhir.Resource) string {
	wantError := c.Expression.Invalid != "" || c.Invalid != "" && c.Invalid != "false"
	got, err := c.eval(r, wantError)
	switch {
	case wantError && err == nil:
		return "no error, but " + show(got)
	case wantError:
		return ""
	case err != nil:
		return err.Error()
	case c.Predicate == "true":
		if len(got) == 1 && len(c.Outputs) == 1 && c.Outputs[0].Text == "true" {
			return ""
		}
		return show(got)
	case len(got) != len(c.Outputs):
		return "gives " + show(got)
	}
	for i, v := range got {
		if !c.matches(v, i) {
			return "gives " + show(got)
		}
	}
	return ""
}

func (c suiteTest) eval(r fhir.Resource, strict bool) ([]fhirpath.Value, error) {
	e, err := fhirpath.Compile(c.Expression.Text)
	if err != nil {
		return nil, err
	}
	if (strict || c.Mode == "strict") && r != nil {
		if err := e.Check(fhir.TypeOf(r.Type())); err != nil {
			return nil, err
		}
	}
	env := &fhirpath.Env{Now: time.Now()}
	return e.Eval(context.Background(), env, fhirpath.Root(r))
}

func (c suiteTest) matches(v fhirpath.Value, i int) bool {
	want := c.Outputs[i]
	text := want.Text
	if v.Kind >= fhirpath.Date && v.Kind <= fhirpath.Time {
		text = strings.TrimPrefix(strings.TrimPrefix(text, "@"), "T")
	}
	if v.Kind == fhirpath.Decimal && v.String() != text && !strings.Contains(text, ".") {
		text += ".0" // decimals written without their zero
	}
	_, name, _ := strings.Cut(v.TypeName(), ".")
	typeOK := want.Type == "" || strings.EqualFold(name, want.Type)
	return typeOK && (v.String() == text || v.Kind == fhirpath.Decimal && v.String()+".0" == text || text == "-0.0" && v.String() == "0.0")
}

func show(vs []fhirpath.Value) string {
	var out []string
	for _, v := range vs {
		out = append(out, v.TypeName()+" "+v.String())
	}
	return "[" + strings.Join(out, ", ") + "]"
}
