package layout_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/layout"
)

const module = "github.com/vigil-health/vigil"

// house is the parsed tree.
type house struct {
	fset *token.FileSet
	pkgs map[string]*pkg // by path below the module, "" is the words
}

type pkg struct {
	path  string
	name  string
	files []*file
}

type file struct {
	name  string // path below the module
	ast   *ast.File
	test  bool
	lines int
}

// fault is one break of a rule.
type fault struct{ rule, at, why string }

func read(t *testing.T) *house {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{fset: token.NewFileSet(), pkgs: map[string]*pkg{}}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".") && p != root) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		return h.add(root, p)
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) add(root, p string) error {
	rel, err := filepath.Rel(root, p)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(h.fset, p, text, parser.ParseComments)
	if err != nil {
		return err
	}
	dir := path.Dir(filepath.ToSlash(rel))
	if dir == "." {
		dir = ""
	}
	test := strings.HasSuffix(rel, "_test.go")
	if h.pkgs[dir] == nil {
		h.pkgs[dir] = &pkg{path: dir}
	}
	q := h.pkgs[dir]
	if !test {
		q.name = f.Name.Name
	}
	q.files = append(q.files, &file{name: filepath.ToSlash(rel), ast: f, test: test, lines: strings.Count(string(text), "\n")})
	return nil
}

func (h *house) at(f *file, n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.name, h.fset.Position(n.Pos()).Line)
}

// floor numbers the floors from the ground: an import may point to a lower number, or to its own room.
func floor(p string) int {
	switch first, rest, _ := strings.Cut(p, "/"); {
	case p == "" || first == "coding" || first == "catalog" || p == "internal/fhir" || p == "internal/layout" || strings.HasPrefix(p, "internal/fhir/"):
		return 0
	case strings.HasPrefix(p, "internal/engine/"):
		return 1
	case p == "internal/app" || p == "internal/protocol" || p == "internal/app/apptest" || p == "internal/protocol/protocoltest":
		return 2
	case p == "internal/server" || first == "test" && rest != "":
		return 4
	case first == "cmd":
		return 5
	default:
		return 3 // rooms and web
	}
}

// room returns the folder that an import may not leave sideways: internal/driver/pebble, internal/app/rpm.
func room(p string) string {
	parts := strings.Split(p, "/")
	if len(parts) > 3 {
		parts = parts[:3]
	}
	return strings.Join(parts, "/")
}

func TestRules(t *testing.T) {
	h := read(t)
	var faults []fault
	for _, rule := range []func(*house) []fault{arrows, outside, comments, names, state, sizes} {
		faults = append(faults, rule(h)...)
	}
	except, used := layout.Exceptions(), map[string]bool{}
	for _, f := range faults {
		key := f.rule + " " + strings.SplitN(f.at, ":", 2)[0]
		if except[key] != "" {
			used[key] = true
			continue
		}
		t.Errorf("%s: %s: %s", f.rule, f.at, f.why)
	}
	for key := range except {
		if !used[key] {
			t.Errorf("exception %q is no longer needed", key)
		}
	}
}

// arrows is R1 and R2: imports point to a lower floor or stay in their own room; engines may use each other.
func arrows(h *house) (out []fault) {
	for _, p := range h.pkgs {
		for _, f := range p.files {
			for _, imp := range f.ast.Imports {
				to, ok := inside(imp)
				if !ok || f.test { // tests of a room may put real stores beside it
					continue
				}
				from := p.path
				switch {
				case from == "internal/layout":
					out = append(out, fault{"R1", h.at(f, imp), "layout imports nothing of the house"})
				case floor(to) < floor(from), room(to) == room(from), floor(from) == 0 && floor(to) == 0 && to != from:
				case strings.HasPrefix(from, to+"/"): // an examination uses its contract
				case floor(from) == 1 && floor(to) == 1:
				case floor(from) == 4 && floor(to) == 4 || floor(from) == 5 && floor(to) == 5:
				case floor(from) == 3 && floor(to) == 3:
					out = append(out, fault{"R2", h.at(f, imp), "room " + room(from) + " imports room " + room(to) + "; rooms meet through records, telemetry and alarms"})
				default:
					out = append(out, fault{"R1", h.at(f, imp), from + " imports the higher floor " + to})
				}
			}
		}
	}
	return out
}

func inside(imp *ast.ImportSpec) (string, bool) {
	p := strings.Trim(imp.Path.Value, `"`)
	if p == module {
		return "", true
	}
	return strings.CutPrefix(p, module+"/")
}

// outside is R3 and R6: the ground and the engine import no third-party module but the pure ones, and no I/O of the
// standard library.
func outside(h *house) (out []fault) {
	io := []string{"net", "net/http", "database/sql", "os", "os/exec", "syscall", "log"}
	for _, p := range h.pkgs {
		if floor(p.path) > 1 || strings.HasPrefix(p.path, "internal/fhir/") || p.path == "internal/layout" {
			continue
		}
		for _, f := range p.files {
			if f.test || strings.HasSuffix(p.path, "test") {
				continue
			}
			for _, imp := range f.ast.Imports {
				name := strings.Trim(imp.Path.Value, `"`)
				if _, in := inside(imp); in {
					continue
				}
				third := strings.Contains(strings.SplitN(name, "/", 2)[0], ".")
				pure := slices.ContainsFunc(layout.PureLibraries(), func(l string) bool { return name == l || strings.HasPrefix(name, l+"/") })
				if third && !pure || slices.Contains(io, name) {
					out = append(out, fault{"R3", h.at(f, imp), "the floor of " + p.path + " imports " + name + ", which does I/O or is not listed as pure"})
				}
			}
		}
	}
	return out
}

