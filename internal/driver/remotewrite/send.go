package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/golang/snappy"

	"github.com/vigil-health/vigil"
)

const readMax = 4 << 10 // of an answer

// verdict is what becomes of a request.
type verdict int

const (
	taken   verdict = iota
	again           // the receiver is not there, overloaded, or its door is shut: nothing is wrong with the data
	tooMuch         // for one request
	refused         // for good
)

// deliver sends until the receiver took or refused the request, or ctx ends.
func (o *Outlet) deliver(ctx context.Context, list []timeSeries) error {
	body := snappy.Encode(nil, encode(list))
	n := count(list)
	for try := 0; ; try++ {
		v, wait, why := o.post(ctx, body)
		switch {
		case v == taken:
			o.sent.Add(uint64(n))
			o.say("")
			return nil
		case v == tooMuch && n > 1:
			left, right := halve(list, n/2)
			if err := o.deliver(ctx, left); err != nil {
				return err
			}
			return o.deliver(ctx, right)
		case v != again:
			o.dropped.Add(uint64(n))
			o.cfg.Log.Error("remote_write.dropped", "samples", n, "error", why)
			return nil
		}
		o.retries.Add(1)
		o.say(why)
		if try == 0 {
			o.cfg.Log.Warn("remote_write.retry", "samples", n, "error", why)
		}
		wait = max(wait, time.Duration(float64(min(o.cfg.Backoff<<min(try, 20), o.cfg.MaxBackoff))*(0.5+o.cfg.Random())))
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return vigil.Errorf(vigil.Unavailable, "remote_write.deliver", "%w", ctx.Err())
		}
	}
}

// halve splits a request after n samples.
func halve(list []timeSeries, n int) (left, right []timeSeries) {
	for _, s := range list {
		k := min(n, len(s.samples))
		n -= k
		if k > 0 {
			left = append(left, timeSeries{s.labels, s.samples[:k]})
		}
		if k < len(s.samples) {
			right = append(right, timeSeries{s.labels, s.samples[k:]})
		}
	}
	return left, right
}

// post sends once. 401, 403, 404 and 405 are a wrong password or address, which somebody will mend: the data waits.
func (o *Outlet) post(ctx context.Context, body []byte) (v verdict, wait time.Duration, why string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return again, 0, err.Error()
	}
	for name, value := range o.cfg.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	req.Header.Set("User-Agent", "vigil/"+o.cfg.Version)
	res, err := o.client.Do(req)
	if err != nil {
		return again, 0, "no answer: " + err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, readMax)) //nolint:errcheck // the status decides
	why = fmt.Sprintf("the receiver answered %d: %.200s", res.StatusCode, bytes.TrimSpace(text))
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return taken, 0, ""
	case code == http.StatusRequestEntityTooLarge:
		return tooMuch, 0, why
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusMethodNotAllowed, code < 400:
		return again, retryAfter(res.Header.Get("Retry-After"), o.cfg.MaxBackoff), why
	}
	return refused, 0, why
}

// retryAfter reads the seconds that the receiver asks for, bounded: it may not stop us for a day.
func retryAfter(header string, most time.Duration) time.Duration {
	n, err := strconv.Atoi(header)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(min(n, 86_400))*time.Second, most)
}
