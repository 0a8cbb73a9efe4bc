package fhirapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirxml"
)

// The wire forms of a resource.
const (
	mediaJSON = "application/fhir+json"
	mediaXML  = "application/fhir+xml"
)

// format returns the media type of a FHIR resource that a name of the client's means, "" for something else.
func format(name string) string {
	switch strings.ReplaceAll(name, " ", "+") { // a "+" in a query reads as a space
	case "json", "application/json", "text/json", "application/json+fhir", mediaJSON:
		return mediaJSON
	case "xml", "application/xml", "text/xml", "application/xml+fhir", mediaXML:
		return mediaXML
	}
	return ""
}

// accepted returns the media type to answer with: _format before Accept, JSON when both leave it open.
func accepted(r *http.Request) (string, error) {
	if f := r.URL.Query().Get("_format"); f != "" {
		f, _, _ = strings.Cut(f, ";")
		if media := format(strings.TrimSpace(f)); media != "" {
			return media, nil
		}
		return "", notAcceptable("_format " + quote(f))
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return mediaJSON, nil
	}
	best, weight := "", 0.0
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil || params["fhirversion"] != "" && params["fhirversion"] != "4.0" {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		name := format(media)
		if name == "" && (media == "*/*" || media == "application/*") {
			name = mediaJSON
		}
		if name != "" && q > weight {
			best, weight = name, q
		}
	}
	if best == "" {
		return "", notAcceptable("Accept " + quote(accept))
	}
	return best, nil
}

func notAcceptable(what string) error {
	return httpError{http.StatusNotAcceptable, "not-supported", what + " is not supported: ask for application/fhir+json or application/fhir+xml of FHIR version 4.0"}
}

// body reads the resource of a request in the form that its Content-Type names, JSON when it names none.
func body(r *http.Request) (fhir.Resource, error) {
	media := mediaJSON
	if ct := r.Header.Get("Content-Type"); ct != "" {
		name, _, err := mime.ParseMediaType(ct)
		if media = format(name); err != nil || media == "" {
			return nil, httpError{http.StatusUnsupportedMediaType, "not-supported", "send application/fhir+json or application/fhir+xml, not " + quote(ct)}
		}
	}
	b, err := bodyBytes(r)
	if err != nil {
		return nil, err
	}
	if media == mediaXML {
		return fhirxml.Decode(b)
	}
	return fhir.Parse(b)
}

func bodyBytes(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, httpError{http.StatusRequestEntityTooLarge, "too-long", "the body is larger than 16 MiB"}
	}
	if err != nil {
		return nil, httpError{http.StatusBadRequest, "incomplete", "the body ended early"}
	}
	return b, nil
}

// preference returns one preference of the Prefer headers: "minimal" for "return" (RFC 7240).
func preference(r *http.Request, name string) string {
	for _, h := range r.Header.Values("Prefer") {
		for part := range strings.FieldsFuncSeq(h, func(c rune) bool { return c == ',' || c == ';' }) {
			if key, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(strings.TrimSpace(key), name) {
				return strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return ""
}

// encoded writes an answer's resource in a wire form.
func (a *answer) encoded(media string, pretty bool) ([]byte, error) {
	out := a.json
	if media == mediaXML {
		res := a.resource
		if out != nil {
			var err error
			if res, err = fhir.Parse(out); err != nil {
				return nil, err
			}
		}
		if res == nil {
			return nil, nil
		}
		return fhirxml.Encode(res)
	}
	if out == nil && a.resource != nil {
		out = fhir.Encode(a.resource)
	}
	if pretty {
		var b bytes.Buffer
		if err := json.Indent(&b, out, "", "  "); err == nil {
			out = b.Bytes()
		}
	}
	return out, nil
}

func (d *door) write(w http.ResponseWriter, r *http.Request, a answer) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.rec != nil {
		h.Set("ETag", etag(a.rec.Version))
		h.Set("Last-Modified", a.rec.Updated.UTC().Format(http.TimeFormat))
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	for key, v := range a.header {
		h[key] = v
	}
	switch {
	case a.raw != nil:
		d.writeRaw(w, r, a)
		return
	case a.file != "":
		h.Set("Content-Type", ndjson)
		http.ServeFile(w, r, a.file)
		return
	case a.manifest != nil:
		h.Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		w.Write(a.manifest) //nolint:errcheck // the client is gone
		return
	}
	media, err := accepted(r)
	if err != nil {
		media = mediaJSON // the answer says so already
	}
	out, err := a.encoded(media, r.URL.Query().Get("_pretty") == "true")
	if err != nil { // a stored narrative may be no XHTML
		a = d.failure(r, err)
		out = fhir.Encode(a.resource)
		media = mediaJSON
	}
	if len(out) == 0 || a.status == http.StatusNotModified {
		w.WriteHeader(a.status)
		return
	}
	h.Set("Content-Type", media+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(out)))
	h.Add("Vary", "Accept")
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		w.Write(out) //nolint:errcheck // the client is gone
	}
}
