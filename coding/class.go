package coding

import "github.com/vigil-health/vigil"

// Class groups telemetry that is kept equally long.
type Class string

// The classes of telemetry. Events are no metric and have a class of their own.
const (
	ClassVitals      Class = "vitals"      // numerics of a person
	ClassWaveforms   Class = "waveforms"   // blocks of a curve
	ClassEnvironment Class = "environment" // the room and the bed
	ClassTechnical   Class = "technical"   // the state of devices
	ClassEvents      Class = "events"      // dose taken, tag seen, door opened
)

// Classes returns all classes in the order of a form.
func Classes() []Class {
	return []Class{ClassVitals, ClassWaveforms, ClassEnvironment, ClassTechnical, ClassEvents}
}

// ClassOf returns the class of a metric. One that the catalogue does not know counts as a vital sign: what is not known
// to be unimportant is kept like the most important.
func ClassOf(m vigil.Metric) Class {
	switch m {
	case "battery", "battery-voltage", "signal", "lead-impedance":
		return ClassTechnical
	case "room-temperature", "room-humidity", "room-co2", "room-pressure", "bed-occupied", "bed-angle", "bed-rail":
		return ClassEnvironment
	}
	if c, ok := Lookup(m); ok && c.Shape == Waveform {
		return ClassWaveforms
	}
	return ClassVitals
}
