package record

import (
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

func clauseKey(p *fhir.Param) string {
	if p.Type == "Resource" && (p.Name == ParamID || p.Name == ParamLastUpdated) {
		return p.Name
	}
	return p.Key()
}

// maxChain bounds how many references one parameter follows.
const maxChain = 8

// reader reads search parameters. Scope gives the compartment that bounds what the principal may ask of a type, or an
// error; nil sets no bound. Terms may be nil.
type reader struct {
	scope func(typ string) (patient string, err error)
	terms func(prm *fhir.Param, modifier, value string) ([]Match, error)

	params *fhir.Params // nil for those of R4 alone
}

func (r *reader) param(typ, name string) (*fhir.Param, bool) {
	if r.params == nil {
		return fhir.SearchParam(typ, name)
	}
	return r.params.Lookup(typ, name)
}

func (r *reader) clause(typ, key, value string, depth int) (Clause, error) {
	if depth > maxChain {
		return Clause{}, invalid("follows more than %d references", maxChain)
	}
	switch {
	case key == "_filter":
		return r.filter(typ, value, depth)
	case key == "_list":
		return r.list(typ, value)
	case strings.HasPrefix(key, "_has:"):
		return r.has(typ, key, value, depth)
	}
	head, rest, chained := strings.Cut(key, ".")
	name, modifier, _ := strings.Cut(head, ":")
	prm, ok := r.param(typ, name)
	if !ok {
		return Clause{}, invalid("%q is not a search parameter of %s: %w", name, typ, errUnknown)
	}
	if prm.Type == "Resource" && modifier == "" && (name == fhir.ParamNarrative || name == fhir.ParamContent) {
		return fullText(prm, value)
	}
	if chained {
		return r.chain(prm, modifier, rest, value, depth)
	}
	return r.plain(prm, modifier, value)
}

// fullText asks for a text that has every word: of a narrative each begins one of its words, of the content it stands somewhere.
func fullText(prm *fhir.Param, value string) (Clause, error) {
	words := fhir.Words(Fold(value))
	if len(words) == 0 || len(words) > maxMatches {
		return Clause{}, invalid("a text of 1 to %d words is looked for", maxMatches)
	}
	c := Clause{}
	for _, w := range words {
		m := Match{Op: OpStarts, Value: fhir.Value{Kind: fhir.ParamString, Text: w}}
		if prm.Name == fhir.ParamContent {
			m.Op = OpContains
		}
		c.All = append(c.All, Clause{Param: clauseKey(prm), Kind: fhir.ParamString, Any: []Match{m}})
	}
	return c, nil
}

func (r *reader) plain(prm *fhir.Param, modifier, value string) (Clause, error) {
	c := Clause{Param: clauseKey(prm), Kind: prm.Kind}
	switch {
	case modifier == "missing":
		missing, err := strconv.ParseBool(value)
		if err != nil {
			return c, invalid("%q is neither true nor false", value)
		}
		c.Missing = &missing
		return c, nil
	case prm.Kind == fhir.ParamComposite:
		return r.composite(prm, modifier, value)
	case prm.Kind == fhir.ParamReference && modifier == "identifier":
		c.Param, c.Kind = c.Param+fhir.SuffixIdentifier, fhir.ParamToken
		return c, c.tokens(value)
	case prm.Kind == fhir.ParamToken && modifier == "of-type":
		return c.ofType(value)
	case prm.Kind == fhir.ParamToken && modifier == "text":
		c.Param, c.Kind = c.Param+fhir.SuffixText, fhir.ParamText
		for _, item := range splitValues(value) {
			if Fold(item) == "" {
				return c, invalid("the value is empty")
			}
			c.Any = append(c.Any, Match{Op: OpWords, Value: fhir.Value{Kind: fhir.ParamText, Text: item}})
		}
		return c, nil
	case prm.Kind == fhir.ParamToken && (modifier == "in" || modifier == "not-in" || modifier == "above" || modifier == "below"):
		if r.terms == nil {
			return c, noModifier(modifier, prm.Kind)
		}
		var err error
		c.Not = modifier == "not-in"
		c.Any, err = r.terms(prm, modifier, value)
		return c, err
	}
	if c.Not = modifier == "not"; c.Not && prm.Kind != fhir.ParamToken {
		return c, noModifier(modifier, prm.Kind)
	}
	for _, item := range splitValues(value) {
		m, err := parseMatch(prm, modifier, item)
		if err != nil {
			return c, err
		}
		c.Any = append(c.Any, m)
	}
	if prm.Kind == fhir.ParamQuantity {
		c.Any = inOtherUnits(c.Any)
	}
	if len(c.Any) > maxMatches {
		return c, invalid("more than %d values", maxMatches)
	}
	return c, nil
}

// tokens reads values that compare as a token with a system.
func (c *Clause) tokens(value string) error {
	prm := &fhir.Param{Kind: fhir.ParamToken}
	for _, item := range splitValues(value) {
		m := Match{Op: OpEq, Value: fhir.Value{Kind: fhir.ParamToken}}
		if err := m.token(prm, "", item); err != nil {
			return err
		}
		c.Any = append(c.Any, m)
	}
	return nil
}

// ofType reads "system|type code|value" of an identifier.
func (c Clause) ofType(value string) (Clause, error) {
	c.Param += fhir.SuffixOfType
	for _, item := range splitValues(value) {
		parts := splitPipes(item)
		if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
			return c, invalid("%q is not system|type code|value", item)
		}
		c.Any = append(c.Any, Match{Op: OpEq, HasSystem: parts[0] != "", Value: fhir.Value{Kind: fhir.ParamToken, System: parts[0], Code: parts[1] + "|" + parts[2]}})
	}
	return c, nil
}

