package alarm

import (
	"context"
	"slices"

	"github.com/vigil-health/vigil"
)

// Filter restricts a list of open alarms. Zero fields do not restrict.
type Filter struct {
	Unit    string
	Subject vigil.Subject
}

// Open returns what is open and what the principal of ctx may see, most urgent first.
// Naming a subject that is not his is Denied.
func (d *Desk) Open(ctx context.Context, f Filter) ([]vigil.Alarm, error) {
	out := []vigil.Alarm{}
	for _, e := range d.entries() {
		e.mu.Lock()
		a, gone := e.a, e.gone
		e.mu.Unlock()
		if gone || f.Unit != "" && a.Unit != f.Unit || f.Subject != "" && a.Subject != f.Subject {
			continue
		}
		if err := mayRead(ctx, a); err != nil {
			if f.Subject != "" {
				return nil, err
			}
			continue
		}
		out = append(out, a)
	}
	Sort(out)
	return out, nil
}

// Get returns one alarm with its evidence. It returns NotFound or Denied.
func (d *Desk) Get(ctx context.Context, id string) (vigil.Alarm, error) {
	if e := d.find(id); e != nil {
		e.mu.Lock()
		a, gone := e.a, e.gone
		e.mu.Unlock()
		if !gone {
			return a, mayRead(ctx, a)
		}
	}
	a, err := d.cfg.Book.Get(ctx, id)
	if err != nil {
		return vigil.Alarm{}, err
	}
	if err := mayRead(ctx, a); err != nil {
		return vigil.Alarm{}, err
	}
	return a, nil
}

// List returns alarms of a time, newest first, without evidence, as far as the principal of ctx may see them.
func (d *Desk) List(ctx context.Context, q Query) ([]vigil.Alarm, error) {
	list, err := d.cfg.Book.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(a vigil.Alarm) bool { return mayRead(ctx, a) != nil }), nil
}

func (d *Desk) entries() []*entry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]*entry, 0, len(d.open))
	for _, e := range d.open {
		out = append(out, e)
	}
	return out
}
