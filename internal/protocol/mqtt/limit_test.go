package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/protocol"
)

// limiting refuses what a gateway says for the device "mad".
type limiting struct{}

func (limiting) Authenticate(vigil.DeviceID, string) error           { return nil }
func (limiting) MaySpeakFor(vigil.DeviceID, vigil.DeviceID) bool     { return true }
func (limiting) Pace(vigil.DeviceID, int, int) time.Duration         { return 0 }
func (limiting) Admit(vigil.DeviceID, bool, ...vigil.DeviceID) error { return nil }
func (limiting) Accept(m ingest.Message, done func(error)) {
	if m.Device == "mad" && m.Refuse {
		done(&gate.Limited{})
		return
	}
	done(nil)
}

// TestOverQuota holds that MQTT 5 says 0x97 to a gateway for one device, that the connection lives on, and the device
// beside it is heard; and that a device's own connection asks to be held instead of refused.
func TestOverQuota(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprintf("QoS%d", qos), func(t *testing.T) {
			b, addr := listen(t)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- b.Serve(ctx, protocol.Host{Intake: limiting{}, Log: slog.New(slog.DiscardHandler)}) }()
			defer func() { cancel(); <-ended }()
			gateway, err := dial5(addr, "gw", "t", qos)
			if err != nil {
				t.Fatal(err)
			}
			defer gateway.Drop()
			if err := gateway.Send("mad", `{"hr":1}`, 3*time.Second); err == nil || !strings.Contains(err.Error(), "0x97") && !strings.Contains(err.Error(), "imposed limit") { // as paho words it
				t.Errorf("over quota: %v, want reason 0x97", err)
			}
			if err := gateway.Send("good", `{"hr":1}`, 3*time.Second); err != nil {
				t.Errorf("the device beside it: %v", err)
			}
			own, err := dial5(addr, "mad", "t", qos)
			if err != nil {
				t.Fatal(err)
			}
			defer own.Drop()
			if err := own.Send("mad", `{"hr":1}`, 3*time.Second); err != nil {
				t.Errorf("its own connection is refused instead of held: %v", err)
			}
		})
	}
}
