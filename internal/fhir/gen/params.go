package main

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// writeParams writes one line a resource type and search parameter, its FHIRPath resolved to plain paths that end in
// a known type: "effectiveDateTime=dateTime|effectivePeriod=Period".
func (g *generator) writeParams() error {
	resources, err := g.load("search-parameters.json")
	if err != nil {
		return err
	}
	var lines []string
	for _, p := range resources {
		if str(p, "resourceType") != "SearchParameter" {
			continue
		}
		bases, _ := p["base"].([]any)
		for _, b := range bases {
			base, _ := b.(string)
			paths := g.paths(base, str(p, "expression"))
			if len(paths) == 0 || str(p, "type") == "composite" || str(p, "type") == "special" {
				continue
			}
			line := fmt.Sprintf("P %s %s %s %s", base, str(p, "code"), str(p, "type"), strings.Join(paths, "|"))
			if targets, _ := p["target"].([]any); len(targets) > 0 && len(targets) < 20 {
				line += " " + strings.Trim(fmt.Sprint(targets), "[]")
			}
			lines = append(lines, line)
		}
	}
	sort.Strings(lines)
	for _, l := range lines {
		fmt.Fprintln(&g.buf, l)
	}
	return nil
}

var (
	reOf    = regexp.MustCompile(`\.(?:ofType|as)\((\w+)\)`)
	reAs    = regexp.MustCompile(`\s+as\s+(\w+)`)
	reWhere = regexp.MustCompile(`\.where\((\w+)\s*=\s*'([^']*)'\)`)
	reType  = regexp.MustCompile(`\.where\(resolve\(\) is (\w+)\)`)
)

// paths resolves the branches of an expression that begin with the base type.
func (g *generator) paths(base, expression string) []string {
	var out []string
	seen := map[string]bool{}
	for _, branch := range strings.Split(expression, "|") {
		branch = strings.NewReplacer("(", "(", "\n", " ").Replace(strings.TrimSpace(branch))
		if i := strings.Index(branch, ".exists()"); i > 0 {
			branch = branch[:i]
		}
		branch = reAs.ReplaceAllString(branch, ".ofType($1)")
		branch = reOf.ReplaceAllString(branch, "!$1")
		branch = reWhere.ReplaceAllString(branch, "[$1=$2]")
		branch = reType.ReplaceAllString(branch, "[>$1]")
		branch = strings.NewReplacer("(", "", ")", "").Replace(branch)
		head, rest, ok := strings.Cut(branch, ".")
		if !ok || head != base && head != "Resource" && head != "DomainResource" || strings.Contains(rest, "entry[0]") {
			continue
		}
		for _, p := range g.resolve(base, "", strings.Split(rest, ".")) {
			if !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// resolve walks the structure from a type along steps such as "value!Quantity" or "telecom[system=phone]".
func (g *generator) resolve(typ, prefix string, steps []string) []string {
	t := g.types[strings.TrimPrefix(typ, "@")]
	if t == nil {
		return nil
	}
	name, filter, of := steps[0], "", ""
	if i := strings.IndexByte(name, '['); i > 0 {
		name, filter = name[:i], name[i:]
	}
	if n, o, ok := strings.Cut(name, "!"); ok {
		name, of = n, o
	}
	var out []string
	for _, e := range t.elements {
		choice := strings.TrimSuffix(e.name, "[x]")
		if choice != name {
			continue
		}
		for _, et := range e.types {
			code, _, _ := strings.Cut(et, ">")
			if of != "" && code != of {
				continue
			}
			key := choice
			if strings.HasSuffix(e.name, "[x]") {
				key += strings.ToUpper(code[:1]) + code[1:]
			}
			path := prefix + key + filter
			if len(steps) == 1 {
				out = append(out, path+"="+strings.TrimPrefix(code, "@"))
			} else {
				out = append(out, g.resolve(code, path+".", steps[1:])...)
			}
		}
	}
	return out
}
