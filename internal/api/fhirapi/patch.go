package fhirapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpatch"
)

const mediaJSONPatch = "application/json-patch+json"

// attempts bounds how often a patch without If-Match follows a resource that keeps moving.
const attempts = 8

// change turns the current resource into the next.
type change func(fhir.Resource) (fhir.Resource, error)

// patch changes parts of a resource: JSON Patch (RFC 6902) or FHIRPath Patch, by the Content-Type.
func (d *door) patch(r *http.Request, typ, id string) (answer, error) {
	if err := writable(typ, id); err != nil {
		return answer{}, err
	}
	match, err := ifMatch(r.Header.Get("If-Match"))
	if err != nil {
		return answer{}, err
	}
	apply, err := patchOf(r)
	if err != nil {
		return answer{}, err
	}
	for n := 1; ; n++ {
		rec, err := d.cfg.Records.Read(r.Context(), typ, id)
		if err != nil {
			return answer{}, err
		}
		if match != 0 && match != rec.Version {
			return answer{}, vigil.Errorf(vigil.Conflict, "fhir.patch", "%s is at version %d, not %d", rec.Ref(), rec.Version, match)
		}
		next, err := patched(&rec, apply)
		if err != nil {
			return answer{}, err
		}
		out, err := d.cfg.Records.Update(r.Context(), next, rec.Version)
		if vigil.KindOf(err) == vigil.Conflict && match == 0 && n < attempts {
			continue // somebody was quicker: patch what he made
		}
		if err != nil {
			return answer{}, err
		}
		return d.written(r, http.StatusOK, &out), nil
	}
}

func patched(rec *record.Record, apply change) (fhir.Resource, error) {
	res, err := rec.Resource()
	if err != nil {
		return nil, err
	}
	next, err := apply(res)
	if err != nil {
		return nil, err
	}
	if next.Type() != rec.Type || next.ID() != rec.ID {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.patch", "a patch may not change resourceType or id")
	}
	return next, nil
}

func patchOf(r *http.Request) (change, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && media == mediaJSONPatch {
		b, err := bodyBytes(r)
		if err != nil {
			return nil, err
		}
		return jsonPatch(b)
	}
	if format(media) == "" {
		return nil, noPatch(r.Header.Get("Content-Type"))
	}
	res, err := body(r)
	if err != nil {
		return nil, err
	}
	return fhirPatch(r.Context(), res), nil
}

func fhirPatch(ctx context.Context, params fhir.Resource) change {
	return func(res fhir.Resource) (fhir.Resource, error) { return fhirpatch.Apply(ctx, res, params) }
}

func noPatch(what string) error {
	return httpError{http.StatusUnsupportedMediaType, "not-supported", "send a patch as application/json-patch+json, or as FHIR Parameters (FHIRPath Patch), not " + quote(what)}
}

// patchIn reads the patch of a transaction's entry: Parameters with a FHIRPath Patch, or a Binary with a JSON Patch.
func patchIn(ctx context.Context, res fhir.Resource) (change, error) {
	if res.Type() == "Parameters" {
		return fhirPatch(ctx, res), nil
	}
	if res.Type() == "Binary" && res.Str("contentType") == mediaJSONPatch {
		b, err := base64.StdEncoding.DecodeString(res.Str("data"))
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.patch", "the Binary holds no base64 data")
		}
		return jsonPatch(b)
	}
	return nil, noPatch(res.Type() + " " + res.Str("contentType"))
}

func jsonPatch(b []byte) (change, error) {
	ops, err := jsonpatch.DecodePatch(b)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.patch", "not a JSON Patch, which is a list of operations: %v", err)
	}
	return func(res fhir.Resource) (fhir.Resource, error) {
		opts := jsonpatch.NewApplyOptions()
		opts.AccumulatedCopySizeLimit = maxBody
		out, err := ops.ApplyWithOptions(fhir.Encode(res), opts)
		if err != nil {
			return nil, httpError{http.StatusUnprocessableEntity, "processing", "the patch does not apply: " + err.Error()}
		}
		if !json.Valid(out) {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.patch", "the patch makes no JSON")
		}
		return fhir.Parse(out)
	}, nil
}
