package fhir

import (
	"slices"
	"strings"
	"sync"
)

// Params is a set of search parameters: those of R4, and those that a site adds. The zero Params holds R4's. Safe for
// concurrent use.
type Params struct {
	mu   sync.RWMutex
	more map[string]map[string]*Param // by resource type and name
}

// Found takes a value that an added parameter finds in a resource, as JSON has it, with its FHIR type.
type Found func(value any, typ string)

// NewParam returns a parameter that a site adds; extract hands what it finds in a resource on.
func NewParam(typ, name string, kind ParamKind, targets []string, extract func(r Resource, found Found)) *Param {
	return &Param{Type: typ, Name: name, Kind: kind, Targets: targets, key: typ + "." + name, extract: extract}
}

// Add adds a parameter, or replaces the one of its type and name. False when R4 has one of that name.
func (p *Params) Add(prm *Param) bool {
	if _, ok := SearchParam(prm.Type, prm.Name); ok {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.more == nil {
		p.more = map[string]map[string]*Param{}
	}
	if p.more[prm.Type] == nil {
		p.more[prm.Type] = map[string]*Param{}
	}
	p.more[prm.Type][prm.Name] = prm
	return true
}

// Remove takes an added parameter away.
func (p *Params) Remove(typ, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.more[typ], name)
}

// Lookup returns the parameter of the resource type, or one that every type has.
func (p *Params) Lookup(typ, name string) (*Param, bool) {
	if prm, ok := SearchParam(typ, name); ok {
		return prm, true
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	prm, ok := p.more[typ][name]
	return prm, ok
}

// List returns the type's parameters: R4's in alphabetical order, then those that were added.
func (p *Params) List(typ string) []*Param {
	all := SearchParams(typ)
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.more[typ]) == 0 {
		return all
	}
	var added []*Param
	for _, prm := range p.more[typ] {
		added = append(added, prm)
	}
	slices.SortFunc(added, func(a, b *Param) int { return strings.Compare(a.Name, b.Name) })
	return append(slices.Clone(all), added...)
}

// Index returns every search value of a resource of a known type, in the order of List. Values that cannot be read (a
// malformed date) are left out: validation names them.
func (p *Params) Index(r Resource) []Value {
	var out []Value
	for _, prm := range p.List(r.Type()) {
		out = prm.appendValues(out, r)
	}
	return out
}
