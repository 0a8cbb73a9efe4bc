package main

import (
	"encoding/json"
	"strings"
)

// profiles returns the base profiles and extensions of R4 as a JSON list of StructureDefinitions, stripped to what
// validation reads, and marks the value sets that they bind.
func (g *generator) profiles() ([]byte, error) {
	var out []object
	for _, file := range []string{"profiles-others.json", "extension-definitions.json"} {
		resources, err := g.load(file)
		if err != nil {
			return nil, err
		}
		for _, r := range resources {
			if str(r, "resourceType") == "StructureDefinition" {
				out = append(out, g.strip(r))
			}
		}
	}
	return json.Marshal(out)
}

func (g *generator) strip(r object) object {
	keep := object{"resourceType": "StructureDefinition"}
	for _, key := range []string{"url", "type", "baseDefinition"} {
		keep[key] = r[key]
	}
	var elements []object
	for _, e := range objects(child(r, "differential"), "element") {
		elements = append(elements, g.stripElement(e))
	}
	keep["differential"] = object{"element": elements}
	return keep
}

func (g *generator) stripElement(e object) object {
	out := object{}
	for key, v := range e {
		switch {
		case key == "id", key == "path" && e["id"] == nil, key == "sliceName", key == "slicing", key == "min", key == "max", key == "contentReference",
			strings.HasPrefix(key, "fixed"), strings.HasPrefix(key, "pattern"), strings.HasPrefix(key, "minValue"), strings.HasPrefix(key, "maxValue"), key == "maxLength":
			out[key] = v
		case key == "type":
			var types []object
			for _, t := range objects(e, "type") {
				keep := object{"code": t["code"]}
				for _, k := range []string{"profile", "targetProfile"} {
					if t[k] != nil {
						keep[k] = t[k]
					}
				}
				types = append(types, keep)
			}
			out[key] = types
		case key == "binding":
			b := child(e, "binding")
			if str(b, "strength") == "required" {
				set, _, _ := strings.Cut(str(b, "valueSet"), "|")
				if len(g.sets[set]) > 0 {
					g.used[set] = true
				}
				out[key] = object{"strength": "required", "valueSet": str(b, "valueSet")}
			}
		case key == "constraint":
			out[key] = stripRules(e)
		}
	}
	return out
}

func stripRules(e object) []object {
	var out []object
	for _, c := range objects(e, "constraint") {
		if str(c, "expression") != "" && str(c, "key") != "ele-1" && str(c, "key") != "ext-1" {
			out = append(out, object{"key": c["key"], "severity": c["severity"], "human": clean(str(c, "human")), "expression": clean(errata(str(c, "key"), str(c, "expression")))})
		}
	}
	return out
}
