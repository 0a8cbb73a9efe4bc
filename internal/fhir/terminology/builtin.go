package terminology

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/fhir"
)

// r4 holds the code systems, value sets and concept maps of FHIR R4 4.0.1 and the HL7 v3 ones that they use, one JSON
// document a line, made by ../gen from the official definitions.
//
//go:embed r4.ndjson.gz
var r4 []byte

// The house's own terminology.
const (
	SystemMetric  = "urn:vigil:metric"                  // the metrics of the catalogue by their keys
	MetricCodes   = "urn:vigil:ValueSet:metric"         // every LOINC and MDC code of the catalogue
	MetricUnits   = "urn:vigil:ValueSet:metric-unit"    // the UCUM units of the catalogue
	MetricsToMDC  = "urn:vigil:ConceptMap:metric-mdc"   // LOINC to IEEE 11073 MDC
	MetricsToUCUM = "urn:vigil:ConceptMap:metric-ucum"  // LOINC to the canonical unit
	MetricsToKeys = "urn:vigil:ConceptMap:metric-loinc" // the house's keys to LOINC
)

// library is what is built in: lines of JSON by "Type url", and the systems of which a value set names all codes.
type library struct {
	lines map[string][]byte
	house map[string]fhir.Resource
	whole map[string]string // by value set
	mu    sync.Mutex
	read  map[string]fhir.Resource
}

var shipped = sync.OnceValue(func() *library {
	l := &library{lines: map[string][]byte{}, house: house(), whole: map[string]string{}, read: map[string]fhir.Resource{}}
	zr, err := gzip.NewReader(bytes.NewReader(r4))
	if err != nil {
		panic("terminology: the embedded table is damaged: " + err.Error()) // impossible: it is part of the program
	}
	all, err := io.ReadAll(zr)
	if err != nil {
		panic("terminology: the embedded table is damaged: " + err.Error())
	}
	for line := range bytes.Lines(all) {
		var head struct{ ResourceType, URL, ValueSet string }
		if json.Unmarshal(line, &head) != nil || head.URL == "" {
			continue
		}
		l.lines[head.ResourceType+" "+head.URL] = line
		if head.ResourceType == "CodeSystem" && head.ValueSet != "" {
			l.whole[head.ValueSet] = head.URL
		}
	}
	return l
})

// builtin returns a resource that is shipped with the server, nil when there is none. It is shared: read only.
func builtin(typ, url string) fhir.Resource {
	l := shipped()
	key := typ + " " + url
	if res := l.house[key]; res != nil {
		return res
	}
	line := l.lines[key]
	if line == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if res := l.read[key]; res != nil {
		return res
	}
	res, err := fhir.Parse(line)
	if err != nil {
		panic("terminology: the embedded table is damaged: " + err.Error())
	}
	l.read[key] = res
	return res
}

func wholeSystem(valueSet string) string { return shipped().whole[valueSet] }

// builtinMaps returns the concept maps that are shipped.
func builtinMaps() (out []fhir.Resource) {
	l := shipped()
	for key := range l.lines {
		if url, ok := strings.CutPrefix(key, "ConceptMap "); ok {
			out = append(out, builtin("ConceptMap", url))
		}
	}
	for _, url := range []string{MetricsToMDC, MetricsToUCUM, MetricsToKeys} {
		out = append(out, builtin("ConceptMap", url))
	}
	slices.SortFunc(out, func(a, b fhir.Resource) int { return strings.Compare(a.Str("url"), b.Str("url")) })
	return out
}

// extra are codes beyond the catalogue that the house writes.
var extra = [...]struct{ system, code, display string }{
	{coding.SystemLOINC, "85354-9", "Blood pressure panel with all children optional"},
	{coding.SystemLOINC, "85353-1", "Vital signs, weight, height, head circumference, oxygen saturation and BMI panel"},
	{coding.SystemLOINC, "60591-5", "Patient summary Document"},
	{coding.SystemLOINC, "10160-0", "History of Medication use Narrative"},
	{coding.SystemLOINC, "48765-2", "Allergies and adverse reactions Document"},
	{coding.SystemLOINC, "11450-4", "Problem list - Reported"},
	{coding.SystemLOINC, "11369-6", "History of Immunization Narrative"},
	{coding.SystemLOINC, "47519-4", "History of Procedures Document"},
	{coding.SystemLOINC, "46264-8", "History of medical device use"},
	{coding.SystemLOINC, "30954-2", "Relevant diagnostic tests/laboratory data Narrative"},
	{coding.SystemLOINC, "8716-3", "Vital signs"},
}

