package fhirapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// uuid returns a random UUID (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// document is Composition/id/$document: the composition and everything that it refers to in one Bundle. What is not here
// or not for the principal is left out: its reference stays. With persist the Bundle is stored.
func (d *door) document(r *http.Request, c call) (answer, error) {
	persist := c.text("persist") == "true"
	if persist && gets(r) {
		return answer{}, httpError{http.StatusMethodNotAllowed, "not-supported", "$document with persist stores a Bundle: call it by POST"}
	}
	rec, err := d.cfg.Records.Read(r.Context(), c.typ, c.id)
	if err != nil {
		return answer{}, err
	}
	comp, err := rec.Resource()
	if err != nil {
		return answer{}, err
	}
	b := d.opened(r, comp)
	entries, _ := b["entry"].([]fhir.Resource)
	seen := map[string]bool{comp.Ref(): true}
	for _, ref := range references(comp) {
		if seen[ref] {
			continue
		}
		seen[ref] = true
		res, err := d.named(r.Context(), ref)
		if err != nil {
			return answer{}, err
		}
		if res != nil {
			entries = append(entries, fhir.Resource{"fullUrl": d.cfg.Base(r) + "/" + ref, "resource": res})
		}
	}
	b["entry"] = entries
	if !persist {
		return answer{status: http.StatusOK, resource: b}, nil
	}
	stored, err := d.cfg.Records.Create(r.Context(), b)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, json: stored.JSON, rec: &stored, location: d.cfg.Base(r) + "/Bundle/" + stored.ID + "/_history/1"}, nil
}

// opened begins a document Bundle with its composition.
func (d *door) opened(r *http.Request, comp fhir.Resource) fhir.Resource {
	return fhir.New("Bundle", "").With("type", "document").With("timestamp", fhir.Instant(d.cfg.Now())).
		With("identifier", fhir.Identifier("urn:ietf:rfc:3986", "urn:uuid:"+uuid())).
		With("entry", []fhir.Resource{{"fullUrl": d.cfg.Base(r) + "/" + comp.Ref(), "resource": comp}})
}

// references returns the "Type/id" that a resource refers to in the order of its document, without versions.
func references(v any) (out []string) {
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case fhir.Resource:
			walk(map[string]any(x))
		case map[string]any:
			if s, ok := x["reference"].(string); ok {
				if ref := fhir.ParseReference(s); ref.Type != "" {
					out = append(out, ref.Type+"/"+ref.ID)
				}
			}
			for _, key := range sortedKeys(x) {
				walk(x[key])
			}
		case []any:
			for _, it := range x {
				walk(it)
			}
		}
	}
	walk(v)
	return out
}

// named reads what a reference names, from the records or telemetry; nil when it is not here or not for the principal.
func (d *door) named(ctx context.Context, ref string) (fhir.Resource, error) {
	typ, id, _ := strings.Cut(ref, "/")
	var res fhir.Resource
	var err error
	if k, ok := parseVitalID(id); ok && typ == "Observation" {
		res, err = d.vital(ctx, k)
	} else {
		rec, fault := d.cfg.Records.Read(ctx, typ, id)
		if err = fault; err == nil {
			res, err = rec.Resource()
		}
	}
	if kind := vigil.KindOf(err); err != nil && (kind == vigil.NotFound || kind == vigil.Denied || kind == vigil.Invalid) {
		return nil, nil
	}
	return res, err
}
