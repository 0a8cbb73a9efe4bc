package mqtt

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"
)

// publish is what is needed of a PUBLISH after it was read.
type publish struct {
	topic   string
	payload []byte
	id      uint16 // of QoS 1, 0 for none
	qos2    uint16 // of QoS 2, 0 for none
	alias   uint16 // MQTT 5, 0 for none
	status  bool
}

// decodePublish reads the variable header and payload of a PUBLISH with QoS 0 or 1 (3.3.2). The payload lies within
// body. known is the last topic of the connection, used again when it is the same. Errors are packets.Code.
func decodePublish(first byte, body []byte, version byte, known string) (p publish, err error) {
	name, rest, ok := cutString(body)
	if !ok {
		return p, packets.ErrMalformedTopic
	}
	if p.topic = known; string(name) != known {
		if !utf8.Valid(name) || bytes.IndexByte(name, 0) >= 0 {
			return p, packets.ErrMalformedInvalidUTF8
		}
		p.topic = string(name)
	}
	if first&6 != 0 { // QoS 1
		if len(rest) < 2 {
			return p, packets.ErrMalformedPacketID
		}
		p.id, rest = binary.BigEndian.Uint16(rest), rest[2:]
		if p.id == 0 {
			return p, packets.ErrProtocolViolationNoPacketID
		}
	}
	if version >= 5 {
		if p.alias, rest, err = publishProperties(rest); err != nil {
			return p, err
		}
	}
	if p.topic == "" && p.alias == 0 {
		return p, packets.ErrProtocolViolationNoTopic
	}
	if strings.ContainsAny(p.topic, "+#") {
		return p, packets.ErrProtocolViolationSurplusWildcard
	}
	p.payload = rest
	return p, nil
}

// publishProperties reads the properties of a PUBLISH (3.3.2.3), of which Vigil needs the topic alias.
func publishProperties(b []byte) (alias uint16, rest []byte, err error) {
	if len(b) > 0 && b[0] == 0 {
		return 0, b[1:], nil
	}
	var props packets.Properties
	n, err := props.Decode(packets.Publish, bytes.NewBuffer(b))
	switch {
	case err != nil || n > len(b):
		return 0, nil, packets.ErrMalformedProperties
	case props.TopicAliasFlag && props.TopicAlias == 0:
		return 0, nil, packets.ErrTopicAliasInvalid
	case len(props.SubscriptionIdentifier) > 0:
		return 0, nil, packets.ErrProtocolViolationSurplusSubID
	}
	return props.TopicAlias, b[n:], nil
}

// cutString takes a length-prefixed field off (1.5.4).
func cutString(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
