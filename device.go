package vigil

import "time"

// DeviceID is the id of a Device record; devices also present it as their user name.
type DeviceID string

// Binding says which patient or place a device speaks for, from when to when.
type Binding struct {
	Device  DeviceID  `json:"device"`
	Subject Subject   `json:"subject"`
	From    time.Time `json:"from"`         // inclusive
	To      time.Time `json:"to,omitzero"`  // exclusive; zero means still bound
	By      string    `json:"by,omitempty"` // account that made the binding
}

// Covers reports whether the binding is in force at t.
func (b Binding) Covers(t time.Time) bool {
	return !t.Before(b.From) && (b.To.IsZero() || t.Before(b.To))
}