// comments is the first half of R4: exactly one package comment, and it says what it is, what it is not, where to start.
func comments(h *house) (out []fault) {
	for _, p := range h.pkgs {
		if p.name == "" {
			continue
		}
		var found []*file
		for _, f := range p.files {
			if f.ast.Doc != nil && !f.test {
				found = append(found, f)
			}
		}
		switch {
		case len(found) == 0:
			out = append(out, fault{"R4", p.files[0].name, "package " + p.name + " has no package comment"})
		case len(found) > 1:
			out = append(out, fault{"R4", found[1].name, "package " + p.name + " has a second package comment"})
		case p.name != "main" && len(strings.Fields(found[0].ast.Doc.Text())) < 15:
			out = append(out, fault{"R4", found[0].name, "the package comment does not say what it is, what it is not and where to start"})
		}
	}
	return out
}

// names is the second half of R4: a leaf name is unique in the module and is a noun that says something.
func names(h *house) (out []fault) {
	seen := map[string]string{}
	banned := []string{"util", "utils", "common", "helpers", "models", "types", "pkg", "misc"}
	for _, p := range h.pkgs {
		if p.name == "" || p.name == "main" {
			continue
		}
		if slices.Contains(banned, p.name) {
			out = append(out, fault{"R4", p.files[0].name, "package name " + p.name + " says nothing"})
		}
		if other, ok := seen[p.name]; ok {
			out = append(out, fault{"R4", p.files[0].name, "package name " + p.name + " stands also at " + other})
		}
		seen[p.name] = p.path
		for _, f := range p.files {
			for _, imp := range f.ast.Imports {
				to, ok := inside(imp)
				if ok && imp.Name != nil && imp.Name.Name != "_" && !f.test {
					out = append(out, fault{"R4", h.at(f, imp), "import of " + to + " is renamed"})
				}
			}
		}
	}
	return out
}

// state is the rest of R4: no init, no package variable that a function changes.
func state(h *house) (out []fault) {
	for _, p := range h.pkgs {
		vars := map[string]bool{}
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, d := range f.ast.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == "init" {
						out = append(out, fault{"R4", h.at(f, d), "func init"})
					}
				case *ast.GenDecl:
					if d.Tok == token.VAR {
						for _, s := range d.Specs {
							for _, n := range s.(*ast.ValueSpec).Names {
								vars[n.Name] = true
							}
						}
					}
				}
			}
		}
		for _, f := range p.files {
			if !f.test {
				out = append(out, h.writes(f, vars)...)
			}
		}
	}
	return out
}

// writes finds assignments to package variables by name; a local of the same name is a local definition and passes.
func (h *house) writes(f *file, vars map[string]bool) (out []fault) {
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		local := map[string]bool{}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				for _, id := range n.Names {
					local[id.Name] = true
				}
			case *ast.ValueSpec:
				for _, id := range n.Names {
					local[id.Name] = true
				}
			case *ast.AssignStmt:
				for _, l := range n.Lhs {
					id := root(l)
					if id == nil {
						continue
					}
					if n.Tok == token.DEFINE {
						local[id.Name] = true
					} else if id.Name != "_" && vars[id.Name] && !local[id.Name] {
						out = append(out, fault{"R4", h.at(f, n), "package variable " + id.Name + " is changed"})
					}
				}
			case *ast.RangeStmt:
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if id, ok := e.(*ast.Ident); ok {
						local[id.Name] = true
					}
				}
			}
			return true
		})
	}
	return out
}

func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	}
	return nil
}

// sizes is R5: file ≤ 600 lines, function ≤ 80, ≤ 5 parameters besides ctx, interface ≤ 8 methods.
func sizes(h *house) (out []fault) {
	for _, p := range h.pkgs {
		for _, f := range p.files {
			if f.lines > 600 {
				out = append(out, fault{"R5", f.name, fmt.Sprintf("%d lines, at most 600", f.lines)})
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					lines := h.fset.Position(n.End()).Line - h.fset.Position(n.Pos()).Line + 1
					if lines > 80 && !f.test {
						out = append(out, fault{"R5", h.at(f, n), fmt.Sprintf("function %s has %d lines, at most 80", n.Name.Name, lines)})
					}
					if c := params(n.Type); c > 5 {
						out = append(out, fault{"R5", h.at(f, n), fmt.Sprintf("function %s takes %d parameters, at most 5 besides ctx", n.Name.Name, c)})
					}
				case *ast.TypeSpec:
					if i, ok := n.Type.(*ast.InterfaceType); ok && len(i.Methods.List) > 8 {
						out = append(out, fault{"R5", h.at(f, n), fmt.Sprintf("interface %s has %d methods, at most 8", n.Name.Name, len(i.Methods.List))})
					}
				}
				return true
			})
		}
	}
	return out
}

func params(t *ast.FuncType) (n int) {
	for _, p := range t.Params.List {
		if s, ok := p.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" {
			continue
		}
		n += max(1, len(p.Names))
	}
	return n
}
