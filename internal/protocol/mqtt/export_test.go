package mqtt

// DecodePublish is decodePublish for the fuzz test.
func DecodePublish(first byte, body []byte, version byte) (topic string, payload []byte, id uint16, err error) {
	p, err := decodePublish(first, body, version, "")
	return p.topic, p.payload, p.id, err
}
