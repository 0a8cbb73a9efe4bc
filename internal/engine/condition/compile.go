package condition

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
)

// What an expression may cost: all of it is evaluated for one value in the worst case.
const (
	maxText  = 4096
	maxNodes = 200
	maxDepth = 40
	maxViews = 256 // windows of all conditions of a program
	staleMin = 2 * time.Minute
)

// Fault is a defect of an expression. Line and column are counted from 1.
type Fault struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Msg    string `json:"message"`
}

// Vocabulary is what names are known besides the metric catalogue.
type Vocabulary struct {
	Scores []string
	Flags  map[string]string // nil: Flags()
}

// Compile reads, checks and plans an expression against a layout, which grows by what the expression reads. All faults
// are returned at once; with any the expression is nil.
func Compile(l *Layout, v Vocabulary, text string) (*Expr, []Fault) {
	c := &compiler{layout: l, vocabulary: v, expr: &Expr{Text: text}}
	if c.vocabulary.Flags == nil {
		c.vocabulary.Flags = Flags()
	}
	tree := c.parse(text)
	if tree == nil {
		return nil, c.sorted()
	}
	c.tree = tree
	root, ok := c.plan(tree.Expr()).(truthNode)
	if !ok && len(c.faults) == 0 {
		c.fault(tree.Expr().ID(), "a condition must be yes or no; compare it with a number")
	}
	if len(l.views) > maxViews {
		c.fault(tree.Expr().ID(), "the rules look at more than %d windows in all", maxViews)
	}
	if len(c.faults) > 0 {
		return nil, c.sorted()
	}
	c.expr.root = root
	return c.expr, nil
}

type compiler struct {
	layout     *Layout
	vocabulary Vocabulary
	expr       *Expr
	tree       *ast.AST
	faults     []Fault
}

func (c *compiler) sorted() []Fault {
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return slices.Compact(c.faults)
}

func (c *compiler) fault(id int64, format string, args ...any) {
	at := c.tree.SourceInfo().GetStartLocation(id)
	c.faults = append(c.faults, Fault{max(1, at.Line()), max(1, at.Column()+1), fmt.Sprintf(format, args...)})
}

// parse returns the checked tree. When only the types are wrong, the tree is planned all the same, for its other faults.
func (c *compiler) parse(text string) *ast.AST {
	if len(text) > maxText {
		c.faults = append(c.faults, Fault{1, 1, fmt.Sprintf("a condition is at most %d bytes long", maxText)})
		return nil
	}
	src := common.NewTextSource(text)
	p, err := parser.NewParser(parser.MaxRecursionDepth(maxDepth), parser.MaxExpressionNodeCount(maxNodes), parser.ErrorRecoveryLimit(8),
		parser.ErrorReportingLimit(20), parser.ExpressionSizeCodePointLimit(maxText))
	if err != nil {
		c.faults = append(c.faults, Fault{1, 1, err.Error()})
		return nil
	}
	tree, errs := p.Parse(src)
	if c.note(errs); len(c.faults) > 0 {
		return nil
	}
	if n := ast.NodeCount(tree); n > maxNodes {
		c.faults = append(c.faults, Fault{1, 1, fmt.Sprintf("the condition has %d parts, more than %d: make two rules of it", n, maxNodes)})
		return nil
	}
	numbers(tree)
	env, err := environment()
	if err != nil {
		c.faults = append(c.faults, Fault{1, 1, err.Error()})
		return nil
	}
	checked, errs := checker.Check(tree, src, env)
	c.note(errs)
	if len(c.faults) > 0 {
		return tree
	}
	return checked
}

func (c *compiler) note(errs *common.Errors) {
	if errs == nil {
		return
	}
	for _, e := range errs.GetErrors() {
		msg := strings.TrimPrefix(e.Message, "Syntax error: ")
		msg, _, _ = strings.Cut(msg, " (in container")
		c.faults = append(c.faults, Fault{max(1, e.Location.Line()), max(1, e.Location.Column()+1), msg})
	}
}

