package vigil

import "time"

// Priority ranks an alarm after IEC 60601-1-8. Higher is more urgent.
type Priority uint8

// The priorities. None marks what never sounds: tasks and notices.
const (
	PriorityNone Priority = iota
	PriorityLow
	PriorityMedium
	PriorityHigh
)

var priorityNames = [...]string{"none", "low", "medium", "high"}

// String returns "none", "low", "medium" or "high".
func (p Priority) String() string {
	if int(p) < len(priorityNames) {
		return priorityNames[p]
	}
	return "invalid"
}

// MarshalText writes the priority as its name.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a priority from its name.
func (p *Priority) UnmarshalText(b []byte) error {
	for i, n := range priorityNames {
		if n == string(b) {
			*p = Priority(i)
			return nil
		}
	}
	return Errorf(Invalid, "vigil.priority", "priority %q is not one of none, low, medium, high", b)
}

// AlarmKind says which of the desk's four matters an item is.
type AlarmKind string

// The kinds of item on the Attention list.
const (
	KindAlarm  AlarmKind = "alarm"  // physiological or technical event with a priority
	KindCall   AlarmKind = "call"   // a person asks for help
	KindTask   AlarmKind = "task"   // something due
	KindNotice AlarmKind = "notice" // for information
)

// AlarmClass separates the patient's state from the state of the equipment (IEC 60601-1-8 3.1, 3.36).
type AlarmClass string

// The classes of alarm.
const (
	Physiological AlarmClass = "physiological"
	Technical     AlarmClass = "technical"
)

// AlarmState is the life of an alarm: raised, paged, seen, acknowledged, resolved.
// Audio-paused, passed-on and escalated stand beside it as facts of the alarm.
type AlarmState string

// The states of an alarm in their order.
const (
	AlarmRaised       AlarmState = "raised"
	AlarmPaged        AlarmState = "paged"
	AlarmSeen         AlarmState = "seen"
	AlarmAcknowledged AlarmState = "acknowledged"
	AlarmResolved     AlarmState = "resolved"
)

// Alarm is one episode on the desk: an alarm, a call, a task or a notice. Its ID is made from rule, subject and
// the start of the episode, so evaluating twice raises once.
type Alarm struct {
	ID       string     `json:"id"`
	Kind     AlarmKind  `json:"kind"`
	Class    AlarmClass `json:"class,omitempty"`
	Priority Priority   `json:"priority"`
	State    AlarmState `json:"state"`
	Subject  Subject    `json:"subject"`
	Device   DeviceID   `json:"device,omitempty"`
	Unit     string     `json:"unit,omitempty"` // Location id of the care unit that watches it
	Rule     string     `json:"rule"`           // rule key, for example "map-low"
	Version  string     `json:"rule_version,omitempty"`
	Title    string     `json:"title"`            // short, "MAP low"
	Text     string     `json:"text,omitempty"`   // one sentence, "falling for 6 min"
	Metric   Metric     `json:"metric,omitempty"` // the metric that alarms
	Value    float64    `json:"value,omitempty"`  // latest value while the condition holds
	Limit    float64    `json:"limit,omitempty"`  // the limit crossed
	UCUM     string     `json:"ucum,omitempty"`   // unit of value and limit

	Onset    time.Time `json:"onset"`             // condition first true (device clock)
	Raised   time.Time `json:"raised"`            // on the desk (server clock)
	Updated  time.Time `json:"updated"`           // last change of anything here
	Ended    time.Time `json:"ended,omitzero"`    // condition no longer true
	Resolved time.Time `json:"resolved,omitzero"` // closed
	Latched  bool      `json:"latched,omitempty"` // stays until acknowledged although ended

	AckedBy        string    `json:"acked_by,omitempty"` // display name
	AckedInitials  string    `json:"acked_initials,omitempty"`
	AckedAt        time.Time `json:"acked_at,omitzero"`
	AudioPausedTil time.Time `json:"audio_paused_until,omitzero"`

	Chain string `json:"chain,omitempty"` // escalation chain key
	Step  int    `json:"step"`            // step of the chain last paged, from 1; 0 before the first
	Steps int    `json:"steps"`           // steps in the chain
	Next  *Due   `json:"next,omitempty"`  // what happens next unless somebody acknowledges
	Again *Again `json:"again,omitempty"` // when those of this step who gave no receipt are paged once more

	Asked  []Asked      `json:"asked,omitempty"`  // who was paged, oldest first
	Delays *AlarmDelays `json:"delays,omitempty"` // how long it took to become heard
	Off    *AlarmOff    `json:"off,omitempty"`    // set while its signals are turned off

	History  []AlarmStep `json:"history"`
	Evidence *Evidence   `json:"evidence,omitempty"`
	Demoted  *Demotion   `json:"demoted,omitempty"` // nil: the priority is the rule's own
	Judged   *Judgement  `json:"judged,omitempty"`  // nil: nobody has said whether it was real
}

