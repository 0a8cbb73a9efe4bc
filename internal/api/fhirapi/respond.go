package fhirapi

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// httpError is a fault of the protocol rather than of the record: its status says more than a kind does.
type httpError struct {
	status int
	code   string // FHIR issue type
	msg    string
}

// Error returns the message.
func (e httpError) Error() string { return e.msg }

func quote(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strconv.QuoteToASCII(s)
}

func formParams(r *http.Request) (url.Values, error) {
	if err := r.ParseForm(); err != nil {
		return nil, httpError{http.StatusBadRequest, "structure", "the form cannot be read"}
	}
	return r.Form, nil
}

func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// ifMatch reads the version of an If-Match or If-None-Match header; 0 when there is none.
func ifMatch(header string) (int64, error) {
	if header == "" || header == "*" {
		return 0, nil
	}
	v, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(strings.TrimSpace(header), "W/"), `"`), 10, 64)
	if err != nil || v < 1 {
		return 0, httpError{http.StatusBadRequest, "value", `If-Match must be like W/"3"`}
	}
	return v, nil
}

// failure turns an error into its status and OperationOutcome.
func (d *door) failure(r *http.Request, err error) answer {
	status, issues := d.outcome(r, err)
	return answer{status: status, resource: fhir.New("OperationOutcome", "").With("issue", issues)}
}

func issue(code, msg, place string) fhir.Resource {
	i := fhir.Resource{"severity": "error", "code": code, "diagnostics": msg}
	if place != "" {
		i["expression"] = []string{place}
	}
	return i
}

func (d *door) outcome(r *http.Request, err error) (int, []fhir.Resource) {
	if he, ok := errors.AsType[httpError](err); ok {
		return he.status, []fhir.Resource{issue(he.code, he.msg, "")}
	}
	msg := vigil.Message(err)
	switch vigil.KindOf(err) {
	case vigil.Invalid:
		ve, ok := errors.AsType[*vigil.Error](err)
		var issues []fhir.Resource
		for ok && ve != nil && len(issues) == 0 {
			for _, f := range ve.Faults {
				issues = append(issues, issue("invalid", f.Msg, f.Path))
			}
			ve, ok = errors.AsType[*vigil.Error](ve.Unwrap())
		}
		if len(issues) == 0 {
			issues = append(issues, issue("invalid", msg, ""))
		}
		return http.StatusBadRequest, issues
	case vigil.NotFound:
		if strings.HasSuffix(msg, record.Gone) {
			return http.StatusGone, []fhir.Resource{issue("deleted", "the resource was deleted; its history is kept", "")}
		}
		return http.StatusNotFound, []fhir.Resource{issue("not-found", msg, "")}
	case vigil.Conflict:
		if r.Header.Get("If-Match") != "" {
			return http.StatusPreconditionFailed, []fhir.Resource{issue("conflict", msg, "")}
		}
		return http.StatusConflict, []fhir.Resource{issue("conflict", msg, "")}
	case vigil.Denied:
		if _, ok := access.From(r.Context()); !ok {
			return http.StatusUnauthorized, []fhir.Resource{issue("login", "sign in first", "")}
		}
		return http.StatusForbidden, []fhir.Resource{issue("forbidden", msg, "")}
	case vigil.Unavailable:
		return http.StatusServiceUnavailable, []fhir.Resource{issue("transient", msg, "")}
	}
	if r.Context().Err() != nil { // the client has gone: there is nobody to answer and nothing to mend
		return http.StatusServiceUnavailable, []fhir.Resource{issue("transient", "the request was given up", "")}
	}
	var id [4]byte
	rand.Read(id[:]) //nolint:errcheck // never fails
	ref := "e-" + hex.EncodeToString(id[:])
	d.cfg.Log.ErrorContext(r.Context(), "fhir request failed", "id", ref, "method", r.Method, "error", err)
	return http.StatusInternalServerError, []fhir.Resource{issue("exception", "internal error "+ref, "")}
}
