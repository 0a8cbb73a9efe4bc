package record

import (
	"errors"
	"math"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// maxMatches bounds the values of one parameter, maxClauses the parameters of one search.
const (
	maxMatches = 200
	maxClauses = 50
)

// parseSearch reads FHIR search parameters into a plan. All faults are named at once.
func parseSearch(typ string, params url.Values) (*plan, error) {
	p := &plan{query: Query{Type: typ, Limit: defaultCount, Total: countUpTo}}
	var faults []vigil.Fault
	keys := make([]string, 0, len(params))
	for k := range params {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, key := range keys {
		for _, value := range params[key] {
			if err := p.add(typ, key, value); err != nil {
				faults = append(faults, vigil.Fault{Path: key, Msg: vigil.Message(err)})
			}
		}
	}
	if len(p.query.Where) > maxClauses {
		faults = append(faults, vigil.Fault{Path: typ, Msg: "more than 50 parameters in one search"})
	}
	if c := params.Get("_cursor"); c != "" && len(faults) == 0 {
		var err error
		if p.query.After, err = readCursor(c, len(p.query.Sort)); err != nil {
			faults = append(faults, vigil.Fault{Path: "_cursor", Msg: vigil.Message(err)})
		}
	}
	if len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, "record.search", "%s: %s", faults[0].Path, faults[0].Msg)
		err.Faults = faults
		return nil, err
	}
	return p, nil
}

func (p *plan) add(typ, key, value string) (err error) {
	switch key {
	case "_cursor", "_format", "_pretty", "_elements":
		return nil
	case "_count":
		p.query.Limit, err = parseCount(value)
		return err
	case "_summary":
		if !slices.Contains([]string{"true", "text", "data", "count", "false"}, value) {
			return invalid("%q is not one of true, text, data, count, false", value)
		}
		if value == "count" {
			p.query.Limit = 0
		}
		return nil
	case "_total":
		switch value {
		case "none":
			p.query.Total = 0
		case "accurate":
			p.query.Total = -1
		case "estimate":
		default:
			return invalid("%q is not one of none, estimate, accurate", value)
		}
		return nil
	case "_sort":
		return p.addSort(typ, value)
	case "_include":
		return p.addInclude(typ, value)
	}
	c, err := parseClause(typ, key, value)
	if err == nil {
		p.query.Where = append(p.query.Where, c)
	}
	return err
}

// errUnknown marks a parameter or modifier that the server does not support; a lenient client may go without it.
var errUnknown = errors.New("not supported")

// UnknownParams returns the names of the search parameters that Search would refuse as not supported.
func UnknownParams(typ string, params url.Values) []string {
	var out []string
	for key, values := range params {
		p := &plan{}
		if len(values) > 0 && errors.Is(p.add(typ, key, values[0]), errUnknown) {
			out = append(out, key)
		}
	}
	sort.Strings(out)
	return out
}

func invalid(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "record.search", format, args...)
}

func (p *plan) addSort(typ, value string) error {
	for part := range strings.SplitSeq(value, ",") {
		name, desc := strings.CutPrefix(part, "-")
		prm, ok := fhir.SearchParam(typ, name)
		if !ok {
			return invalid("cannot sort by %q: not a search parameter of %s", name, typ)
		}
		switch prm.Kind {
		case fhir.ParamDate, fhir.ParamString, fhir.ParamToken, fhir.ParamNumber, fhir.ParamQuantity, fhir.ParamURI:
		default:
			return invalid("cannot sort by %q: sorting by a %s is not supported", name, prm.Kind)
		}
		p.query.Sort = append(p.query.Sort, Sort{Param: clauseKey(prm), Kind: prm.Kind, Desc: desc})
	}
	if len(p.query.Sort) > 4 {
		return invalid("more than four keys to sort by")
	}
	return nil
}

func (p *plan) addInclude(typ, value string) error {
	parts := strings.Split(value, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != typ {
		return invalid("%q is not %s:parameter or %s:parameter:Type", value, typ, typ)
	}
	prm, ok := fhir.SearchParam(typ, parts[1])
	if !ok || prm.Kind != fhir.ParamReference {
		return invalid("%q is not a reference parameter of %s", parts[1], typ)
	}
	inc := include{param: prm}
	if len(parts) == 3 {
		inc.target = parts[2]
	}
	p.includes = append(p.includes, inc)
	return nil
}

func clauseKey(p *fhir.Param) string {
	if p.Type == "Resource" && (p.Name == ParamID || p.Name == ParamLastUpdated) {
		return p.Name
	}
	return p.Key()
}

func parseClause(typ, key, value string) (Clause, error) {
	name, modifier, _ := strings.Cut(key, ":")
	prm, ok := fhir.SearchParam(typ, name)
	if !ok {
		return Clause{}, invalid("%q is not a search parameter of %s: %w", name, typ, errUnknown)
	}
	c := Clause{Param: clauseKey(prm), Kind: prm.Kind}
	if modifier == "missing" {
		missing, err := strconv.ParseBool(value)
		if err != nil {
			return c, invalid("%q is neither true nor false", value)
		}
		c.Missing = &missing
		return c, nil
	}
	for _, item := range splitValues(value) {
		m, err := parseMatch(prm, modifier, item)
		if err != nil {
			return c, err
		}
		c.Any = append(c.Any, m)
	}
	if len(c.Any) > maxMatches {
		return c, invalid("more than %d values", maxMatches)
	}
	if c.Not = modifier == "not"; c.Not && prm.Kind != fhir.ParamToken {
		return c, invalid("modifier :not is for tokens")
	}
	return c, nil
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
		ops := map[string]Op{"": OpStarts, "exact": OpExact, "contains": OpContains}
		m.Op, m.Text = ops[modifier], s
		if m.Op == "" {
			return m, noModifier(modifier, prm.Kind)
		}
		if m.Op != OpExact && Fold(s) == "" {
			return m, invalid("the value is empty")
		}
		return m, nil
	case fhir.ParamURI:
		if m.Text = s; modifier == "below" {
			m.Op = OpBelow
		} else if modifier != "" {
			return m, noModifier(modifier, prm.Kind)
		}
		return m, nil
	case fhir.ParamReference:
		return m, m.reference(modifier, s)
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

func (m *Match) reference(modifier, s string) error {
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

// number reads [prefix]number[|system|code]; the range [Min, Max) is what the written precision implies (FHIR R4 3.1.1.5.4).
func (m *Match) number(s string) error {
	m.Op, s = cutPrefix(s)
	parts := splitPipes(s)
	f, err := strconv.ParseFloat(parts[0], 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(parts[0], "xXpP_") {
		return invalid("%q is not a number", parts[0])
	}
	half := halfStep(parts[0])
	m.Min, m.Max = f-half, f+half
	switch {
	case len(parts) == 1:
	case len(parts) == 3 && m.Kind == fhir.ParamQuantity:
		m.System, m.Code, m.HasSystem = parts[1], parts[2], parts[1] != ""
	default:
		return invalid("%q is not number|system|code", s)
	}
	return nil
}

// halfStep returns half of the last written digit's place: 0.005 for 5.40, 0.5 for 100.
func halfStep(s string) float64 {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	places := 0
	if _, frac, ok := strings.Cut(mantissa, "."); ok {
		places = len(frac)
	}
	exp, err := strconv.Atoi(exponent)
	if err != nil && exponent != "" && !errors.Is(err, strconv.ErrSyntax) {
		exp = 0
	}
	return 0.5 * math.Pow(10, float64(exp-places))
}
