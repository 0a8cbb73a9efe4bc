package shout_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/shout"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

func TestShout(t *testing.T) {
	code, got := 200, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = string(b)
		w.WriteHeader(code)
	}))
	defer srv.Close()
	address := "generic://" + strings.TrimPrefix(srv.URL, "http://") + "/hook/secret-1?disabletls=yes"
	c, err := shout.New(shout.Config{Services: map[string]string{"icu": address}, Link: "https://vigil.example/"})
	if err != nil {
		t.Fatal(err)
	}
	m := notify.Message{ID: "m1", Text: "High alarm, ICU North. Open to see.", Link: "/alert/~1"}
	if state, err := c.Send(t.Context(), m, "icu"); err != nil || state != notify.Sent || !strings.Contains(got, "High alarm, ICU North") || !strings.Contains(got, "https://vigil.example/alert/~1") {
		t.Errorf("%s, %v, got %q", state, err, got)
	}
	code = 500
	if _, err := c.Send(t.Context(), m, "icu"); vigil.KindOf(err) != vigil.Unavailable || strings.Contains(err.Error(), "secret-1") {
		t.Errorf("refused: %v", err)
	}
	if _, err := c.Send(t.Context(), m, "nowhere"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("unknown: %v", err)
	}
	if _, err := shout.New(shout.Config{Services: map[string]string{"bad": "nonsense://token-9"}}); vigil.KindOf(err) != vigil.Invalid || strings.Contains(err.Error(), "token-9") {
		t.Errorf("nonsense: %v", err)
	}
}
