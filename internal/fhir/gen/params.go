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
	kinds := map[string]object{} // by URL
	for _, p := range resources {
		kinds[str(p, "url")] = p
	}
	var lines []string
	for _, p := range resources {
		if str(p, "resourceType") != "SearchParameter" {
			continue
		}
		bases, _ := p["base"].([]any)
		for _, b := range bases {
			base, _ := b.(string)
			if str(p, "type") == "composite" {
				lines = append(lines, g.composite(base, p, kinds))
				continue
			}
			paths := g.paths(base, str(p, "expression"))
			if len(paths) == 0 {
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

// composite writes "M base code whole root part part …". Whole names the parameters that make it up where its root is the
// resource itself, "-" where it is not; root is the element whose parts belong together, "-" for none. A part is
// "kind:path|path" below the root, or "kind:/path" below the resource.
func (g *generator) composite(base string, p object, kinds map[string]object) string {
	whole, root := "-", "-"
	for _, branch := range strings.Split(str(p, "expression"), "|") {
		branch = strings.TrimSpace(branch)
		if branch == base {
			whole = ""
		} else if path, ok := strings.CutPrefix(branch, base+"."); ok {
			root = path
		}
	}
	line, names := "", []string{}
	for _, c := range objects(p, "component") {
		part := kinds[str(c, "definition")]
		names = append(names, strings.TrimPrefix(str(part, "code"), "combo-"))
		expression, typ := str(c, "expression"), base
		top := ""
		if rest, ok := strings.CutPrefix(expression, "%resource."); ok {
			expression, top = rest, "/"
		} else if root != "-" {
			typ = base + "." + root
			if g.types[typ] == nil { // its parts are of a datatype, such as UsageContext
				for _, e := range g.types[base].elements {
					if e.name == root {
						typ = e.types[0]
					}
				}
			}
		}
		var paths []string
		for _, branch := range strings.Split(expression, "|") {
			branch = strings.TrimSpace(branch)
			for _, path := range g.resolve(typ, "", strings.Split(reOf.ReplaceAllString(branch, "!$1"), ".")) {
				paths = append(paths, top+path)
			}
		}
		line += " " + partKind(str(part, "type"), paths) + ":" + strings.Join(paths, "|")
	}
	if whole == "" {
		whole = strings.Join(names, ",")
	}
	return fmt.Sprintf("M %s %s %s %s%s", base, str(p, "code"), whole, root, line)
}

// partKind returns a part's kind; DocumentReference.relationship names its two parts the wrong way round.
func partKind(kind string, paths []string) string {
	switch {
	case kind == "reference" && strings.HasSuffix(paths[0], "=code"):
		return "token"
	case kind == "token" && strings.HasSuffix(paths[0], "=Reference"):
		return "reference"
	}
	return kind
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
