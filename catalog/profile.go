package catalog

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Profile says how one model of device speaks: which field of its JSON message is which metric, in which unit.
type Profile struct {
	Key          string     `yaml:"profile"`
	Title        string     `yaml:"title"`
	Kind         string     `yaml:"kind"` // wearable, monitor, pump, bed, dispenser, inhaler, implant, room, lab
	Manufacturer string     `yaml:"manufacturer"`
	Model        string     `yaml:"model"`
	Protocols    []string   `yaml:"protocols"`
	Time         TimeField  `yaml:"time"`
	Coded        *Coded     `yaml:"coded"`
	Fields       []Field    `yaml:"fields"`
	Waveforms    []Wave     `yaml:"waveforms"`
	Events       []EventMap `yaml:"events"`
	Questionable []Doubt    `yaml:"questionable"`
	Ignore       []string   `yaml:"ignore"`  // known fields that are not kept
	Silence      string     `yaml:"silence"` // no data for so long is a technical alarm, Go duration; "" means never
}

// TimeField names the field that carries the device clock. Without it the receipt time is used.
type TimeField struct {
	Field string `yaml:"field"`
	Unit  string `yaml:"unit"` // ms, s, us, ns or rfc3339
}

// Coded describes messages that list {code, value} pairs instead of naming fields.
type Coded struct {
	At    string `yaml:"at"`    // path of the list
	Code  string `yaml:"code"`  // name of the code inside an item
	Value string `yaml:"value"` // name of the value inside an item
}

// Field maps one number. From is a dotted path, or a code of the Coded list.
type Field struct {
	From    string             `yaml:"from"`
	Metric  vigil.Metric       `yaml:"metric"`
	Unit    string             `yaml:"unit"`    // UCUM of the device, "" is the metric's own
	Words   map[string]float64 `yaml:"words"`   // values for words, for example {A: 0, C: 1}
	Missing []float64          `yaml:"missing"` // values that mean "not measured"
}

// Wave maps one list of integers at a fixed rate.
type Wave struct {
	From   string       `yaml:"from"`
	Metric vigil.Metric `yaml:"metric"`
	Rate   float64      `yaml:"rate"`  // samples per second
	Scale  float64      `yaml:"scale"` // physical = offset + scale*integer, in the metric's unit
	Offset float64      `yaml:"offset"`
}

// EventMap maps a string field to events, with other fields as their data.
type EventMap struct {
	From string                     `yaml:"from"`
	Map  map[string]vigil.EventKind `yaml:"map"`
	Data []string                   `yaml:"data"` // fields copied into Event.Data
}

// Doubt marks the whole message questionable while the field lies below Under or above Over.
type Doubt struct {
	From  string   `yaml:"from"`
	Under *float64 `yaml:"under"`
	Over  *float64 `yaml:"over"`
}

var keyPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// ParseProfile decodes and checks one profile. Its Invalid error lists every fault with its place in the YAML.
func ParseProfile(name string, text []byte) (*Profile, error) {
	var p Profile
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := dec.Decode(&p); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "catalog.profile", "%s: %s", name, yaml.FormatError(err, false, true))
	}
	if faults := p.check(); len(faults) > 0 {
		return nil, &vigil.Error{Kind: vigil.Invalid, Op: "catalog.profile", Msg: name + " is not a usable device profile", Faults: faults}
	}
	return &p, nil
}

func (p *Profile) check() (faults []vigil.Fault) {
	bad := func(path, format string, args ...any) {
		faults = append(faults, vigil.Fault{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
	if !keyPattern.MatchString(p.Key) {
		bad("profile", "%q is not a lower-case key such as smart-patch", p.Key)
	}
	if p.Title == "" || p.Kind == "" {
		bad("title", "a profile needs a title and a kind")
	}
	if len(p.Fields)+len(p.Waveforms)+len(p.Events) == 0 {
		bad("fields", "a profile maps at least one field, waveform or event")
	}
	switch p.Time.Unit {
	case "", "ms", "s", "us", "ns", "rfc3339":
	default:
		bad("time.unit", "%q is not one of ms, s, us, ns, rfc3339", p.Time.Unit)
	}
	if (p.Time.Field == "") != (p.Time.Unit == "") {
		bad("time", "field and unit go together")
	}
	if p.Coded != nil && (p.Coded.At == "" || p.Coded.Code == "" || p.Coded.Value == "") {
		bad("coded", "at, code and value are all needed")
	}
	seen := map[string]bool{}
	for i, f := range p.Fields {
		at := fmt.Sprintf("fields[%d]", i)
		if f.From == "" || seen[f.From] {
			bad(at+".from", "%q is empty or mapped twice", f.From)
		}
		seen[f.From] = true
		p.checkMetric(at, f.Metric, coding.Numeric, bad)
		if m, ok := coding.Lookup(f.Metric); ok {
			if _, _, err := coding.Conversion(f.Unit, m.UCUM); err != nil {
				bad(at+".unit", "%s", vigil.Message(err))
			}
		}
	}
	for i, w := range p.Waveforms {
		at := fmt.Sprintf("waveforms[%d]", i)
		p.checkMetric(at, w.Metric, coding.Waveform, bad)
		if w.Rate <= 0 || w.Rate > 20000 || w.Scale == 0 {
			bad(at, "rate must be in (0, 20000] per second and scale not 0")
		}
	}
	for i, e := range p.Events {
		if e.From == "" || len(e.Map) == 0 {
			bad(fmt.Sprintf("events[%d]", i), "from and map are needed")
		}
	}
	return faults
}

func (p *Profile) checkMetric(at string, key vigil.Metric, shape coding.Shape, bad func(string, string, ...any)) {
	m, ok := coding.Lookup(key)
	switch {
	case !ok:
		bad(at+".metric", "%q is not in the metric catalogue", key)
	case m.Shape != shape:
		bad(at+".metric", "%q is a %s, not a %s", key, m.Shape, shape)
	}
}
