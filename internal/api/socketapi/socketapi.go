// Package socketapi delivers notifications of Subscriptions over WebSocket (channel.type "websocket" of the backport
// guide): a client sends "bind-with-token: <token>", then every notification is one text message.
//
// Tokens come from $get-ws-binding-token, are good once and for a minute. What happens while nobody is bound waits.
// Start at Socket.
package socketapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/subscription"
)

const (
	tokenLife = time.Minute
	maxTokens = 10_000
)

// Socket is the channel and its door.
type Socket struct {
	now   func() time.Time
	bound func(id string) // a client came: what waits is due

	mu     sync.Mutex
	tokens map[string]ticket
	conns  map[string]*websocket.Conn // by Subscription
}

type ticket struct {
	id  string
	end time.Time
}

// New returns a socket; bound is called when a client came for a Subscription.
func New(now func() time.Time, bound func(id string)) *Socket {
	return &Socket{now: now, bound: bound, tokens: map[string]ticket{}, conns: map[string]*websocket.Conn{}}
}

// Token returns a token that binds one connection to the Subscription, and until when.
func (s *Socket) Token(id string) (token string, expires time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for t, x := range s.tokens {
		if now.After(x.end) {
			delete(s.tokens, t)
		}
	}
	if len(s.tokens) >= maxTokens {
		return "", time.Time{}, vigil.Errorf(vigil.Unavailable, "socket.token", "too many tokens wait to be used; try again in a minute")
	}
	b := make([]byte, 32)
	rand.Read(b) //nolint:errcheck // never fails
	token, expires = hex.EncodeToString(b), now.Add(tokenLife)
	s.tokens[token] = ticket{id, expires}
	return token, expires, nil
}

// Check implements subscription.Channel: there is no endpoint to be refused.
func (s *Socket) Check(subscription.Target) error { return nil }

// Send implements subscription.Channel. Away when no client is bound.
func (s *Socket) Send(ctx context.Context, to subscription.Target, bundle []byte) error {
	s.mu.Lock()
	conn := s.conns[to.Subscription]
	s.mu.Unlock()
	if conn == nil {
		return subscription.ErrAway
	}
	if err := conn.Write(ctx, websocket.MessageText, bundle); err != nil {
		s.leave(to.Subscription, conn)
		return subscription.ErrAway
	}
	return nil
}

// ServeHTTP takes a connection. Its token is its key, so that browsers of other sites cannot use it.
func (s *Socket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 10)
	ctx := context.WithoutCancel(r.Context())
	defer conn.CloseNow() //nolint:errcheck // it is over
	wait, stop := context.WithTimeout(ctx, tokenLife)
	_, text, err := conn.Read(wait)
	stop()
	if err != nil {
		return
	}
	token, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "bind-with-token:")
	id := s.use(strings.TrimSpace(token))
	if !ok || id == "" {
		conn.Close(websocket.StatusPolicyViolation, "send bind-with-token: and a token of $get-ws-binding-token that was not used") //nolint:errcheck // it is over
		return
	}
	s.mu.Lock()
	before := s.conns[id]
	s.conns[id] = conn
	s.mu.Unlock()
	if before != nil {
		before.Close(websocket.StatusNormalClosure, "another connection was bound") //nolint:errcheck // it is over
	}
	defer s.leave(id, conn)
	s.bound(id)
	for { // what a client says later means nothing; the read sees it leave
		if _, _, err := conn.Read(ctx); err != nil {
			return
		}
	}
}

// Close ends every connection.
func (s *Socket) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.CloseNow() //nolint:errcheck // it is over
	}
}

func (s *Socket) use(token string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.tokens[token]
	delete(s.tokens, token)
	if !ok || s.now().After(x.end) {
		return ""
	}
	return x.id
}

func (s *Socket) leave(id string, conn *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[id] == conn {
		delete(s.conns, id)
	}
}