// Truth is what an alarm turned out to be.
type Truth string

// The answers to "Was it real?".
const (
	TruthReal     Truth = "real"      // the patient's state was as the alarm said, and somebody had to act
	TruthArtefact Truth = "artefact"  // movement, a sensor off, a damped line: the patient was not in that state
	TruthNoAction Truth = "no_action" // the state was as the alarm said, and nothing had to be done
)

// Valid reports whether t is one of the answers.
func (t Truth) Valid() bool { return t == TruthReal || t == TruthArtefact || t == TruthNoAction }

// Judgement is what staff found an alarm to have been. A later one takes its place; both stay in the history.
type Judgement struct {
	Truth Truth     `json:"truth"`
	By    string    `json:"by"` // display name
	At    time.Time `json:"at"`
}

// Demotion says that an alarm sounds less urgent than its rule asks for, by whose judgement and why. It lowers the
// priority and never removes the alarm.
type Demotion struct {
	From   Priority `json:"from"`   // the rule's priority
	By     string   `json:"by"`     // who judged, "signal-quality"
	Reason string   `json:"reason"` // in words, "ECG: flat line"
}

// Open reports whether the alarm still asks for attention.
func (a *Alarm) Open() bool { return a.State != AlarmResolved }

// Active reports whether the alarm's condition still holds.
func (a *Alarm) Active() bool { return a.Ended.IsZero() }

// Again is when a step pages the same people once more, and how often it still will.
type Again struct {
	At   time.Time `json:"at"`
	Left int       `json:"left"`
}

// Asked is one person or team that was paged about an alarm.
type Asked struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Role string    `json:"role,omitempty"`
	Step int       `json:"step"` // of the chain, from 1; 0 when passed on by hand
	At   time.Time `json:"at"`
}

// AlarmDelays are the separate delays of an alarm as they were measured (IEC 60601-1-8:2006 6.3.3.3, 6.4, 6.11.2.3).
type AlarmDelays struct {
	Condition time.Duration `json:"condition_ns"`        // onset of the condition to the raise: alarm condition delay
	Signal    time.Duration `json:"signal_ns"`           // raise to the alarm on screens: alarm signal generation delay
	Paging    time.Duration `json:"paging_ns,omitempty"` // raise to the first page handed over; 0 when nobody was paged yet
}

// AlarmOff says why an alarm makes no signals: somebody turned them off for a time.
type AlarmOff struct {
	ID     string    `json:"id"`
	By     string    `json:"by"` // display name
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// Due is a step that will be taken at a time unless somebody acts first.
type Due struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"` // "Rapid response"
}

// AlarmStep is one durable transition of an alarm.
type AlarmStep struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`           // raised, demoted, promoted, paged, seen, acknowledged, audio_paused, passed_on, escalated, video_opened, ended, note, action, resolved, marked_true, marked_false, marked_no_action, off, on_again
	Who  string    `json:"who,omitempty"`  // display name of person or team
	Text string    `json:"text,omitempty"` // reason, note or action
	Cmd  string    `json:"cmd,omitempty"`  // id of the command that led to it: a command is carried out once
}

// Evidence is why an alarm was raised, kept with it for good.
type Evidence struct {
	Sentence string           `json:"sentence"` // "MAP stayed under 65 mmHg for 10 s"
	Lines    []EvidenceLine   `json:"lines"`    // the metrics that speak, first the one that alarms
	Limits   map[string]Limit `json:"limits,omitempty"`
	Delay    time.Duration    `json:"delay_ns"` // how long the condition had to hold
	Quality  string           `json:"quality,omitempty"`
	Facts    []string         `json:"facts,omitempty"` // "NEWS2 10, was 2 this morning"
}

// EvidenceLine is one metric before and at the alarm.
type EvidenceLine struct {
	Metric Metric       `json:"metric"`
	From   float64      `json:"from"`
	To     float64      `json:"to"`
	Points [][2]float64 `json:"points"` // [Unix ms, value], at most 60, in order
}

// Limit is the allowed range of a metric; nil sides are open.
type Limit struct {
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
}
