package mqtt

import (
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/protocol"
)

// Topics:
//
//	vigil/<device>/data      the device's messages, JSON by its profile
//	vigil/<device>/status    "online" or "offline", also as a will
//	vigil/<device>/command   to the device
const (
	prefix        = "vigil/"
	dataSuffix    = "/data"
	statusSuffix  = "/status"
	commandSuffix = "/command"
)

// Decode reads the device from the topic. It returns Invalid unless the topic is vigil/<device>/data.
func Decode(topic string, body []byte) (protocol.Envelope, error) {
	id, rest := split(topic)
	if id == "" || rest != dataSuffix {
		return protocol.Envelope{}, vigil.Errorf(vigil.Invalid, "mqtt.decode", "topic %q is not vigil/<device>/data", topic)
	}
	return protocol.Envelope{Device: id, Payload: body}, nil
}

// Encode returns the topic and body of a device's message.
func Encode(e protocol.Envelope) (string, []byte) {
	return prefix + string(e.Device) + dataSuffix, e.Payload
}

// split takes vigil/<device>/rest apart; rest keeps its slash. Both are "" for any other topic.
func split(topic string) (vigil.DeviceID, string) {
	after, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return "", ""
	}
	i := strings.IndexByte(after, '/')
	if i <= 0 || strings.ContainsAny(after[:i], "+#") {
		return "", ""
	}
	return vigil.DeviceID(after[:i]), after[i:]
}
