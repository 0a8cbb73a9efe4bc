package condition

import (
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"

	"github.com/vigil-health/vigil"
)

// Model is the part of the language that an editor of boxes knows: groups of all and any, and comparisons of one thing
// with a number. Exactly one of All, Any and Fn is set.
type Model struct {
	All []Model `json:"all,omitempty"`
	Any []Model `json:"any,omitempty"`

	Fn     string       `json:"fn,omitempty"` // function or variable
	Metric vigil.Metric `json:"metric,omitempty"`
	Name   string       `json:"name,omitempty"`   // of a score, flag or programme
	Bound  *float64     `json:"bound,omitempty"`  // of counts and durations
	Window string       `json:"window,omitempty"` // "5m"
	Op     string       `json:"op,omitempty"`     // < <= > >= == != in; "" for yes-or-no things
	Value  *float64     `json:"value,omitempty"`
	Texts  []string     `json:"texts,omitempty"` // of unit, weekday, age_group
	Not    bool         `json:"not,omitempty"`   // of yes-or-no things
	Unit   string       `json:"unit,omitempty"`  // of the value, for people; set by ModelOf
}

// ModelOf reads an expression as a model, and false when it says more than a model can.
func ModelOf(text string) (Model, bool) {
	p, err := parser.NewParser(parser.MaxRecursionDepth(maxDepth), parser.ErrorRecoveryLimit(1), parser.ExpressionSizeCodePointLimit(maxText))
	if err != nil {
		return Model{}, false
	}
	tree, errs := p.Parse(common.NewTextSource(text))
	if errs != nil && len(errs.GetErrors()) > 0 {
		return Model{}, false
	}
	return model(tree.Expr())
}

func model(e ast.Expr) (Model, bool) {
	if e.Kind() != ast.CallKind {
		return Model{}, false
	}
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.LogicalAnd, operators.LogicalOr:
		return group(name, args)
	case operators.LogicalNot:
		m, ok := model(args[0])
		m.Not = !m.Not
		return m, ok && m.Op == "" && m.Fn != ""
	case operators.In:
		m, ok := leaf(args[0])
		if !ok || !isTextVariable(m.Fn) || args[1].Kind() != ast.ListKind {
			return m, false
		}
		for _, x := range args[1].AsList().Elements() {
			s, ok := literal(x).(types.String)
			if !ok {
				return m, false
			}
			m.Texts = append(m.Texts, string(s))
		}
		m.Op = "in"
		return m, len(m.Texts) > 0
	default:
		if sign, ok := operators.FindReverse(name); ok && len(args) == 2 && slices.Contains(signs(), sign) {
			return compared(sign, args[0], args[1])
		}
		m, ok := leaf(e)
		return m, ok && resultOf(m.Fn) == isTruth
	}
}

func signs() []string { return []string{"<", "<=", ">", ">=", "==", "!="} }

func group(name string, args []ast.Expr) (Model, bool) {
	var list []Model
	for _, a := range args {
		m, ok := model(a)
		if !ok {
			return Model{}, false
		}
		if inner := m.All; name == operators.LogicalAnd && inner != nil {
			list = append(list, inner...)
		} else if inner := m.Any; name == operators.LogicalOr && inner != nil {
			list = append(list, inner...)
		} else {
			list = append(list, m)
		}
	}
	if name == operators.LogicalAnd {
		return Model{All: list}, true
	}
	return Model{Any: list}, true
}

func compared(sign string, a, b ast.Expr) (Model, bool) {
	if a.Kind() == ast.LiteralKind && b.Kind() != ast.LiteralKind { // 5 <= x is x >= 5
		a, b = b, a
		sign = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}[sign]
	}
	m, ok := leaf(a)
	m.Op = sign
	if v, num := numberOf(b); ok && num && resultOf(m.Fn) == isNumber {
		m.Value, m.Unit = &v, unitOf(m)
		return m, true
	}
	s, text := literal(b).(types.String)
	m.Texts = []string{string(s)}
	return m, ok && text && isTextVariable(m.Fn) && (sign == "==" || sign == "!=")
}

func literal(e ast.Expr) any {
	if e.Kind() != ast.LiteralKind {
		return nil
	}
	return e.AsLiteral()
}

func numberOf(e ast.Expr) (float64, bool) {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Negate {
		v, ok := numberOf(e.AsCall().Args()[0])
		return -v, ok
	}
	switch v := literal(e).(type) {
	case types.Double:
		return float64(v), true
	case types.Int:
		return float64(v), true
	}
	return 0, false
}

