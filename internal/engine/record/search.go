package record

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Page sizes.
const (
	defaultCount = 50
	maxCount     = 1000
	countUpTo    = 1000 // _total=estimate counts so far
)

// Page is one page of a search.
type Page struct {
	Records  []Record
	Included []Record   // named by _include; none twice, none that is in Records
	Total    int        // -1 when unknown: it was not asked for and there are more pages
	Next     url.Values // the search for the next page; nil on the last
}

// Search returns the current resources of a type that the FHIR search parameters select. Invalid names a parameter
// that is unknown or cannot be read. A patient finds only what is in his own compartment.
func (s *Store) Search(ctx context.Context, typ string, params url.Values) (Page, error) {
	return s.SearchIn(ctx, "", typ, params)
}

// SearchIn searches within a patient's compartment; an empty patient means no bound but the principal's own.
func (s *Store) SearchIn(ctx context.Context, patient, typ string, params url.Values) (Page, error) {
	if err := checkType(typ); err != nil {
		return Page{}, err
	}
	only, err := checkRead(ctx, typ)
	if err != nil {
		s.denied(ctx, "record.search", typ, "")
		return Page{}, err
	}
	plan, err := s.reader(ctx).search(typ, params)
	if err != nil {
		return Page{}, err
	}
	if only != "" && patient != "" && patient != only {
		s.denied(ctx, "record.search", typ, "")
		return Page{}, vigil.Errorf(vigil.Denied, "record.search", "your role does not give access to this compartment")
	}
	if plan.query.Patient = patient; only != "" {
		plan.query.Patient = only
	}
	found, err := s.cfg.Backend.Find(ctx, plan.query)
	if err != nil {
		return Page{}, err
	}
	page := Page{Records: found.Records, Total: found.Total}
	if found.Cursor != nil {
		if page.Next, err = next(params, found.Cursor); err != nil {
			return Page{}, err
		}
	}
	if page.Included, err = s.include(ctx, plan.includes, page.Records); err != nil {
		return Page{}, err
	}
	return page, s.noted(ctx, "record.search", typ, plan.names(params), touched(page))
}

// reader returns a reader of search parameters that follows references only into what the principal may read.
func (s *Store) reader(ctx context.Context) *reader {
	return &reader{
		params: &s.params,
		scope:  func(typ string) (string, error) { return checkRead(ctx, typ) },
		terms: func(prm *fhir.Param, modifier, value string) ([]Match, error) {
			return s.coded(ctx, prm, modifier, value)
		},
	}
}

func touched(p Page) []string {
	seen := map[string]bool{}
	var out []string
	for _, list := range [][]Record{p.Records, p.Included} {
		for _, r := range list {
			for _, id := range r.Patients {
				if !seen[id] {
					seen[id] = true
					out = append(out, id)
				}
			}
		}
	}
	return out
}

func visible(ctx context.Context, r Record) bool {
	only, err := checkRead(ctx, r.Type)
	return err == nil && (only == "" || slices.Contains(r.Patients, only))
}

type plan struct {
	reader   *reader
	query    Query
	includes []include
}

// names returns the parameters' names for the audit trail: never their values.
func (p *plan) names(params url.Values) string {
	names := make([]string, 0, len(params))
	for k := range params {
		if k != "_cursor" {
			names = append(names, k)
		}
	}
	sort.Strings(names)
	return strings.Join(names, ",")
}

// next returns the parameters of the following page.
func next(params url.Values, cursor []any) (url.Values, error) {
	b, err := json.Marshal(cursor)
	if err != nil {
		return nil, err
	}
	out := url.Values{}
	for k, v := range params {
		out[k] = slices.Clone(v)
	}
	out.Set("_cursor", base64.RawURLEncoding.EncodeToString(b))
	return out, nil
}

func readCursor(s string, keys int) ([]any, error) {
	bad := vigil.Errorf(vigil.Invalid, "record.search", "_cursor is not one that this server made for this search")
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, bad
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	var out []any
	if err := dec.Decode(&out); err != nil || len(out) != keys+1 {
		return nil, bad
	}
	for i, v := range out {
		switch x := v.(type) {
		case string:
		case json.Number:
			if n, err := x.Int64(); err == nil {
				out[i] = n
			} else if f, err := x.Float64(); err == nil {
				out[i] = f
			} else {
				return nil, bad
			}
		default:
			return nil, bad
		}
	}
	return out, nil
}

func parseCount(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, vigil.Errorf(vigil.Invalid, "record.search", "_count %q is not a number of 0 or more", v)
	}
	return min(n, maxCount), nil
}
