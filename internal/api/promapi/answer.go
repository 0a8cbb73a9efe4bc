package promapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// answer is what a handler returns: a value of a query, or data to be written as JSON.
type answer struct {
	data  any
	value parser.Value // instead of data
	stats stats.QueryStats
	query string // that the notes speak of
	notes annotations.Annotations
	close func() // once it is written; may be nil
}

// requestError is a fault of the request that is told as it is.
type requestError struct{ err error }

func (e requestError) Error() string { return e.err.Error() }

func badRequest(format string, args ...any) error {
	return requestError{fmt.Errorf(format, args...)}
}

// storeError is a fault of ours below the engine: strangers see an id only.
type storeError struct{ err error }

func (e storeError) Error() string { return "the store cannot be read" }
func (e storeError) Unwrap() error { return e.err }

func ours(err error) error {
	if err == nil || vigil.KindOf(err) != vigil.Internal || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return storeError{err}
}

// clientClosed is what proxies log for a client that went away; nobody reads it.
const clientClosed = 499

// classify returns status, errorType and message of an error as Prometheus' clients know them. unauthorized and
// forbidden are our own types: Prometheus has no access control.
func (d *door) classify(r *http.Request, err error) (status int, kind, msg string) {
	_, timeout := errors.AsType[promql.ErrQueryTimeout](err)
	_, canceled := errors.AsType[promql.ErrQueryCanceled](err)
	_, bad := errors.AsType[requestError](err)
	_, store := errors.AsType[storeError](err)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, "bad_data", "the request is larger than 1 MB"
	case bad:
		return http.StatusBadRequest, "bad_data", err.Error()
	case timeout || errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "timeout", fmt.Sprintf("the query took longer than it may (at most %s); ask for a shorter range, a larger step or fewer series", d.cfg.Timeout)
	case canceled || errors.Is(err, context.Canceled):
		return clientClosed, "canceled", "the query was canceled"
	case store:
		return d.internal(r, err)
	}
	e, ok := errors.AsType[*vigil.Error](err)
	if !ok { // the engine's own words about the expression
		return http.StatusUnprocessableEntity, "execution", err.Error()
	}
	switch e.Kind {
	case vigil.Denied:
		if _, signed := access.From(r.Context()); !signed {
			return http.StatusUnauthorized, "unauthorized", e.Msg
		}
		return http.StatusForbidden, "forbidden", e.Msg
	case vigil.NotFound:
		return http.StatusNotFound, "not_found", e.Msg
	case vigil.Invalid, vigil.Conflict:
		return http.StatusBadRequest, "bad_data", e.Msg
	case vigil.Unavailable:
		return http.StatusServiceUnavailable, "unavailable", e.Msg
	}
	return d.internal(r, err)
}

func (d *door) internal(r *http.Request, err error) (int, string, string) {
	var id [4]byte
	rand.Read(id[:]) //nolint:errcheck // never fails
	ref := "e-" + hex.EncodeToString(id[:])
	d.cfg.Log.ErrorContext(r.Context(), "promapi.failed", "id", ref, "route", r.Pattern, "error", errors.Join(err, errors.Unwrap(err)))
	return http.StatusInternalServerError, "internal", "internal error " + ref
}

func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, kind, msg := d.classify(r, err)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Vigil"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": msg}) //nolint:errcheck // the client is gone
}

const maxNotes = 10 // of warnings, and of infos

func (d *door) write(w http.ResponseWriter, r *http.Request, a answer) {
	out := append(make([]byte, 0, 4096), `{"status":"success","data":`...)
	var err error
	if a.value != nil {
		out, err = appendResult(out, a.value, a.stats)
	} else {
		out, err = appendJSON(out, a.data)
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	warnings, infos := a.notes.AsStrings(a.query, maxNotes, maxNotes)
	for name, list := range map[string][]string{"warnings": warnings, "infos": infos} {
		if len(list) > 0 {
			out = append(out, `,"`+name+`":`...)
			out, _ = appendJSON(out, list)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(out, '}')) //nolint:errcheck // the client is gone
}

func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// appendResult writes the data of a query. It does by hand what encoding/json would do a hundred times slower for a
// day of points.
func appendResult(dst []byte, v parser.Value, st stats.QueryStats) (_ []byte, err error) {
	dst = append(dst, `{"resultType":"`+string(v.Type())+`","result":`...)
	switch v := v.(type) {
	case promql.Matrix:
		dst, err = appendList(dst, len(v), func(dst []byte, i int) ([]byte, error) {
			dst, err := appendJSON(append(dst, `{"metric":`...), v[i].Metric)
			dst = append(dst, `,"values":[`...)
			for j, p := range v[i].Floats {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = appendPoint(dst, p.T, p.F)
			}
			return append(dst, "]}"...), err
		})
	case promql.Vector:
		dst, err = appendList(dst, len(v), func(dst []byte, i int) ([]byte, error) {
			dst, err := appendJSON(append(dst, `{"metric":`...), v[i].Metric)
			return append(appendPoint(append(dst, `,"value":`...), v[i].T, v[i].F), '}'), err
		})
	case promql.Scalar:
		dst = appendPoint(dst, v.T, v.V)
	case promql.String:
		dst = append(appendSeconds(append(dst, '['), v.T), ',')
		dst, err = appendJSON(dst, v.V)
		dst = append(dst, ']')
	default:
		return dst, vigil.Errorf(vigil.Internal, "promapi.write", "the engine returned a %T", v)
	}
	if err == nil && st != nil {
		dst, err = appendJSON(append(dst, `,"stats":`...), st)
	}
	return append(dst, '}'), err
}

func appendList(dst []byte, n int, each func(dst []byte, i int) ([]byte, error)) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = each(dst, i); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendPoint writes [seconds,"value"].
func appendPoint(dst []byte, ms int64, v float64) []byte {
	dst = append(appendSeconds(append(dst, '['), ms), `,"`...)
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return append(strconv.AppendFloat(dst, v, format, -1, 64), `"]`...)
}

// appendSeconds writes milliseconds as seconds, with three decimals when they are not whole.
func appendSeconds(dst []byte, ms int64) []byte {
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if frac := ms % 1000; frac != 0 {
		dst = append(dst, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	}
	return dst
}