// numbers makes every whole number a double: rules have one kind of number, and 120 is as good as 120.0.
func numbers(tree *ast.AST) {
	fac := ast.NewExprFactory()
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.LiteralKind {
			return
		}
		switch v := e.AsLiteral().(type) {
		case types.Int:
			e.SetKindCase(fac.NewLiteral(e.ID(), types.Double(v)))
		case types.Uint:
			e.SetKindCase(fac.NewLiteral(e.ID(), types.Double(v)))
		}
	}))
}

// environment is CEL's type checker with our vocabulary.
func environment() (*checker.Env, error) {
	env, err := checker.NewEnv(containers.DefaultContainer, types.NewEmptyRegistry())
	if err != nil {
		return nil, err
	}
	funcs, vars, err := declarations()
	if err != nil {
		return nil, err
	}
	if err := env.AddIdents(vars...); err != nil {
		return nil, err
	}
	for _, f := range funcs {
		if err := env.AddFunctions(f); err != nil {
			return nil, err
		}
	}
	return env, nil
}

// plan turns an expression into a node, or notes why not. It returns nil where something below it has a fault.
func (c *compiler) plan(e ast.Expr) any {
	switch e.Kind() {
	case ast.LiteralKind:
		switch v := e.AsLiteral().(type) {
		case types.Double:
			return number(v)
		case types.String:
			return word(v)
		case types.Bool:
			return answer(truthOf(bool(v)))
		}
	case ast.IdentKind:
		name := e.AsIdent()
		for _, v := range Variables() {
			if v.Name == name {
				c.expr.Timed = c.expr.Timed || name == "hour" || name == "weekday" || name == "postop_day"
				return fact(name)
			}
		}
		return nil // the type checker has said so
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			c.fault(e.ID(), "%s is not part of the language of rules", call.FunctionName())
			return nil
		}
		if strings.ContainsAny(call.FunctionName(), "_@!") && operatorOf(call.FunctionName()) {
			return c.operator(call)
		}
		return c.function(e, call)
	}
	c.fault(e.ID(), "this is not part of the language of rules")
	return nil
}

func operatorOf(name string) bool {
	_, ok := operators.FindReverse(name)
	return ok || name == operators.Conditional || name == operators.In
}

func (c *compiler) operator(call ast.CallExpr) any {
	args := call.Args()
	if call.FunctionName() == operators.In && len(args) == 2 {
		return c.among(args[0], args[1])
	}
	var nodes []any
	for _, a := range args {
		nodes = append(nodes, c.plan(a))
	}
	if slices.Contains(nodes, nil) || len(nodes) == 0 {
		return nil
	}
	if op, ok := comparisonOf(call.FunctionName()); ok && len(nodes) == 2 {
		return comparison(op, nodes[0], nodes[1])
	}
	if len(nodes) == 2 {
		if sign, ok := signOf(call.FunctionName()); ok {
			a, okA := nodes[0].(numNode)
			b, okB := nodes[1].(numNode)
			if okA && okB {
				return arithmetic{sign, a, b}
			}
			return nil
		}
	}
	return logic(call.FunctionName(), nodes)
}

func comparisonOf(name string) (op, bool) {
	i := slices.Index([]string{operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.Equals, operators.NotEquals}, name)
	return op(max(i, 0)), i >= 0
}

func signOf(name string) (byte, bool) {
	i := slices.Index([]string{operators.Add, operators.Subtract, operators.Multiply, operators.Divide}, name)
	return "+-*/"[max(i, 0)], i >= 0
}

