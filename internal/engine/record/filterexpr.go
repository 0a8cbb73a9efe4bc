package record

import (
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// filter reads a _filter expression (FHIR R4 3.1.3):
//
//	or     = and { "or" and }
//	and    = one { "and" one }
//	one    = "not" "(" or ")" | "(" or ")" | parameter operation value
func (r *reader) filter(typ, s string, depth int) (Clause, error) {
	p := &filterParser{r: r, typ: typ, depth: depth}
	if err := p.lex(s); err != nil {
		return Clause{}, err
	}
	c, err := p.or(0)
	if err == nil && len(p.words) > 0 {
		err = invalid("_filter: %q was not expected", p.words[0].text)
	}
	return c, err
}

type filterWord struct {
	text   string
	quoted bool
}

type filterParser struct {
	r     *reader
	typ   string
	depth int
	words []filterWord
}

const maxFilterWords = 400

func (p *filterParser) lex(s string) error {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " ") {
		if len(p.words) > maxFilterWords {
			return invalid("_filter is longer than %d words", maxFilterWords)
		}
		switch s[0] {
		case '(', ')':
			p.words = append(p.words, filterWord{text: s[:1]})
			s = s[1:]
		case '"':
			text, rest, err := quotedWord(s)
			if err != nil {
				return err
			}
			p.words = append(p.words, filterWord{text: text, quoted: true})
			s = rest
		default:
			end := strings.IndexAny(s, " ()")
			if end < 0 {
				end = len(s)
			}
			p.words = append(p.words, filterWord{text: s[:end]})
			s = s[end:]
		}
	}
	return nil
}

func quotedWord(s string) (text, rest string, err error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			text, err := strconv.Unquote(s[:i+1])
			if err != nil {
				return "", "", invalid("_filter: %s is not a quoted text", s[:i+1])
			}
			return text, s[i+1:], nil
		}
	}
	return "", "", invalid("_filter: a quote is not closed")
}

func (p *filterParser) next() filterWord {
	if len(p.words) == 0 {
		return filterWord{}
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *filterParser) ahead(text string) bool {
	return len(p.words) > 0 && !p.words[0].quoted && p.words[0].text == text
}

func (p *filterParser) or(depth int) (Clause, error) {
	return p.row("or", depth, p.and)
}

func (p *filterParser) and(depth int) (Clause, error) {
	return p.row("and", depth, p.one)
}

// row reads parts with a word between them.
func (p *filterParser) row(word string, depth int, part func(int) (Clause, error)) (Clause, error) {
	if depth > maxChain {
		return Clause{}, invalid("_filter is nested deeper than %d levels", maxChain)
	}
	first, err := part(depth)
	list := []Clause{first}
	for err == nil && p.ahead(word) {
		p.next()
		var c Clause
		c, err = part(depth)
		list = append(list, c)
	}
	switch {
	case err != nil || len(list) == 1:
		return first, err
	case word == "or":
		return Clause{Or: list}, nil
	}
	return Clause{All: list}, nil
}

func (p *filterParser) one(depth int) (Clause, error) {
	not := p.ahead("not")
	if not {
		p.next()
	}
	if p.ahead("(") {
		p.next()
		c, err := p.or(depth + 1)
		if err != nil {
			return c, err
		}
		if p.next().text != ")" {
			return c, invalid("_filter: a parenthesis is not closed")
		}
		if not {
			c = Clause{Or: []Clause{c}, Not: true}
		}
		return c, nil
	}
	if not {
		return Clause{}, invalid("_filter: not must be followed by a parenthesis")
	}
	return p.test()
}

// test reads "parameter operation value".
func (p *filterParser) test() (Clause, error) {
	path, op, value := p.next(), p.next(), p.next()
	if path.text == "" || op.text == "" || value.text == "" && !value.quoted {
		return Clause{}, invalid("_filter: a test has the form: parameter operation value")
	}
	kind, err := p.kind(path.text)
	if err != nil {
		return Clause{}, err
	}
	key, val := path.text, escaped(value.text)
	switch op.text {
	case "eq":
		if kind == fhir.ParamString {
			key += ":exact"
		}
	case "ne":
		c, err := p.r.clause(p.typ, key, val, p.depth+1)
		return Clause{Or: []Clause{c}, Not: true}, err
	case "co":
		key += ":contains"
	case "sw":
	case "ew":
		key += ":ends"
	case "gt", "lt", "ge", "le", "ap", "sa", "eb":
		if kind == fhir.ParamString || kind == fhir.ParamToken || kind == fhir.ParamReference || kind == fhir.ParamURI {
			return Clause{}, invalid("_filter: %s does not go with the %s %q", op.text, kind, path.text)
		}
		val = op.text + val
	case "po":
		val = "ap" + val
	case "pr":
		present, err := strconv.ParseBool(value.text)
		if err != nil {
			return Clause{}, invalid("_filter: pr is followed by true or false")
		}
		key, val = key+":missing", strconv.FormatBool(!present)
	case "ss":
		key += ":above"
	case "sb":
		key += ":below"
	case "in":
		key += ":in"
	case "ni":
		key += ":not-in"
	case "re":
	default:
		return Clause{}, invalid("_filter: %q is not an operation", op.text)
	}
	return p.r.clause(p.typ, key, val, p.depth+1)
}

// kind returns the kind of the parameter at the end of a path such as "subject:Patient.name".
func (p *filterParser) kind(path string) (fhir.ParamKind, error) {
	head, rest, chained := strings.Cut(path, ".")
	name, modifier, _ := strings.Cut(head, ":")
	prm, ok := p.r.param(p.typ, name)
	if !ok {
		return "", invalid("_filter: %q is not a search parameter of %s: %w", name, p.typ, errUnknown)
	}
	if !chained {
		return prm.Kind, nil
	}
	types := prm.Targets
	if modifier != "" {
		types = []string{modifier}
	}
	for _, typ := range types {
		if kind, err := (&filterParser{r: p.r, typ: typ}).kind(rest); err == nil {
			return kind, nil
		}
	}
	return "", invalid("_filter: %q leads to no search parameter", path)
}
