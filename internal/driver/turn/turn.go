// Package turn is a STUN and TURN server for video between browsers that cannot reach each other directly.
//
// UDP and TCP on one port, time-limited credentials (TURN REST style), no accounts. Who may talk to whom is decided
// by engine/consult, which hands credentials out; media is encrypted end to end and only relayed here. Start at Server.
package turn

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the TURN REST scheme names HMAC-SHA1
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"

	"github.com/vigil-health/vigil"
)

const (
	defaultLife  = time.Hour // of a credential: longer than a consult
	defaultQuota = 8         // allocations per credential: two browsers need four at most
	realmName    = "vigil"
)

// Config is where the server listens and how it is reached.
type Config struct {
	Listen string     // "host:port", port 3478 by custom; port 0 picks one
	Public netip.Addr // address that browsers reach; zero: the listening one, or 127.0.0.1
	Secret []byte     // of the credentials, at least 16 bytes
	Life   time.Duration
	Now    func() time.Time
	// MinPort and MaxPort bound the relay's ports; zero means any.
	MinPort, MaxPort uint16
	// Peers lists networks a relay may reach besides the server's own address. Nil allows all but loopback,
	// link-local and multicast, so that a relay is no way into the server itself.
	Peers []netip.Prefix
}

// Server is a running TURN server.
type Server struct {
	cfg  Config
	srv  *turn.Server
	host netip.Addr
	port int

	mu   sync.Mutex
	used map[string]int // allocations by user name
}

// Credentials let one person use the relay for a time.
type Credentials struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// Serve starts listening. It returns Invalid for settings that do not fit and Unavailable when the port is taken.
func Serve(cfg Config) (*Server, error) {
	if len(cfg.Secret) < 16 {
		return nil, vigil.Errorf(vigil.Invalid, "turn.serve", "the secret needs at least 16 bytes")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Life <= 0 {
		cfg.Life = defaultLife
	}
	udp, tcp, err := listen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	at := udp.LocalAddr().(*net.UDPAddr)
	s := &Server{cfg: cfg, port: at.Port, host: cfg.Public, used: map[string]int{}}
	bind := at.IP.String()
	if !s.host.IsValid() {
		s.host, _ = netip.AddrFromSlice(at.IP)
		s.host = s.host.Unmap()
		if s.host.IsUnspecified() {
			s.host, bind = netip.MustParseAddr("127.0.0.1"), "127.0.0.1"
		}
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled // it would log addresses of people
	s.srv, err = turn.NewServer(turn.ServerConfig{
		Realm: realmName, AuthHandler: s.auth, QuotaHandler: s.quota, LoggerFactory: quiet,
		EventHandler: turn.EventHandler{
			OnAllocationCreated: func(_, _ net.Addr, _, user, _ string, _ net.Addr, _ int) { s.count(user, 1) },
			OnAllocationDeleted: func(_, _ net.Addr, _, user, _ string) { s.count(user, -1) },
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: s.relay(bind), PermissionHandler: s.permit}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: tcp, RelayAddressGenerator: s.relay(bind), PermissionHandler: s.permit}},
	})
	if err != nil {
		udp.Close()
		tcp.Close()
		return nil, vigil.Errorf(vigil.Invalid, "turn.serve", "%w", err)
	}
	return s, nil
}

// listen opens UDP and TCP on the same port, also when any port will do.
func listen(addr string) (net.PacketConn, net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, vigil.Errorf(vigil.Invalid, "turn.serve", "listen address %q: %w", addr, err)
	}
	for range 10 {
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, vigil.Errorf(vigil.Unavailable, "turn.serve", "%w", err)
		}
		port := strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port)
		udp, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
		if err == nil {
			return udp, tcp, nil
		}
		tcp.Close()
		if !strings.HasSuffix(addr, ":0") {
			return nil, nil, vigil.Errorf(vigil.Unavailable, "turn.serve", "%w", err)
		}
	}
	return nil, nil, vigil.Errorf(vigil.Unavailable, "turn.serve", "no port free for both UDP and TCP")
}

func (s *Server) relay(bind string) turn.RelayAddressGenerator {
	ip := net.IP(s.host.AsSlice())
	if s.cfg.MinPort != 0 && s.cfg.MaxPort >= s.cfg.MinPort {
		return &turn.RelayAddressGeneratorPortRange{RelayAddress: ip, Address: bind, MinPort: s.cfg.MinPort, MaxPort: s.cfg.MaxPort}
	}
	return &turn.RelayAddressGeneratorStatic{RelayAddress: ip, Address: bind}
}

// Close ends every allocation and stops listening.
func (s *Server) Close() error { return s.srv.Close() }

// Port returns the port that is listened on.
func (s *Server) Port() int { return s.port }

// Credentials returns credentials for the account that end after Config.Life. host is how the browser reaches the
// server, for example the host of its request; "" means the public address.
func (s *Server) Credentials(account, host string) Credentials {
	if host == "" {
		host = s.host.String()
	}
	user := fmt.Sprintf("%d:%s", s.cfg.Now().Add(s.cfg.Life).Unix(), account)
	at := net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(s.port))
	return Credentials{
		URLs:     []string{"stun:" + at, "turn:" + at + "?transport=udp", "turn:" + at + "?transport=tcp"},
		Username: user, Credential: s.password(user),
	}
}

func (s *Server) password(user string) string {
	mac := hmac.New(sha1.New, s.cfg.Secret)
	mac.Write([]byte(user))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// auth knows the password of every user name that has not ended; the library compares.
func (s *Server) auth(user, realm string, _ net.Addr) ([]byte, bool) {
	end, _, ok := strings.Cut(user, ":")
	at, err := strconv.ParseInt(end, 10, 64)
	if !ok || err != nil || at < s.cfg.Now().Unix() {
		return nil, false
	}
	return turn.GenerateAuthKey(user, realm, s.password(user)), true
}

func (s *Server) quota(user, _ string, _ net.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[user] < defaultQuota
}

func (s *Server) count(user string, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[user] += by; s.used[user] <= 0 {
		delete(s.used, user)
	}
}

// permit keeps relays from reaching what is not theirs. The server's own relay address is always allowed: two browsers
// that both need a relay meet there.
func (s *Server) permit(_ net.Addr, peer net.IP) bool {
	ip, ok := netip.AddrFromSlice(peer)
	if !ok {
		return false
	}
	ip = ip.Unmap()
	if ip == s.host {
		return true
	}
	if s.cfg.Peers == nil {
		return !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !ip.IsMulticast() && !ip.IsUnspecified()
	}
	for _, p := range s.cfg.Peers {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
