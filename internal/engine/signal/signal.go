// Package signal finds what an ECG and a pulse wave say: beats, heart rate, variability, atrial fibrillation, pauses,
// and how far the signal can be trusted.
//
// It is arithmetic on samples: it stores nothing, raises no alarm and knows no patient. What it finds becomes metrics
// with samples (Deriver), which rules judge like any other. Start at QRS for beats, Rhythm for what follows from them,
// Quality for trust, and Deriver for how the three hang together on a stream.
package signal
