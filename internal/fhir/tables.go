package fhir

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// r4 is the table of FHIR R4 4.0.1, made by ./gen from the official definitions. One fact a line:
//
//	T type kind base                         R resource, A abstract resource, C datatype, B part of a type, P primitive
//	E element min[s] max type|type [value set]  an element of the type above; "@" names a part, ">" the reference targets
//	K key severity expression <tab> human    an invariant of the type or element above; e error, w warning
//	P type param kind path|path [target …]   a search parameter; each path ends in "=" and the type found there
//	M type param whole root kind:path …      a composite: see Param.Whole; the parts that belong together below root
//	C type param …                           the parameters that put a resource into a Patient's compartment
//	V name =system code … =system code …     a value set with a required binding
//
//go:embed r4.txt.gz
var r4 []byte

// element is one element of a type.
type element struct {
	name     string // as in the definition, without "[x]"
	choice   bool
	required bool
	summary  bool // part of the short form of its resource
	list     bool
	min, max int // max -1 is any number
	types    []typeRef
	bound    string // required binding: the name of its value set
	set      *ValueSet
	rules    []Rule
	member   Member
}

type typeRef struct {
	code    string   // "Quantity", or the path of a part: "Observation.component"
	targets []string // of a Reference; empty means any
}

// field is an element under one JSON name: a choice has one field a type.
type field struct {
	el  *element
	typ typeRef
}

type structure struct {
	name     string
	kind     byte // R, A, C, B or P
	baseName string
	base     *structure
	elements []*element
	fields   map[string]field
	members  map[string]*Member // by name in FHIRPath: "value" for value[x]
	rules    []Rule
	handle   *Type
}

// ParamKind is the type of a search parameter.
type ParamKind string

// The kinds of search parameter that are indexed.
const (
	ParamToken     ParamKind = "token"
	ParamString    ParamKind = "string"
	ParamReference ParamKind = "reference"
	ParamDate      ParamKind = "date"
	ParamQuantity  ParamKind = "quantity"
	ParamNumber    ParamKind = "number"
	ParamURI       ParamKind = "uri"
	ParamComposite ParamKind = "composite"
	ParamSpecial   ParamKind = "special" // Location.near
	// ParamText is no parameter's kind but that of rows for ":text": what people read beside a code.
	ParamText ParamKind = "text"
)

// Param is one search parameter of a resource type.
type Param struct {
	Type    string // resource type, "Resource" for those that every type has
	Name    string
	Kind    ParamKind
	Targets []string    // of a reference; empty means any
	Parts   []ParamKind // of a composite
	// Whole names the parameters of a composite that are asked of the resource itself, which it satisfies when it
	// satisfies each; nil when its parts belong together below an element only.
	Whole   []string
	key     string
	extract func(r Resource, found Found) // of a parameter that a site added
	paths   []path
	root    string // of a composite: the element whose parts belong together; "" for none
	parts   [][]path
}

// Key returns "Type.name", the name under which stores keep the parameter's rows.
func (p *Param) Key() string { return p.key }

type definitions struct {
	types        map[string]*structure
	resources    []string
	params       map[string]map[string]*Param
	sorted       map[string][]*Param
	compartments map[string][]string
	sets         map[string]*ValueSet
}

var tables = sync.OnceValue(func() *definitions { return load(r4) })

// ResourceTypes returns the names of every resource type in alphabetical order. The slice is shared: read only.
func ResourceTypes() []string { return tables().resources }

// KnownType reports whether name is a resource type of R4.
func KnownType(name string) bool {
	t := tables().types[name]
	return t != nil && t.kind == 'R'
}

// SearchParam returns the parameter of the resource type, or one that every type has ("_id").
func SearchParam(typ, name string) (*Param, bool) {
	if p, ok := tables().params[typ][name]; ok {
		return p, true
	}
	p, ok := tables().params["Resource"][name]
	return p, ok
}

// SearchParams returns the type's parameters in alphabetical order, first those that every type has; of "Resource" those
// that every type has. Read only.
func SearchParams(typ string) []*Param { return tables().sorted[typ] }

// CompartmentParams returns the reference parameters that put a resource of the type into a Patient's compartment.
func CompartmentParams(typ string) []string { return CompartmentOf("Patient", typ) }

