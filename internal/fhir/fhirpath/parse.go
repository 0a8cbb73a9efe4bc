package fhirpath

import (
	"slices"
	"strings"
)

type nodeKind uint8

const (
	nodeLiteral  nodeKind = iota
	nodeEmpty             // {}
	nodeMember            // name
	nodeCall              // name(args)
	nodeVariable          // %name
	nodeThis
	nodeIndex // $index
	nodeTotal // $total
	nodeDot   // args[0].args[1]
	nodeItem  // args[0][args[1]]
	nodeUnary
	nodeBinary
	nodeType // args[0] is name, args[0] as name
)

// node is one node of the syntax tree.
type node struct {
	kind   nodeKind
	name   string // of a member, call, variable; the operator; for nodeType "is" or "as"
	typ    string // nodeType: the type's name as written
	quoted bool
	value  Value // of a literal
	args   []*node
	pos    int
}

func (n *node) walk(f func(*node)) {
	f(n)
	for _, a := range n.args {
		a.walk(f)
	}
}

const (
	maxNesting = 200      // of brackets and operators
	maxSource  = 64 << 10 // bytes of an expression
)

// parser is a Pratt parser: the binding powers of FHIRPath 2.0, chapter "Operator Precedence".
type parser struct {
	lex   lexer
	tok   token
	depth int
}

// power returns the binding power of an infix operator, 0 for everything else.
func power(t token) int {
	if t.quoted || t.kind != tokSymbol && t.kind != tokIdent {
		return 0
	}
	switch t.text {
	case "implies":
		return 1
	case "or", "xor":
		return 2
	case "and":
		return 3
	case "in", "contains":
		return 4
	case "=", "~", "!=", "!~":
		return 5
	case "<", ">", "<=", ">=":
		return 6
	case "|":
		return 7
	case "is", "as":
		return 8
	case "+", "-", "&":
		return 9
	case "*", "/", "div", "mod":
		return 10
	case ".", "[":
		return 12
	}
	return 0
}

const unaryPower = 11

// parse reads a whole expression.
func parse(src string) (*node, error) {
	if len(src) > maxSource {
		return nil, syntax(0, "the expression is longer than 64 KiB")
	}
	p := &parser{lex: lexer{src: src}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, syntax(p.tok.pos, "%q is not expected here", p.tok.text)
	}
	return n, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) is(symbol string) bool { return p.tok.kind == tokSymbol && p.tok.text == symbol }

func (p *parser) expect(symbol string) error {
	if !p.is(symbol) {
		if p.tok.kind == tokEnd {
			return syntax(p.tok.pos, "%q is missing at the end", symbol)
		}
		return syntax(p.tok.pos, "%q stands where %q is expected", p.tok.text, symbol)
	}
	return p.advance()
}

func (p *parser) expression(least int) (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, syntax(p.tok.pos, "the expression is nested deeper than %d levels", maxNesting)
	}
	defer func() { p.depth-- }()
	left, err := p.prefix()
	for steps := 0; err == nil; steps++ {
		bp := power(p.tok)
		if bp == 0 || bp <= least {
			return left, nil
		}
		if steps > 2000 {
			return nil, syntax(p.tok.pos, "the expression is longer than 2000 operations in a row")
		}
		left, err = p.infix(left, bp)
	}
	return nil, err
}

func (p *parser) infix(left *node, bp int) (*node, error) {
	op := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	n := &node{kind: nodeBinary, name: op.text, pos: op.pos, args: []*node{left, nil}}
	var err error
	switch op.text {
	case ".":
		n.kind = nodeDot
		n.args[1], err = p.invocation()
		return n, err
	case "[":
		n.kind = nodeItem
		if n.args[1], err = p.expression(0); err != nil {
			return nil, err
		}
		return n, p.expect("]")
	case "is", "as":
		n.kind, n.args = nodeType, []*node{left}
		n.typ, err = p.typeName()
		return n, err
	}
	n.args[1], err = p.expression(bp)
	return n, err
}