// composite reads "a$b": asked of the resource's own parameters where those make it up, and of the elements whose parts
// belong together.
func (r *reader) composite(prm *fhir.Param, modifier, value string) (Clause, error) {
	c := Clause{Param: prm.Key(), Kind: fhir.ParamComposite}
	if modifier != "" {
		return c, noModifier(modifier, prm.Kind)
	}
	var whole []Clause
	for _, item := range splitValues(value) {
		parts := strings.Split(item, "$")
		if len(parts) != len(prm.Parts) {
			return c, invalid("%q does not have %d parts with a $ between them", item, len(prm.Parts))
		}
		m := Match{Op: OpEq, Value: fhir.Value{Kind: fhir.ParamComposite}}
		for i, part := range parts {
			one, err := parseMatch(&fhir.Param{Kind: prm.Parts[i]}, "", part)
			if err != nil {
				return c, err
			}
			m.With = append(m.With, one)
		}
		c.Any = append(c.Any, m)
		if prm.Whole != nil {
			all := Clause{}
			for i, name := range prm.Whole {
				one, err := r.clause(prm.Type, name, escaped(parts[i]), 0)
				if err != nil {
					return c, err
				}
				all.All = append(all.All, one)
			}
			whole = append(whole, all)
		}
	}
	if prm.Whole == nil {
		return c, nil
	}
	if prm.Below() {
		whole = append(whole, c)
	}
	return Clause{Or: whole}, nil
}

// escaped puts back the escapes that splitValues took off.
func escaped(s string) string { return strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(s) }

// chain follows a reference: "subject:Patient.name".
func (r *reader) chain(prm *fhir.Param, modifier, rest, value string, depth int) (Clause, error) {
	if prm.Kind != fhir.ParamReference {
		return Clause{}, invalid("%q is a %s and leads nowhere: only references can be followed", prm.Name, prm.Kind)
	}
	c := Clause{Param: clauseKey(prm), Kind: fhir.ParamReference}
	types := prm.Targets
	if modifier != "" {
		if !fhir.KnownType(modifier) {
			return c, invalid("%q is not a resource type", modifier)
		}
		types = []string{modifier}
	}
	if len(types) == 0 {
		types = fhir.ResourceTypes()
	}
	var first error
	for _, typ := range types {
		sub, err := r.clause(typ, rest, value, depth+1)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		scope, err := r.scoped(typ, sub)
		if err != nil {
			return c, err
		}
		c.Chain = append(c.Chain, scope)
	}
	if len(c.Chain) == 0 {
		return c, first
	}
	return c, nil
}

func (r *reader) scoped(typ string, where ...Clause) (Scope, error) {
	s := Scope{Type: typ, Where: where}
	if r.scope == nil {
		return s, nil
	}
	var err error
	s.Patient, err = r.scope(typ)
	return s, err
}

// has reads "_has:Type:reference:parameter".
func (r *reader) has(typ, key, value string, depth int) (Clause, error) {
	parts := strings.SplitN(key, ":", 4)
	if len(parts) != 4 || !fhir.KnownType(parts[1]) {
		return Clause{}, invalid("%q is not _has:Type:reference parameter:parameter", key)
	}
	prm, ok := r.param(parts[1], parts[2])
	if !ok || prm.Kind != fhir.ParamReference {
		return Clause{}, invalid("%q is not a reference parameter of %s", parts[2], parts[1])
	}
	sub, err := r.clause(parts[1], parts[3], value, depth+1)
	if err != nil {
		return Clause{}, err
	}
	scope, err := r.scoped(parts[1], sub)
	return Clause{Has: &Has{Param: prm.Key(), Scope: scope}}, err
}

