package socketapi_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil/internal/api/socketapi"
	"github.com/vigil-health/vigil/internal/engine/subscription"
)

func TestSocket(t *testing.T) {
	bound := make(chan string, 4)
	s := socketapi.New(time.Now, func(id string) { bound <- id })
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer s.Close()
	to := subscription.Target{Subscription: "s1"}
	if err := s.Send(t.Context(), to, []byte("{}")); !errors.Is(err, subscription.ErrAway) {
		t.Errorf("nobody is bound: %v", err)
	}
	token, _, err := s.Token("s1")
	if err != nil {
		t.Fatal(err)
	}
	dial := func(text string) *websocket.Conn {
		conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn := dial("bind-with-token: " + token)
	defer conn.CloseNow()
	if id := <-bound; id != "s1" {
		t.Errorf("bound %q", id)
	}
	if err := s.Send(context.Background(), to, []byte(`{"resourceType":"Bundle"}`)); err != nil {
		t.Fatal(err)
	}
	if _, b, err := conn.Read(t.Context()); err != nil || string(b) != `{"resourceType":"Bundle"}` {
		t.Errorf("%s %v", b, err)
	}
	for _, text := range []string{"bind-with-token: " + token, "bind-with-token: x", "hello"} { // a token is good once
		c := dial(text)
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("%s: %v", text, err)
		}
		c.CloseNow()
	}
	if len(bound) != 0 {
		t.Error("a stranger was bound")
	}
}
