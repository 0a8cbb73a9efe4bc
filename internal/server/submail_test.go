package server_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/server"
)

// mailServer takes mails as far as RFC 5321 needs for one, and keeps them.
type mailServer struct {
	net.Listener
	mu    sync.Mutex
	mails []string
}

func serveMail(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{Listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return s
}

func (s *mailServer) talk(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 test ready")
	var to string
	for in.Scan() {
		switch verb := strings.ToUpper(in.Text()); {
		case strings.HasPrefix(verb, "RCPT"):
			to = in.Text()
			say("250 ok")
		case verb == "DATA":
			say("354 go on")
			text := to + "\n"
			for in.Scan() && in.Text() != "." {
				text += in.Text() + "\n"
			}
			s.mu.Lock()
			s.mails = append(s.mails, text)
			s.mu.Unlock()
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 test")
		}
	}
}

func (s *mailServer) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.mails, "\n")
}

// A Subscription by e-mail tells that something happened and where to look; what it was stays in the house.
func TestSubscriptionByMail(t *testing.T) {
	mail := serveMail(t)
	s, stop := startWith(t, server.Config{Data: t.TempDir(), SMTP: server.SMTPConfig{Host: "127.0.0.1", Port: mail.Addr().(*net.TCPAddr).Port, From: "vigil@hospital.example", Plain: true}})
	defer stop()
	own := session(t, s)
	sub := func(endpoint string) fhir.Resource {
		return fhir.New("Subscription", "by-mail").With("status", "requested").With("reason", "team").With("criteria", "Patient?family=Holm").
			With("channel", fhir.Resource{"type": "email", "endpoint": endpoint})
	}
	if status, out := ask(t, s, own, "PUT /fhir/Subscription/by-mail", sub("somebody")); status != 400 && status != 422 {
		t.Errorf("no mail address: %d %v", status, out)
	}
	put(t, s, own, sub("mailto:team@hospital.example"))
	until(t, "the handshake", func() bool { return strings.Contains(mail.all(), "team@hospital.example") })
	put(t, s, own, patient("sara", "4711", "Holm"))
	until(t, "the news", func() bool { return strings.Count(mail.all(), "Subscription by-mail has news") >= 2 })
	if strings.Contains(mail.all(), "Holm") || strings.Contains(mail.all(), "Patient/sara") || !strings.Contains(mail.all(), "/fhir/Subscription/by-mail/$events") {
		t.Errorf("the mail says\n%s", mail.all())
	}
	_, out := ask(t, s, own, "GET /fhir/Subscription/by-mail/$status", nil)
	if !strings.Contains(fmt.Sprint(out), "active") {
		t.Errorf("$status: %v", out)
	}
}