func load(zipped []byte) *definitions {
	d := &definitions{types: map[string]*structure{}, params: map[string]map[string]*Param{}, sorted: map[string][]*Param{}, compartments: map[string][]string{}, sets: map[string]*ValueSet{}}
	zr, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		panic("fhir: the embedded table is damaged: " + err.Error()) // impossible: it is part of the program
	}
	var current *structure
	var el *element
	lines := bufio.NewScanner(zr)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch f[0] {
		case "T":
			current, el = &structure{name: f[1], kind: f[2][0], baseName: f[3], fields: map[string]field{}, members: map[string]*Member{}}, nil
			d.types[f[1]] = current
			if current.kind == 'R' {
				d.resources = append(d.resources, f[1])
			}
		case "E":
			el = current.add(f)
		case "K":
			if r := parseRule(lines.Text()); el != nil {
				el.rules = append(el.rules, r)
			} else {
				current.rules = append(current.rules, r)
			}
		case "P":
			d.addParam(f)
		case "M":
			d.addComposite(f)
		case "C":
			d.compartments[f[1]] = f[2:]
		case "V":
			d.sets[f[1]] = newValueSet(f[1], f[2:])
		}
	}
	d.put(&Param{Type: "Resource", Name: ParamNarrative, Kind: ParamString, extract: narrative})
	d.put(&Param{Type: "Resource", Name: ParamContent, Kind: ParamString, extract: func(Resource, Found) {}})
	slices.Sort(d.resources)
	d.sortParams()
	d.link()
	return d
}

func (s *structure) add(f []string) *element {
	least, summary := strings.CutSuffix(f[2], "s")
	el := &element{name: strings.TrimSuffix(f[1], "[x]"), required: least != "0", summary: summary, list: f[3] != "1" && f[3] != "0", max: -1}
	el.min, _ = strconv.Atoi(least)
	if f[3] != "*" {
		el.max, _ = strconv.Atoi(f[3])
	}
	if len(f) > 5 {
		el.bound = f[5]
	}
	el.choice = el.name != f[1]
	if len(f) > 4 {
		for t := range strings.SplitSeq(f[4], "|") {
			code, targets, _ := strings.Cut(strings.TrimPrefix(t, "@"), ">")
			ref := typeRef{code: code}
			if targets != "" {
				ref.targets = strings.Split(targets, ",")
			}
			el.types = append(el.types, ref)
		}
	}
	s.elements = append(s.elements, el)
	for _, t := range el.types {
		name := el.name
		if el.choice {
			name += upper(t.code)
		}
		s.fields[name] = field{el: el, typ: t}
	}
	return el
}

// upper returns a type's code as it stands in the JSON name of a choice.
func upper(code string) string { return strings.ToUpper(code[:1]) + code[1:] }

func (d *definitions) addParam(f []string) {
	d.put(&Param{Type: f[1], Name: f[2], Kind: ParamKind(f[3]), Targets: f[5:], paths: parsePaths(f[4])})
}

func (d *definitions) addComposite(f []string) {
	p := &Param{Type: f[1], Name: f[2], Kind: ParamComposite}
	if f[3] != "-" {
		p.Whole = strings.Split(f[3], ",")
	}
	if f[4] != "-" {
		p.root = f[4]
	}
	for _, part := range f[5:] {
		kind, paths, _ := strings.Cut(part, ":")
		p.Parts = append(p.Parts, ParamKind(kind))
		p.parts = append(p.parts, parsePaths(paths))
	}
	d.put(p)
}

func parsePaths(s string) (out []path) {
	for one := range strings.SplitSeq(s, "|") {
		out = append(out, parsePath(one))
	}
	return out
}

func (d *definitions) put(p *Param) {
	p.key = p.Type + "." + p.Name
	if d.params[p.Type] == nil {
		d.params[p.Type] = map[string]*Param{}
	}
	d.params[p.Type][p.Name] = p
}

func (d *definitions) sortParams() {
	byName := func(a, b *Param) int { return strings.Compare(a.Name, b.Name) }
	list := func(m map[string]*Param) []*Param {
		var out []*Param
		for _, p := range m {
			out = append(out, p)
		}
		slices.SortFunc(out, byName)
		return out
	}
	common := list(d.params["Resource"])
	d.sorted["Resource"] = common
	for _, typ := range d.resources {
		d.sorted[typ] = append(slices.Clone(common), list(d.params[typ])...)
	}
}
