package fhirapi

import (
	"encoding/base64"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// raw is content that is no resource: what a Binary holds.
type raw struct {
	media string
	bytes []byte
}

// wantsRaw reports whether a request for a Binary asks for its content rather than for the resource (FHIR R4 2.10).
func wantsRaw(r *http.Request) bool {
	if r.URL.Query().Get("_format") != "" {
		return false
	}
	accept := r.Header.Get("Accept")
	if accept == "" {
		return false
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, _, err := mime.ParseMediaType(part)
		if err == nil && format(media) != "" {
			return false
		}
	}
	return true
}

func content(rec *record.Record) (*raw, bool) {
	res, err := rec.Resource()
	if err != nil {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(res.Str("data"))
	return &raw{media: res.Str("contentType"), bytes: b}, err == nil
}

// sentBinary makes the resource of content that was sent as it is; false when the request holds a FHIR resource.
func sentBinary(r *http.Request) (fhir.Resource, bool, error) {
	ct := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(ct)
	if err != nil || format(media) != "" {
		return nil, false, nil
	}
	b, err := bodyBytes(r)
	return fhir.New("Binary", "").With("contentType", ct).With("data", base64.StdEncoding.EncodeToString(b)), true, err
}

// writeRaw sends what a stranger once stored: the browser may keep it, never run it.
func (d *door) writeRaw(w http.ResponseWriter, r *http.Request, a answer) {
	h := w.Header()
	h.Set("Content-Type", a.raw.media)
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Length", strconv.Itoa(len(a.raw.bytes)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		w.Write(a.raw.bytes) //nolint:errcheck // the client is gone
	}
}