func (p *parser) typeName() (string, error) {
	if p.tok.kind != tokIdent {
		return "", syntax(p.tok.pos, "a type is expected")
	}
	name := p.tok.text
	if err := p.advance(); err != nil {
		return "", err
	}
	if (name == "System" || name == "FHIR") && p.is(".") {
		if err := p.advance(); err != nil {
			return "", err
		}
		if p.tok.kind != tokIdent {
			return "", syntax(p.tok.pos, "a type is expected")
		}
		name += "." + p.tok.text
		return name, p.advance()
	}
	return name, nil
}

// prefix reads a term or a sign before one.
func (p *parser) prefix() (*node, error) {
	t := p.tok
	switch t.kind {
	case tokString, tokNumber, tokDate, tokInstant, tokTime:
		return p.literal()
	case tokPercent:
		return &node{kind: nodeVariable, name: t.text, pos: t.pos}, p.advance()
	case tokDollar, tokIdent:
		return p.invocation()
	case tokEnd:
		return nil, syntax(t.pos, "the expression ends where a term is expected")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch t.text {
	case "(":
		n, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case "{":
		return &node{kind: nodeEmpty, pos: t.pos}, p.expect("}")
	case "+", "-":
		arg, err := p.expression(unaryPower)
		return &node{kind: nodeUnary, name: t.text, pos: t.pos, args: []*node{arg}}, err
	}
	return nil, syntax(t.pos, "%q stands where a term is expected", t.text)
}

// invocation reads a member, a function call, $this, $index or $total.
func (p *parser) invocation() (*node, error) {
	t := p.tok
	if t.kind != tokIdent && t.kind != tokDollar {
		return nil, syntax(t.pos, "a name is expected after the point")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if t.kind == tokDollar {
		kind, ok := map[string]nodeKind{"this": nodeThis, "index": nodeIndex, "total": nodeTotal}[t.text]
		if !ok {
			return nil, syntax(t.pos, "$%s is none of $this, $index and $total", t.text)
		}
		return &node{kind: kind, pos: t.pos}, nil
	}
	if !t.quoted && (t.text == "true" || t.text == "false") {
		return &node{kind: nodeLiteral, value: booleanOf(t.text == "true"), pos: t.pos}, nil
	}
	if !p.is("(") {
		return &node{kind: nodeMember, name: t.text, quoted: t.quoted, pos: t.pos}, nil
	}
	return p.call(t)
}

func (p *parser) call(name token) (*node, error) {
	n := &node{kind: nodeCall, name: name.text, pos: name.pos}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for !p.is(")") {
		if len(n.args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if n.args = append(n.args, arg); len(n.args) > 16 {
			return nil, syntax(name.pos, "%s has more than 16 arguments", name.text)
		}
	}
	return n, p.advance()
}

// calendarUnits are the words that may follow a number.
var calendarUnits = []string{"year", "month", "week", "day", "hour", "minute", "second", "millisecond"}

func (p *parser) literal() (*node, error) {
	t := p.tok
	n := &node{kind: nodeLiteral, pos: t.pos}
	switch t.kind {
	case tokString:
		n.value = stringOf(t.text)
	case tokNumber:
		v, ok := numberOf(t.text)
		if !ok {
			return nil, syntax(t.pos, "%s is not a number", t.text)
		}
		n.value = v
		if err := p.advance(); err != nil {
			return nil, err
		}
		return n, p.unit(n)
	default:
		n.value = Value{Kind: temporalKind(t.kind), text: t.text}
	}
	return n, p.advance()
}

// unit makes a quantity of a number that a unit follows.
func (p *parser) unit(n *node) error {
	unit, calendar := p.tok.text, false
	switch {
	case p.tok.kind == tokString:
	case p.tok.kind == tokIdent && !p.tok.quoted && slices.Contains(calendarUnits, strings.TrimSuffix(unit, "s")):
		calendar = true
	default:
		return nil
	}
	d, _ := n.value.decimal()
	n.value = quantityOf(quantity{value: d, unit: unit, calendar: calendar})
	return p.advance()
}