// house makes the terminology of the catalogue: parts of LOINC, MDC and UCUM, the metrics' own keys, and what leads
// from one to the other.
func house() map[string]fhir.Resource {
	concepts := map[string][]fhir.Resource{}
	seen := map[string]bool{}
	add := func(system, code, display string) {
		if code != "" && !seen[system+" "+code] {
			seen[system+" "+code] = true
			concepts[system] = append(concepts[system], fhir.Resource{"code": code, "display": display})
		}
	}
	toMDC, toUCUM, toLOINC := []fhir.Resource{}, []fhir.Resource{}, []fhir.Resource{}
	link := func(to *[]fhir.Resource, code, name, target, display string) {
		if code != "" && target != "" {
			*to = append(*to, fhir.Resource{"code": code, "display": name, "target": []fhir.Resource{{"code": target, "display": display, "equivalence": "equivalent"}}})
		}
	}
	for _, m := range coding.Metrics() {
		add(coding.SystemLOINC, m.LOINC, m.Name)
		add(coding.SystemMDC, m.MDC, m.MDCName)
		add(coding.SystemUCUM, m.UCUM, m.Unit)
		add(SystemMetric, string(m.Key), m.Name)
		link(&toMDC, m.LOINC, m.Name, m.MDC, m.MDCName)
		link(&toUCUM, m.LOINC, m.Name, m.UCUM, m.Unit)
		link(&toLOINC, string(m.Key), m.Name, m.LOINC, m.Name)
		for _, u := range coding.Family(m.UCUM) {
			add(coding.SystemUCUM, u.Unit, u.Unit)
		}
	}
	for _, e := range extra {
		add(e.system, e.code, e.display)
	}
	out := map[string]fhir.Resource{}
	put := func(r fhir.Resource) { out[r.Type()+" "+r.Str("url")] = fhir.Normal(r) }
	codeSystem := func(url, name, title, content string) {
		put(fhir.New("CodeSystem", "").With("url", url).With("name", name).With("title", title).With("status", "active").With("content", content).With("caseSensitive", true).With("concept", concepts[url]))
	}
	codeSystem(coding.SystemLOINC, "LOINC", "LOINC", "fragment")
	codeSystem(coding.SystemMDC, "MDC", "IEEE 11073-10101", "fragment")
	codeSystem(coding.SystemUCUM, "UCUM", "Unified Code for Units of Measure", "fragment")
	codeSystem(SystemMetric, "VigilMetric", "Metrics of Vigil", "complete")
	listed := func(url, name string, systems ...string) {
		var inc []fhir.Resource
		for _, s := range systems {
			inc = append(inc, fhir.Resource{"system": s, "concept": concepts[s]})
		}
		put(fhir.New("ValueSet", "").With("url", url).With("name", name).With("status", "active").With("compose", fhir.Resource{"include": inc}))
	}
	listed(MetricCodes, "VigilMetricCodes", coding.SystemLOINC, coding.SystemMDC, SystemMetric)
	listed(MetricUnits, "VigilMetricUnits", coding.SystemUCUM)
	mapped := func(url, from, to string, elements []fhir.Resource) {
		put(fhir.New("ConceptMap", "").With("url", url).With("status", "active").With("group", []fhir.Resource{{"source": from, "target": to, "element": elements}}))
	}
	mapped(MetricsToMDC, coding.SystemLOINC, coding.SystemMDC, toMDC)
	mapped(MetricsToUCUM, coding.SystemLOINC, coding.SystemUCUM, toUCUM)
	mapped(MetricsToKeys, SystemMetric, coding.SystemLOINC, toLOINC)
	return out
}
