// Package vigil holds the words of the house: samples, waveforms, events, devices, subjects, alarms and errors.
//
// Every floor speaks these words, so the package depends on the standard library only and does nothing by itself.
// It is not the place for behaviour: what the house does lives in internal/engine, codes and units in coding,
// FHIR resources in internal/fhir. Start at sample.go and report.go for telemetry and at alarm.go for what calls a person.
package vigil