// list finds what a List names.
func (r *reader) list(typ, value string) (Clause, error) {
	c := Clause{Param: ParamID, Kind: fhir.ParamToken}
	for _, id := range splitValues(value) {
		if id = strings.TrimPrefix(id, "List/"); !fhir.ValidID(id) {
			return c, invalid("%q is not the id of a List", id)
		}
		c.Any = append(c.Any, Match{Op: OpEq, Value: fhir.Value{Kind: fhir.ParamToken, Code: id}})
	}
	scope, err := r.scoped("List", c)
	return Clause{Has: &Has{Param: "List.item", Scope: scope}}, err
}

// splitValues splits at commas that are not escaped and takes the escapes off, but for "\|".
func splitValues(s string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] != '|':
			i++
			b.WriteByte(s[i])
		case s[i] == ',':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(out, b.String())
}

// splitPipes splits at "|" that is not escaped.
func splitPipes(s string) []string {
	parts := strings.Split(strings.ReplaceAll(s, `\|`, "\x00"), "|")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "\x00", "|")
	}
	return parts
}

func parseMatch(prm *fhir.Param, modifier, s string) (Match, error) {
	if s == "" {
		return Match{}, invalid("the value is empty")
	}
	m := Match{Op: OpEq, Value: fhir.Value{Kind: prm.Kind}}
	switch prm.Kind {
	case fhir.ParamToken:
		return m, m.token(prm, modifier, s)
	case fhir.ParamString:
		ops := map[string]Op{"": OpStarts, "exact": OpExact, "contains": OpContains, "ends": OpEnds}
		m.Op, m.Text = ops[modifier], s
		if m.Op == "" {
			return m, noModifier(modifier, prm.Kind)
		}
		if m.Op != OpExact && Fold(s) == "" {
			return m, invalid("the value is empty")
		}
		return m, nil
	case fhir.ParamSpecial:
		return m, m.near(s)
	case fhir.ParamURI:
		switch m.Text = s; {
		case modifier == "below":
			m.Op = OpBelow
		case modifier == "above":
			m.Op = OpAbove
		case modifier != "":
			return m, noModifier(modifier, prm.Kind)
		}
		return m, nil
	case fhir.ParamReference:
		return m, m.reference(prm, modifier, s)
	}
	if modifier != "" {
		return m, noModifier(modifier, prm.Kind)
	}
	if prm.Kind == fhir.ParamDate {
		var ok bool
		m.Op, s = cutPrefix(s)
		if m.Low, m.High, ok = fhir.DateRange(strings.ReplaceAll(s, " ", "+")); !ok {
			return m, invalid("%q is not a date like 2026-03, 2026-03-09 or 2026-03-09T10:00:00Z with a prefix eq, ne, gt, lt, ge, le, sa, eb or ap", s)
		}
		return m, nil
	}
	return m, m.number(s)
}

func noModifier(modifier string, kind fhir.ParamKind) error {
	return invalid("modifier :%s of a %s is %w", modifier, kind, errUnknown)
}

func (m *Match) token(prm *fhir.Param, modifier, s string) error {
	if modifier != "" && modifier != "not" {
		return noModifier(modifier, prm.Kind)
	}
	parts := splitPipes(s)
	switch {
	case len(parts) == 1:
		m.Code = parts[0]
		return nil
	case len(parts) > 2:
		return invalid("%q is not a code, system|code, |code or system|", s)
	}
	m.System, m.Code, m.HasSystem = parts[0], parts[1], true
	if prm.PlainCode() { // a code element's system is implied by its binding and not in the document
		m.System, m.HasSystem = "", false
	}
	if m.Code == "" {
		if m.System == "" {
			return invalid("%q names neither a system nor a code", s)
		}
		m.Op = OpSystemOnly
	}
	return nil
}

func (m *Match) reference(prm *fhir.Param, modifier, s string) error {
	if modifier != "" {
		if !fhir.KnownType(modifier) {
			return noModifier(modifier, fhir.ParamReference)
		}
		m.Type, m.ID = modifier, strings.TrimPrefix(s, modifier+"/")
		return nil
	}
	ref := fhir.ParseReference(s)
	if m.Type, m.ID = ref.Type, ref.ID; m.ID == "" {
		return invalid("%q is not a reference", s)
	}
	if m.Type == "" && len(prm.Targets) == 1 && fhir.ValidID(m.ID) {
		m.Type = prm.Targets[0]
	}
	return nil
}

var prefixes = [...]Op{OpEq, OpNe, OpGt, OpLt, OpGe, OpLe, OpSa, OpEb, OpAp}

func cutPrefix(s string) (Op, string) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(s, string(p)); ok {
			return p, rest
		}
	}
	return OpEq, s
}
