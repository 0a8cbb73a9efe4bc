package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

// termKeys are what the terminology reads of a CodeSystem, ValueSet or ConceptMap.
var termKeys = [...]string{"resourceType", "id", "url", "version", "name", "title", "status", "content", "caseSensitive", "hierarchyMeaning", "valueSet", "compose",
	"sourceUri", "sourceCanonical", "targetUri", "targetCanonical", "group"}

// terms returns the code systems and value sets of R4 and the HL7 v3 ones that they or a binding use, one JSON document
// a line, stripped to what the terminology reads.
func (g *generator) terms() ([]byte, error) {
	own, err := g.load("valuesets.json")
	if err != nil {
		return nil, err
	}
	maps, err := g.load("conceptmaps.json")
	if err != nil {
		return nil, err
	}
	v3, err := g.load("v3-codesystems.json")
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for url := range g.used {
		wanted[url] = true
	}
	for _, r := range own {
		want(r, wanted)
	}
	for changed := true; changed; {
		before := len(wanted)
		for _, r := range v3 {
			if wanted[str(r, "url")] {
				want(r, wanted)
			}
		}
		changed = len(wanted) != before
	}
	keep := append(own, maps...)
	for _, r := range v3 {
		if wanted[str(r, "url")] {
			keep = append(keep, r)
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, r := range keep {
		if err := enc.Encode(stripTerm(r)); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// want marks the systems and value sets that a value set is composed of.
func want(r object, wanted map[string]bool) {
	compose := child(r, "compose")
	for _, inc := range append(objects(compose, "include"), objects(compose, "exclude")...) {
		wanted[str(inc, "system")] = true
		sets, _ := inc["valueSet"].([]any)
		for _, s := range sets {
			url, _ := s.(string)
			url, _, _ = strings.Cut(url, "|")
			wanted[url] = true
		}
	}
}

func stripTerm(r object) object {
	out := object{}
	for _, key := range termKeys {
		if r[key] != nil {
			out[key] = r[key]
		}
	}
	if list := objects(r, "concept"); len(list) > 0 {
		keys := []string{"code", "display", "definition", "property"}
		if strings.Contains(str(r, "url"), "/v3-") { // their definitions are pages long
			keys = []string{"code", "display"}
		}
		out["concept"] = stripConcepts(list, keys)
	}
	return out
}

func stripConcepts(list []object, keys []string) []object {
	out := make([]object, 0, len(list))
	for _, c := range list {
		o := object{}
		for _, key := range keys {
			if c[key] != nil {
				o[key] = c[key]
			}
		}
		if below := objects(c, "concept"); len(below) > 0 {
			o["concept"] = stripConcepts(below, keys)
		}
		out = append(out, o)
	}
	return out
}
