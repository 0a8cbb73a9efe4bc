package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/protocol"
	"github.com/vigil-health/vigil/internal/protocol/mqtt"
	"github.com/vigil-health/vigil/internal/protocol/protocoltest"
)

func listen(t *testing.T) (*mqtt.Broker, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return mqtt.New(mqtt.Config{Listeners: []net.Listener{l}, Handshake: time.Second}), l.Addr().String()
}

var strange = []string{"vigil/", "vigil/a", "vigil//data", "vigil/a/status", "other/a/data", "vigil/+/data", "$SYS/x"}

func TestProtocol311(t *testing.T) {
	b, addr := listen(t)
	protocoltest.Run(t, protocoltest.Exam{Protocol: b.Protocol(), Strange: strange,
		Dial: func(_ *testing.T, id vigil.DeviceID, token string) (protocoltest.Conn, error) {
			o := paho3.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(string(id)).SetUsername(string(id)).SetPassword(token).
				SetAutoReconnect(false).SetConnectTimeout(2 * time.Second)
			c := paho3.NewClient(o)
			if tok := c.Connect(); !tok.WaitTimeout(3*time.Second) || tok.Error() != nil {
				return nil, fmt.Errorf("connect: %w", tok.Error())
			}
			return conn311{c}, nil
		}})
}

type conn311 struct{ c paho3.Client }

func (c conn311) Send(device vigil.DeviceID, payload string, timeout time.Duration) error {
	tok := c.c.Publish("vigil/"+string(device)+"/data", 1, false, payload)
	if !tok.WaitTimeout(timeout) {
		return protocoltest.ErrTimeout
	}
	return tok.Error()
}

func (c conn311) Drop() { c.c.Disconnect(0) }

func TestProtocol5(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprintf("QoS%d", qos), func(t *testing.T) {
			b, addr := listen(t)
			protocoltest.Run(t, protocoltest.Exam{Protocol: b.Protocol(), Strange: strange,
				Dial: func(_ *testing.T, id vigil.DeviceID, token string) (protocoltest.Conn, error) {
					return dial5(addr, id, token, qos)
				}})
		})
	}
}

type conn5 struct {
	c   *paho.Client
	nc  net.Conn
	qos byte
}

func dial5(addr string, id vigil.DeviceID, token string, qos byte) (*conn5, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := paho.NewClient(paho.ClientConfig{Conn: nc, PacketTimeout: 5 * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err = c.Connect(ctx, &paho.Connect{ClientID: string(id), KeepAlive: 30, CleanStart: true, UsernameFlag: true, Username: string(id), PasswordFlag: true, Password: []byte(token)})
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &conn5{c, nc, qos}, nil
}

func (c *conn5) Send(device vigil.DeviceID, payload string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	res, err := c.c.Publish(ctx, &paho.Publish{Topic: "vigil/" + string(device) + "/data", QoS: c.qos, Payload: []byte(payload)})
	if err == nil && res != nil && res.ReasonCode >= 0x80 {
		err = fmt.Errorf("refused with reason %#x", res.ReasonCode)
	}
	return err
}

func (c *conn5) Drop() { c.nc.Close() }

// TestSilentSocket holds that a connection without CONNECT is closed, and that it does not keep the broker from closing.
func TestSilentSocket(t *testing.T) {
	b, addr := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.Serve(ctx, protocol.Host{Intake: refuser{}, Log: slog.New(slog.DiscardHandler)})
	}()
	early, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	early.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := early.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a silent socket was not closed: %v", err)
	}
	late, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the broker hangs on a silent socket")
	}
}

type refuser struct{ protocol.Intake }

func (refuser) Authenticate(vigil.DeviceID, string) error {
	return vigil.Errorf(vigil.Denied, "test", "no")
}

func FuzzDecode(f *testing.F) {
	for _, s := range append(strange, "vigil/patch-1/data") {
		f.Add(s, []byte("{}"))
	}
	f.Fuzz(func(t *testing.T, topic string, body []byte) {
		e, err := mqtt.Decode(topic, body)
		if err != nil {
			if vigil.KindOf(err) != vigil.Invalid {
				t.Fatal(err)
			}
			return
		}
		if again, _ := mqtt.Encode(e); again != topic {
			t.Fatalf("%q became %q", topic, again)
		}
	})
}
