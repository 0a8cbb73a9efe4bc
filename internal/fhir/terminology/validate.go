package terminology

import (
	"context"
	"fmt"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Coded is a code to be judged. Without a system the first that has the code counts.
type Coded struct{ System, Version, Code, Display string }

// Verdict is whether a code is good, with its right display and what is to be said.
type Verdict struct {
	Result  bool
	Display string
	Message string // "" when there is nothing to say
	System  string
}

// InSystem judges codes by a code system: one of them must be a code of it, and have the display that is given.
// NotFound when the system is not held.
func (s *Service) InSystem(ctx context.Context, url, version string, given fhir.Resource, codes []Coded) (Verdict, error) {
	cs, err := s.systemOf(ctx, url, version, given)
	if err != nil {
		return Verdict{}, err
	}
	var unknown []string
	for _, c := range codes {
		if c.System != "" && c.System != cs.url {
			unknown = append(unknown, c.System+"|"+c.Code)
			continue
		}
		if n := cs.find(c.Code); n != nil {
			return judged(c, cs.concept(n)), nil
		}
		unknown = append(unknown, c.Code)
	}
	return Verdict{Message: fmt.Sprintf("%s has no code %q%s", cs.url, strings.Join(unknown, ", "), cs.part())}, nil
}

// InSet judges codes by a value set: one of them must be in it, and have the display that is given. NotFound when the
// set is made of what is not held and none of it holds them.
func (s *Service) InSet(ctx context.Context, set fhir.Resource, codes []Coded) (Verdict, error) {
	var unknown []string
	for _, c := range codes {
		found, err := s.contains(ctx, set, c, 0)
		if err != nil {
			return Verdict{}, err
		}
		if found != nil {
			return judged(c, *found), nil
		}
		unknown = append(unknown, key(c.System, c.Code))
	}
	name := set.Str("url")
	if name == "" {
		name = "given"
	}
	return Verdict{Message: fmt.Sprintf("the value set %s does not hold %s", name, strings.Join(unknown, ", "))}, nil
}

func judged(c Coded, found Concept) Verdict {
	v := Verdict{Result: true, Display: found.Display, System: found.System}
	if c.Display == "" || found.Display == "" || sameWords(c.Display, found.Display) {
		return v
	}
	for _, d := range found.Designations {
		if sameWords(c.Display, d.Str("value")) {
			return v
		}
	}
	v.Result = false
	v.Message = fmt.Sprintf("the display of %s is %q, not %q", key(found.System, found.Code), found.Display, c.Display)
	return v
}

func sameWords(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

// contains returns a code's concept when the value set holds it, else nil. It lists nothing, so that sets too large to be
// expanded can be asked. NotFound when that cannot be known.
func (s *Service) contains(ctx context.Context, set fhir.Resource, c Coded, depth int) (*Concept, error) {
	if depth > maxDepth {
		return nil, invalid("contains", "value sets import each other more than %d deep", maxDepth)
	}
	compose, _ := set["compose"].(map[string]any)
	if len(compose) == 0 {
		u := union{at: map[string]bool{}}
		flatten(set.List("expansion.contains"), &u, 0)
		return among(u.list, c), nil
	}
	var found *Concept
	var doubt error
	for _, inc := range fhir.Resource(compose).List("include") {
		one, err := s.containsIn(ctx, inc, c, depth)
		if err != nil {
			doubt = err
			continue
		}
		if one != nil {
			found = one
			break
		}
	}
	if found == nil {
		return nil, doubt
	}
	for _, exc := range fhir.Resource(compose).List("exclude") {
		out, err := s.containsIn(ctx, exc, Coded{System: found.System, Code: found.Code}, depth)
		if err != nil || out != nil {
			return nil, err
		}
	}
	return found, nil
}

func among(list []Concept, c Coded) *Concept {
	for i := range list {
		if list[i].Code == c.Code && (c.System == "" || c.System == list[i].System) {
			return &list[i]
		}
	}
	return nil
}

// containsIn asks one include or exclude.
func (s *Service) containsIn(ctx context.Context, inc fhir.Resource, c Coded, depth int) (*Concept, error) {
	var found *Concept
	system := inc.Str("system")
	if system != "" {
		if c.System != "" && c.System != system {
			return nil, nil
		}
		one, err := s.containsSystem(ctx, inc, c)
		if err != nil || one == nil {
			return nil, err
		}
		found = one
	}
	for _, url := range texts(inc["valueSet"]) {
		set, err := s.Resource(ctx, "ValueSet", url)
		if err != nil {
			return nil, err
		}
		one, err := s.contains(ctx, set, c, depth+1)
		if err != nil || one == nil {
			return nil, err
		}
		if found == nil {
			found = one
		}
	}
	return found, nil
}

func (s *Service) containsSystem(ctx context.Context, inc fhir.Resource, c Coded) (*Concept, error) {
	cs, err := s.systemOf(ctx, inc.Str("system"), inc.Str("version"), nil)
	if len(inc.List("concept")) > 0 {
		return among(s.listed(inc, cs, err == nil), Coded{Code: c.Code}), nil
	}
	if err != nil {
		return nil, err
	}
	n := cs.find(c.Code)
	if n == nil {
		if cs.complete() {
			return nil, nil
		}
		return nil, vigil.Errorf(vigil.NotFound, "terminology.contains", "%s has no code %q%s", cs.url, c.Code, cs.part())
	}
	tests, err := cs.tests(inc.List("filter"))
	if err != nil || !passes(n, tests) {
		return nil, err
	}
	one := cs.concept(n)
	return &one, nil
}
