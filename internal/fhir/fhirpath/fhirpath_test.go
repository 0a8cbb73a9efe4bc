package fhirpath_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

const observation = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},
 "subject":{"reference":"#p"},"performer":[{"reference":"Practitioner/1"}],"contained":[{"resourceType":"Patient","id":"p"}],"valueQuantity":{"value":72.50,"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"},
 "effectiveDateTime":"2026-03-01T10:00:00Z","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}]}`

func parse(t testing.TB, text string) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type resolver map[string]fhir.Resource

func (r resolver) Resolve(_ context.Context, ref string) fhir.Resource { return r[ref] }

func TestEval(t *testing.T) {
	r := parse(t, observation)
	env := &fhirpath.Env{Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Resolver: resolver{"Practitioner/1": fhir.New("Practitioner", "1")}, Vars: map[string][]fhirpath.Value{"limit": {fhirpath.Node("72", nil)}}}
	for expr, want := range map[string]string{
		"value.value":          "FHIR.decimal 72.50",
		"value.value + 0.50":   "System.Decimal 73.00",
		"value > 70 '/min'":    "System.Boolean true",
		"value > 1 'Hz'":       "System.Boolean true",
		"value > 70 'kg'":      "",
		"subject.resolve().id": "FHIR.id p",
		"performer.resolve().ofType(Practitioner).id":                        "FHIR.id 1",
		"effective.ofType(dateTime) < now()":                                 "System.Boolean true",
		"status.memberOf('http://hl7.org/fhir/ValueSet/observation-status')": "System.Boolean true",
		"(status | 'nonsense').last().memberOf(%`vs-observation-status`)":    "System.Boolean false",
		"status.memberOf('http://example.org/unknown')":                      "",
		"%limit":                                "System.String 72",
		"2147483647 + 1":                        "",
		"'a\u00e4b'.indexOf('b')":               "System.Integer 2",
		"37 'Cel' = 98.6 '[degF]'":              "System.Boolean true",
		"120 'mm[Hg]' > 15 'kPa'":               "System.Boolean true",
		"1 'mmol/L' ~ 1000 'umol/L'":            "System.Boolean true",
		"5 '10*3/uL' = 5 '10*9/L'":              "System.Boolean true",
		"@2024-01-31 + 1 month":                 "System.Date 2024-02-29",
		"@2024 + 18 months":                     "System.Date 2025",
		"@T23:30:00 + 1 hour":                   "System.Time 00:30:00",
		"@2026-03-01T10:00:00Z + 0.5 seconds":   "System.DateTime 2026-03-01T10:00:00.500Z",
		"iif(status = 'final', 'yes', 1 + 'x')": "System.String yes",
		"category.coding.where(code = 'vital-signs').exists() and code.coding.exists(system = %loinc)": "System.Boolean true",
	} {
		e, err := fhirpath.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got, err := e.Eval(context.Background(), env, fhirpath.Root(r))
		if err != nil || strings.Trim(show(got), "[]") != strings.Trim(want, "[]") {
			t.Errorf("%s: %s, %v, want %s", expr, show(got), err, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	r := parse(t, observation)
	e, err := fhirpath.Compile("Observation.category.coding.code")
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Eval(context.Background(), nil, fhirpath.Root(r))
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	p := got[0].Place()
	if p.Key != "code" || p.Index != -1 || p.In["system"] == nil {
		t.Errorf("%+v", p)
	}
	p.In[p.Key] = "laboratory"
	if r.Str("category.0.coding.0.code") != "laboratory" {
		t.Error("the place is not in the document")
	}
}

func TestCompileNamesThePlace(t *testing.T) {
	for expr, want := range map[string]string{
		"name.given(": "character 12", "1 +": "character 4", "foo()": "no function foo", "name.where()": "takes 1 to 1", "a is Nothing": `"Nothing" is not a type`,
		"'abc": "not closed", "name..given": "a name is expected", "@2015-13": "not a date", "'x'.matches('(')": "not a regular expression", "a # b": "'#'",
		"$that": "$that", "": "ends where a term is expected", strings.Repeat("(", 500) + "1": "nested deeper", strings.Repeat("9", 70): "64 digits",
	} {
		if _, err := fhirpath.Compile(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", expr, err, want)
		}
	}
}

// TestLimits holds expressions that would take for ever or all memory.
func TestLimits(t *testing.T) {
	r := parse(t, observation)
	for _, expr := range []string{
		"'aaaaaaaaaaaaaaaa'.toChars().aggregate(iif($total.empty(), 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', $total + $total + $total + $total))",
		"1.repeat($this + 1)",
		"descendants().select(%resource.descendants()).select(%resource.descendants()).select(%resource.descendants()).select(%resource.descendants()).count()",
		"'x'.replace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyy').replace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy').replace('', 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz').replace('', 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz').replace('', 'zzzzzzzzzzzzzzzzz')",
	} {
		e, err := fhirpath.Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Eval(context.Background(), &fhirpath.Env{MaxSteps: 200_000}, fhirpath.Root(r)); err == nil {
			t.Errorf("%.60s: %d values and no error", expr, len(got))
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	e, err := fhirpath.Compile("category.coding.where(code = 'vital-signs').exists() and value.value > 10")
	if err != nil {
		t.Fatal(err)
	}
	r := parse(t, observation)
	done := make(chan error)
	for range 4 {
		go func() {
			for range 200 {
				ok, err := e.EvalBool(context.Background(), nil, fhirpath.Root(r))
				if err != nil || !ok {
					t.Errorf("%v, %v", ok, err)
					break
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		<-done
	}
}

func FuzzEval(f *testing.F) {
	for _, s := range []string{
		"Observation.value.value > 70", "category.coding.where(code='a' or $index > 1).select(code | system)", "(1 | 2 | 3).aggregate($total + $this, 0)", "@2024-02-29 + 1 year",
		"descendants().as(uri)", "5 'mg/dL' ~ 5.01 'mg/dL'", "'a,b'.split(',').join(';').matches('^a')", "repeat(coding).code.sort(-$this)", "iif({}, 1, 2).lowBoundary(3)", "2.power(0.5).sqrt().ln().exp().log(10)",
		"%resource.subject.resolve().id", "'1 \\'wk\\''.toQuantity() = 7 days", "value.toString().toDecimal().round(2).precision()", "-(1)[0]", "name.`given`.encode('hex')", "effective.highBoundary().lowBoundary(8)",
	} {
		f.Add(s)
	}
	r := parse(f, observation)
	f.Fuzz(func(t *testing.T, s string) {
		e, err := fhirpath.Compile(s)
		if err != nil {
			return
		}
		env := &fhirpath.Env{MaxSteps: 20_000, Now: time.Unix(1.7e9, 0)}
		got, err := e.Eval(context.Background(), env, fhirpath.Root(r))
		if err == nil {
			for _, v := range got {
				_ = v.String()
			}
		}
		_ = e.Check(fhir.TypeOf("Observation"))
	})
}

func BenchmarkEval(b *testing.B) {
	r := parse(b, observation)
	for name, expr := range map[string]string{
		"Exists":      "value.exists() or dataAbsentReason.exists()",
		"obs-6":       "dataAbsentReason.empty() or value.empty()",
		"obs-7":       "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()",
		"Filter":      "category.coding.where(system = 'http://terminology.hl7.org/CodeSystem/observation-category' and code = 'vital-signs').exists()",
		"Quantity":    "value > 70 '/min'",
		"Descendants": "descendants().count() > 10",
	} {
		e, err := fhirpath.Compile(expr)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := e.EvalBool(context.Background(), nil, fhirpath.Root(r)); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
