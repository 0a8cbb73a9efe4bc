package vigil

// Report is everything usable that one device said in one message, mapped to coded metrics and bound to its subject.
// It is the unit that is written to the log, acknowledged, and handed to rules, stores and screens.
type Report struct {
	Device    DeviceID
	Subject   Subject
	Received  int64 // Unix nanoseconds of receipt by the server clock
	Protocol  string
	Samples   []Sample
	Waveforms []Waveform
	Events    []Event
}

// ProtocolDerived is the protocol of reports that the house made from a device's waveforms.
const ProtocolDerived = "derived"

// Empty reports whether the report carries nothing.
func (r *Report) Empty() bool {
	return len(r.Samples) == 0 && len(r.Waveforms) == 0 && len(r.Events) == 0
}
