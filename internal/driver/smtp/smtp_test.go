package smtp_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/smtp"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// server is the part of RFC 5321 that one message needs. It refuses recipients that contain "nobody".
type server struct {
	net.Listener
	mu    sync.Mutex
	mails []string
}

func serve(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
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

func (s *server) talk(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 test ready")
	for in.Scan() {
		switch verb := strings.ToUpper(in.Text()); {
		case strings.HasPrefix(verb, "EHLO"):
			say("250 test")
		case strings.HasPrefix(verb, "RCPT") && strings.Contains(verb, "NOBODY"):
			say("550 5.1.1 no such user")
		case verb == "DATA":
			say("354 go on")
			var mail strings.Builder
			for in.Scan() && in.Text() != "." {
				mail.WriteString(in.Text() + "\n")
			}
			s.mu.Lock()
			s.mails = append(s.mails, mail.String())
			s.mu.Unlock()
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func channel(t *testing.T, port int) *smtp.Channel {
	t.Helper()
	c, err := smtp.New(smtp.Config{Host: "127.0.0.1", Port: port, From: "vigil@hospital.example", Plain: true, Link: "https://vigil.hospital.example"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func message() notify.Message {
	return notify.Message{ID: "a1/2/dr-lee", To: alarm.Recipient{ID: "dr-lee", Name: "Dr Lee"}, Priority: vigil.PriorityHigh,
		Text: "High alarm, ICU North. Open to see.", Link: "/alarms/a1", Created: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
}

func TestMail(t *testing.T) {
	s := serve(t)
	c := channel(t, s.Addr().(*net.TCPAddr).Port)
	state, err := c.Send(t.Context(), message(), "lee@hospital.example")
	if err != nil || state != notify.Sent {
		t.Fatal(state, err)
	}
	s.mu.Lock()
	got := strings.Join(s.mails, "\n")
	s.mu.Unlock()
	for _, want := range []string{"Subject: High alarm, ICU North. Open to see.", "Message-ID: <a1_2_dr-lee@hospital.example>", "https://vigil.hospital.example/alarms/a1"} {
		if !strings.Contains(got, want) {
			t.Errorf("the mail lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "Dr Lee") {
		t.Error("the mail names a person")
	}
}

func TestFaults(t *testing.T) {
	s := serve(t)
	c := channel(t, s.Addr().(*net.TCPAddr).Port)
	if _, err := c.Send(t.Context(), message(), "nobody@hospital.example"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("refused recipient: %v", err)
	}
	if _, err := c.Send(t.Context(), message(), "not an address"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("no address: %v", err)
	}
	s.Close()
	if _, err := c.Send(t.Context(), message(), "lee@hospital.example"); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("no server: %v", err)
	}
	if _, err := smtp.New(smtp.Config{}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("no settings: %v", err)
	}
}
