package webhook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/webhook"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

func message() notify.Message {
	return notify.Message{ID: "a1/2/dr-lee", Alarm: "a1", To: alarm.Recipient{ID: "dr-lee"}, Priority: vigil.PriorityHigh, Text: "High alarm, ICU North. Open to see."}
}

func TestPostIsSigned(t *testing.T) {
	var body []byte
	var head http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		head = r.Header
	}))
	defer srv.Close()
	c, err := webhook.New(webhook.Config{Secret: []byte("s3cret")})
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.Send(t.Context(), message(), srv.URL+"/page")
	if err != nil || state != notify.Delivered {
		t.Fatal(state, err)
	}
	if want := webhook.Sign([]byte("s3cret"), head.Get(webhook.HeaderTimestamp), body); head.Get(webhook.HeaderSignature) != want {
		t.Error("the signature does not fit the body")
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil || got["id"] != "a1/2/dr-lee" || got["priority"] != "high" || head.Get(webhook.HeaderID) != "a1/2/dr-lee" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAnswers(t *testing.T) {
	c, _ := webhook.New(webhook.Config{Secret: []byte("s")})
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer target.Close()
	for name, want := range map[int]vigil.Kind{204: "", 302: vigil.Invalid, 404: vigil.Invalid, 429: vigil.Unavailable, 503: vigil.Unavailable} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", target.URL)
			w.WriteHeader(name)
		}))
		if _, err := c.Send(t.Context(), message(), srv.URL); vigil.KindOf(err) != want {
			t.Errorf("%d: %v", name, err)
		}
		srv.Close()
		if _, err := c.Send(t.Context(), message(), srv.URL); vigil.KindOf(err) != vigil.Unavailable {
			t.Errorf("closed: %v", err)
		}
	}
	if _, err := c.Send(t.Context(), message(), "file:///etc/passwd"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("file: %v", err)
	}
	if _, err := webhook.New(webhook.Config{}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("without secret: %v", err)
	}
}
