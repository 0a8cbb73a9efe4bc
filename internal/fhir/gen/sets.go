package main

import (
	"fmt"
	"sort"
	"strings"
)

// readSets expands the value sets that are plain lists of codes, or whole code systems.
func (g *generator) readSets() error {
	resources, err := g.load("valuesets.json")
	if err != nil {
		return err
	}
	more, err := g.load("v3-codesystems.json")
	if err != nil {
		return err
	}
	resources = append(resources, more...)
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

// expand lists a set's codes after their systems: "=http://…" code code. It is nil when the set needs a filter or a
// code system that the definitions do not hold.
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
		if len(objects(inc, "filter")) > 0 || inc["valueSet"] != nil || len(codes) == 0 || strings.ContainsAny(strings.Join(codes, ""), " \t") {
			return nil
		}
		out = append(append(out, "="+str(inc, "system")), codes...)
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
		fmt.Fprintf(&g.buf, "V %s %s\n", short(url), strings.Join(g.sets[url], " "))
	}
	return nil
}