// leaf reads a function of plain arguments, or a variable.
func leaf(e ast.Expr) (Model, bool) {
	if e.Kind() == ast.IdentKind {
		return Model{Fn: e.AsIdent()}, resultOf(e.AsIdent()) != ""
	}
	if e.Kind() != ast.CallKind || e.AsCall().IsMemberFunction() {
		return Model{}, false
	}
	call := e.AsCall()
	for _, f := range Functions() {
		if f.Name != call.FunctionName() || len(f.Args) != len(call.Args()) {
			continue
		}
		m := Model{Fn: f.Name}
		for i, kind := range f.Args {
			if !m.take(kind, call.Args()[i]) {
				return m, false
			}
		}
		return m, f.Name != "abs"
	}
	return Model{}, false
}

func (m *Model) take(kind ArgKind, e ast.Expr) bool {
	if kind == ArgNumber {
		v, ok := numberOf(e)
		m.Bound = &v
		return ok
	}
	s, ok := literal(e).(types.String)
	switch kind {
	case ArgMetric:
		m.Metric = vigil.Metric(s)
	case ArgWindow:
		m.Window = string(s)
	default:
		m.Name = string(s)
	}
	return ok
}

func resultOf(name string) string {
	for _, f := range Functions() {
		if f.Name == name {
			return f.Result
		}
	}
	for _, v := range Variables() {
		if v.Name == name {
			return v.Result
		}
	}
	return ""
}

func isTextVariable(name string) bool { return resultOf(name) == isText }

// CEL writes the model as an expression. Its Invalid error says what is missing; whether names are known, Compile says.
func (m Model) CEL() (string, error) { return m.cel(false) }

func (m Model) cel(inner bool) (string, error) {
	for sign, list := range map[string][]Model{" && ": m.All, " || ": m.Any} {
		if len(list) == 0 {
			continue
		}
		parts := make([]string, len(list))
		for i, x := range list {
			var err error
			if parts[i], err = x.cel(len(list) > 1); err != nil {
				return "", err
			}
		}
		if text := strings.Join(parts, sign); !inner || len(list) == 1 {
			return text, nil
		} else {
			return "(" + text + ")", nil
		}
	}
	text, err := m.subject()
	if err != nil {
		return "", err
	}
	switch {
	case m.Op == "" && m.Not:
		return "!" + text, nil
	case m.Op == "":
		return text, nil
	case m.Op == "in":
		quoted := make([]string, len(m.Texts))
		for i, t := range m.Texts {
			quoted[i] = strconv.Quote(t)
		}
		return text + " in [" + strings.Join(quoted, ", ") + "]", nil
	case !slices.Contains(signs(), m.Op):
		return "", vigil.Errorf(vigil.Invalid, "condition.model", "%q is no comparison", m.Op)
	case len(m.Texts) == 1:
		return text + " " + m.Op + " " + strconv.Quote(m.Texts[0]), nil
	case m.Value == nil:
		return "", vigil.Errorf(vigil.Invalid, "condition.model", "%s is compared with nothing", m.Fn)
	}
	return text + " " + m.Op + " " + plain(*m.Value), nil
}

// subject writes the function or variable.
func (m Model) subject() (string, error) {
	if resultOf(m.Fn) == "" {
		return "", vigil.Errorf(vigil.Invalid, "condition.model", "there is no function %q", m.Fn)
	}
	var def *Function
	for _, f := range Functions() {
		if f.Name == m.Fn && (m.Fn != "last" || (len(f.Args) == 2) == (m.Window != "")) {
			def = &f
			break
		}
	}
	if def == nil {
		return m.Fn, nil
	}
	args := make([]string, len(def.Args))
	for i, kind := range def.Args {
		switch kind {
		case ArgMetric:
			args[i] = strconv.Quote(string(m.Metric))
		case ArgWindow:
			args[i] = strconv.Quote(m.Window)
		case ArgNumber:
			if m.Bound == nil {
				return "", vigil.Errorf(vigil.Invalid, "condition.model", "%s needs a bound", m.Fn)
			}
			args[i] = plain(*m.Bound)
		default:
			args[i] = strconv.Quote(m.Name)
		}
	}
	return m.Fn + "(" + strings.Join(args, ", ") + ")", nil
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
