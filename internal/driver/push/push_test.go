package push_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/push"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// browser subscribes at a push service that answers with code.
func browser(t *testing.T, code int) (to string, got func() (http.Header, []byte), cfg push.Config) {
	t.Helper()
	var head http.Header
	var body []byte
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head = r.Header
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(code)
	}))
	t.Cleanup(srv.Close)
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := make([]byte, 16)
	rand.Read(auth)
	sub := map[string]any{"endpoint": srv.URL + "/push/1", "keys": map[string]string{"p256dh": base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()), "auth": base64.RawURLEncoding.EncodeToString(auth)}}
	text, err := json.Marshal(sub)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := push.MakeKeys()
	if err != nil {
		t.Fatal(err)
	}
	return string(text), func() (http.Header, []byte) { return head, body }, push.Config{Keys: keys, Services: []string{strings.TrimPrefix(srv.URL, "https://")}, Transport: srv.Client().Transport}
}

func message() notify.Message {
	return notify.Message{ID: "map-low.Patient.sara.1/2/lee", Alarm: "map-low.Patient.sara.1", To: alarm.Recipient{ID: "lee"}, Priority: vigil.PriorityHigh, Text: "High alarm, ICU North. Open to see.", Link: "/alert/~0011223344556677aabb"}
}

func TestPush(t *testing.T) {
	for name, c := range map[string]struct {
		code  int
		state notify.State
		kind  vigil.Kind
		gone  bool
	}{
		"Created":   {201, notify.Sent, "", false},
		"Gone":      {410, notify.Failed, vigil.NotFound, true},
		"NotFound":  {404, notify.Failed, vigil.NotFound, true},
		"TooMany":   {429, notify.Failed, vigil.Unavailable, false},
		"Broken":    {503, notify.Failed, vigil.Unavailable, false},
		"Forbidden": {403, notify.Failed, vigil.Invalid, false},
		"Redirect":  {302, notify.Failed, vigil.Invalid, false},
	} {
		t.Run(name, func(t *testing.T) {
			to, got, cfg := browser(t, c.code)
			gone := ""
			cfg.Gone = func(_ context.Context, to string) { gone = to }
			ch, err := push.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			state, err := ch.Send(t.Context(), message(), to)
			if state != c.state || c.kind == "" && err != nil || c.kind != "" && vigil.KindOf(err) != c.kind {
				t.Errorf("%s, %v", state, err)
			}
			if (gone == to) != c.gone {
				t.Errorf("forgotten %q", gone)
			}
			head, body := got()
			if head.Get("Content-Encoding") != "aes128gcm" || head.Get("Urgency") != "high" || !strings.HasPrefix(head.Get("Authorization"), "vapid ") {
				t.Errorf("headers %v", head)
			}
			if s := string(body); strings.Contains(s, "High alarm") || strings.Contains(s, "sara") {
				t.Error("the payload is not encrypted")
			}
		})
	}
}

func TestPushRefusesStrangeServices(t *testing.T) {
	to, _, cfg := browser(t, 201)
	cfg.Services = nil
	ch, err := push.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{to, "", "{}", strings.Replace(to, "https:", "http:", 1), strings.Replace(to, "127.0.0.1", "fcm.googleapis.com.evil.example", 1)} {
		if err := ch.Check(bad); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestKeysAreRead(t *testing.T) {
	made, err := push.MakeKeys()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := push.ReadKeys(text); err != nil || again != made {
		t.Errorf("%+v, %v", again, err)
	}
	for _, broken := range []string{"", "{}", string(text[:20])} {
		if _, err := push.ReadKeys([]byte(broken)); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%q: %v", broken, err)
		}
	}
}