func comparison(o op, a, b any) any {
	if ta, ok := a.(textNode); ok {
		if tb, ok := b.(textNode); ok && (o == equal || o == unequal) {
			if _, num := a.(fact); !num || a.(fact).isText() {
				return compareText{ta, tb, o == equal}
			}
		}
	}
	na, okA := a.(numNode)
	nb, okB := b.(numNode)
	if !okA || !okB {
		return nil
	}
	if s, ok := a.(scoreTotal); ok && !s.known && (o == greater || o == atLeast) {
		return compareScore{o, s.score, nb}
	}
	if s, ok := b.(scoreTotal); ok && !s.known && (o == less || o == atMost) {
		return compareScore{o + 2, s.score, na} // 5 <= score is score >= 5
	}
	return compare{o, na, nb}
}

func (f fact) isText() bool { return f == "weekday" || f == "unit" || f == "age_group" }

func logic(name string, nodes []any) any {
	truths := make([]truthNode, len(nodes))
	for i, n := range nodes {
		truths[i], _ = n.(truthNode)
	}
	switch {
	case name == operators.LogicalNot && len(nodes) == 1 && truths[0] != nil:
		return not{truths[0]}
	case name == operators.Negate && len(nodes) == 1:
		if n, ok := nodes[0].(number); ok {
			return -n
		}
		if n, ok := nodes[0].(numNode); ok {
			return arithmetic{'-', number(0), n}
		}
	case name == operators.LogicalAnd && len(nodes) == 2 && truths[0] != nil && truths[1] != nil:
		return and{truths[0], truths[1]}
	case name == operators.LogicalOr && len(nodes) == 2 && truths[0] != nil && truths[1] != nil:
		return or{truths[0], truths[1]}
	case name == operators.Conditional && len(nodes) == 3 && truths[0] != nil:
		if truths[1] != nil && truths[2] != nil {
			return chooseTruth{truths[0], truths[1], truths[2]}
		}
		a, okA := nodes[1].(numNode)
		b, okB := nodes[2].(numNode)
		if okA && okB {
			return chooseNum{truths[0], a, b}
		}
	}
	return nil
}

func (c *compiler) among(item, list ast.Expr) any {
	what, _ := c.plan(item).(textNode)
	if list.Kind() != ast.ListKind {
		c.fault(list.ID(), "write the list out: [\"a\", \"b\"]")
		return nil
	}
	out := among{a: what}
	for _, e := range list.AsList().Elements() {
		w, ok := c.plan(e).(word)
		if !ok {
			c.fault(e.ID(), "the list may hold texts only")
			return nil
		}
		out.list = append(out.list, string(w))
	}
	if what == nil {
		return nil
	}
	return out
}

// args is the arguments of a call once they are checked.
type args struct {
	slot   int
	metric vigil.Metric
	window int64
	number numNode
	score  int
	name   string
}

// function checks the arguments of a call, each with its own place, and plans it.
func (c *compiler) function(e ast.Expr, call ast.CallExpr) any {
	var def *Function
	for _, f := range Functions() {
		if f.Name == call.FunctionName() && len(f.Args) == len(call.Args()) {
			def = &f
			break
		}
	}
	if def == nil {
		return nil // the type checker has said so
	}
	a, ok := args{score: -1, slot: -1}, true
	for i, kind := range def.Args {
		ok = c.argument(&a, kind, call.Args()[i]) && ok
	}
	if !ok {
		return nil
	}
	if a.slot >= 0 && !slices.Contains(c.expr.Metrics, a.slot) {
		c.expr.Metrics = append(c.expr.Metrics, a.slot)
	}
	if a.score >= 0 && !slices.Contains(c.expr.Scores, a.score) {
		c.expr.Scores = append(c.expr.Scores, a.score)
	}
	return c.call(e, def.Name, a)
}

