package telemetry

import "github.com/vigil-health/vigil"

// An event's value is a version and its data; kind, time and device are in the key.
const eventVersion = 1

func encodeEvent(e *vigil.Event) []byte { return appendData([]byte{eventVersion}, e.Data) }

func decodeEvent(b []byte) (map[string]string, bool) {
	in := input{b: b}
	if in.byte() != eventVersion {
		return nil, false
	}
	data := in.data()
	return data, !in.bad
}
