// Package sim is the simulated hospital: bodies with vital signs and waveforms, the devices that wear them, the people
// around them, stories that are told with them, and recordings that are replayed as devices would send them.
//
// It speaks to Vigil only the way devices and people do. It never pretends to be real: every name in it is invented
// and what it sends is marked where the house shows it. Start at Ward for the living ward, at Story for stories,
// at Replay for recordings.
package sim