func (c *compiler) argument(a *args, kind ArgKind, e ast.Expr) bool {
	if kind == ArgNumber {
		n, ok := c.plan(e).(numNode)
		a.number = n
		return ok
	}
	text, ok := "", false
	if e.Kind() == ast.LiteralKind {
		var s types.String
		s, ok = e.AsLiteral().(types.String)
		text = string(s)
	}
	if !ok {
		c.fault(e.ID(), "name the %s in quotes", kind)
		return false
	}
	switch kind {
	case ArgMetric:
		a.metric = vigil.Metric(text)
		m, ok := coding.Lookup(a.metric)
		if !ok || m.Shape != coding.Numeric {
			c.fault(e.ID(), "no metric %q%s", text, nearest(text, metricKeys()))
			return false
		}
		a.slot = c.layout.slot(a.metric)
	case ArgWindow:
		d, err := catalog.ParseSpan(text)
		if err != nil || int64(d) < minWindow || int64(d) > maxWindow {
			c.fault(e.ID(), "the window %q must be from 1s to 24h", text)
			return false
		}
		a.window = int64(d)
	case ArgScore:
		if !slices.Contains(c.vocabulary.Scores, text) {
			c.fault(e.ID(), "no score %q%s", text, nearest(text, c.vocabulary.Scores))
			return false
		}
		a.score = c.layout.score(text)
	case ArgFlag:
		if _, ok := c.vocabulary.Flags[text]; !ok {
			c.fault(e.ID(), "no flag %q%s", text, nearest(text, slices.Sorted(maps.Keys(c.vocabulary.Flags))))
			return false
		}
		a.name = text
	case ArgProgramme:
		a.name = text
	}
	return true
}

// call plans a function whose arguments are sound.
func (c *compiler) call(e ast.Expr, name string, a args) any {
	stale := int64(Stale(a.metric))
	windowed := func(kind viewKind, least int) any {
		v := c.layout.view(a.slot, viewDef{window: a.window, kind: kind})
		return windowed{fn: name, view: v, window: a.window, stale: max(stale, 0), least: least}
	}
	switch name {
	case "last":
		if a.window > 0 {
			stale = a.window
		}
		return last{a.slot, stale}
	case "age":
		c.expr.Timed = true
		return age{a.slot}
	case "missing":
		c.expr.Timed = true
		return missing{a.slot, a.window}
	case "mean":
		return windowed(moments, 1)
	case "slope":
		return windowed(moments, 2)
	case "min":
		return windowed(lowest, 1)
	case "max":
		return windowed(highest, 1)
	case "delta", "rate":
		return windowed(edges, 2)
	case "score":
		return scoreTotal{a.score, false}
	case "score_known":
		return scoreTotal{a.score, true}
	case "flag":
		return flag(a.name)
	case "programme":
		return programme(a.name)
	case "abs":
		return magnitude{a.number}
	}
	bound, ok := a.number.(number)
	if !ok {
		c.fault(e.AsCall().Args()[1].ID(), "the bound of %s must be a number", name)
		return nil
	}
	v := c.layout.view(a.slot, viewDef{window: a.window, kind: counting, over: strings.HasSuffix(name, "over"), bound: float64(bound), hold: stale})
	c.expr.Timed = c.expr.Timed || strings.HasPrefix(name, "duration")
	return counted{view: v, time: strings.HasPrefix(name, "duration"), stale: stale}
}

// Stale is how old the newest value of a metric may be before conditions count it as unknown: three times what the
// catalogue calls live, and at least two minutes.
func Stale(m vigil.Metric) time.Duration {
	def, _ := coding.Lookup(m)
	return max(staleMin, 3*def.MaxAge)
}

func metricKeys() []string {
	var out []string
	for _, m := range coding.Metrics() {
		if m.Shape == coding.Numeric {
			out = append(out, string(m.Key))
		}
	}
	return out
}

// nearest proposes the name that is most like what was written.
func nearest(text string, names []string) string {
	best, least := "", len(text)/2+1
	for _, n := range names {
		if d := distance(text, n); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean \"" + best + "\"?"
}

// distance is how many letters must be changed, left out or put in (Levenshtein 1966).
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
