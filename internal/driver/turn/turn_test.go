package turn_test

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/turn/v4"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/turn"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func serve(t *testing.T) (*turn.Server, *clock) {
	t.Helper()
	c := &clock{now: time.Now()}
	s, err := turn.Serve(turn.Config{Listen: "127.0.0.1:0", Secret: []byte("0123456789abcdef"), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, c
}

// client connects to the server by UDP or TCP with the credentials.
func client(t *testing.T, s *turn.Server, network string, cr turn.Credentials) *pion.Client {
	t.Helper()
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port()))
	var conn net.PacketConn
	var err error
	if network == "tcp" {
		var c net.Conn
		if c, err = net.Dial("tcp", at); err == nil {
			conn = pion.NewSTUNConn(c)
		}
	} else {
		conn, err = net.ListenPacket("udp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	c, err := pion.NewClient(&pion.ClientConfig{STUNServerAddr: at, TURNServerAddr: at, Conn: conn, Username: cr.Username, Password: cr.Credential, Realm: "vigil", LoggerFactory: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); conn.Close() })
	return c
}

func TestTwoBrowsersMeetAtTheRelay(t *testing.T) {
	s, _ := serve(t)
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			kim, err := client(t, s, network, s.Credentials("dr-kim", "")).Allocate()
			if err != nil {
				t.Fatal(err)
			}
			defer kim.Close()
			sara, err := client(t, s, "udp", s.Credentials("sara", "")).Allocate()
			if err != nil {
				t.Fatal(err)
			}
			defer sara.Close()
			// Each side opens its relay for the other by writing to it.
			if _, err := sara.WriteTo([]byte("knock"), kim.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			if _, err := kim.WriteTo([]byte("hello"), sara.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			sara.SetReadDeadline(time.Now().Add(5 * time.Second))
			buf := make([]byte, 64)
			n, from, err := sara.ReadFrom(buf)
			if err != nil || string(buf[:n]) != "hello" || from.String() != kim.LocalAddr().String() {
				t.Errorf("got %q from %v, %v", buf[:n], from, err)
			}
		})
	}
}

func TestStun(t *testing.T) {
	s, _ := serve(t)
	if addr, err := client(t, s, "udp", turn.Credentials{}).SendBindingRequest(); err != nil || addr == nil {
		t.Errorf("binding: %v, %v", addr, err)
	}
}

func TestCredentialsEndAndCannotBeMade(t *testing.T) {
	s, c := serve(t)
	good := s.Credentials("sara", "vigil.hospital.example")
	if want := "turn:vigil.hospital.example:" + strconv.Itoa(s.Port()) + "?transport=udp"; good.URLs[1] != want {
		t.Errorf("URLs %v", good.URLs)
	}
	forged := good
	forged.Username = "9999999999:sara"
	for name, cr := range map[string]turn.Credentials{"forged": forged, "none": {Username: "sara", Credential: "x"}} {
		if conn, err := client(t, s, "udp", cr).Allocate(); err == nil {
			conn.Close()
			t.Errorf("%s credentials were taken", name)
		}
	}
	c.mu.Lock()
	c.now = c.now.Add(2 * time.Hour)
	c.mu.Unlock()
	if conn, err := client(t, s, "udp", good).Allocate(); err == nil {
		conn.Close()
		t.Error("credentials outlived their hour")
	}
}

func TestSettings(t *testing.T) {
	if _, err := turn.Serve(turn.Config{Listen: "127.0.0.1:0", Secret: []byte("short")}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("short secret: %v", err)
	}
	s, _ := serve(t)
	if _, err := turn.Serve(turn.Config{Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())), Secret: []byte("0123456789abcdef")}); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("taken port: %v", err)
	}
}
