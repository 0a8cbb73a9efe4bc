package sim

import (
	_ "embed"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"
)

//go:embed hospital.yaml
var hospitalText []byte

// Hospital is the cast: units, beds, staff, patients and what they wear.
type Hospital struct {
	Site     string    `yaml:"site"`
	Units    []Unit    `yaml:"units"`
	Staff    []Staff   `yaml:"staff"`
	Patients []Patient `yaml:"patients"`
	Cleaning struct {
		Bed     int    `yaml:"bed"`
		Note    string `yaml:"note"`
		Minutes int    `yaml:"minutes"`
	} `yaml:"cleaning"`
	Rooms []Room `yaml:"rooms"`
}

// Unit is a care unit.
type Unit struct {
	ID   string `yaml:"id"`
	Name string `yaml:"name"`
	Kind string `yaml:"kind"` // icu or home
	Beds int    `yaml:"beds"`
}

// Staff is one who works there. Order is the place in the on-call order of the role.
type Staff struct {
	ID       string `yaml:"id"`
	Family   string `yaml:"family"`
	Given    string `yaml:"given"`
	Title    string `yaml:"title"`
	Role     string `yaml:"role"`
	Initials string `yaml:"initials"`
	Login    string `yaml:"login"`
	Order    int    `yaml:"order"`
}

// Name returns "Dr Reyes" or "K. Adeyemi".
func (s Staff) Name() string {
	if s.Title != "" {
		return s.Title + " " + s.Family
	}
	return string([]rune(s.Given)[:1]) + ". " + s.Family
}

// Patient is one patient with his body and devices.
type Patient struct {
	ID        string     `yaml:"id"`
	Family    string     `yaml:"family"`
	Given     string     `yaml:"given"`
	Sex       string     `yaml:"sex"`
	Born      string     `yaml:"born"`
	MRN       string     `yaml:"mrn"`
	Bed       int        `yaml:"bed"`
	Home      bool       `yaml:"home"`
	Nurse     string     `yaml:"nurse"`
	Physician string     `yaml:"physician"`
	Line      bool       `yaml:"line"`   // arterial line: continuous pressure instead of a cuff
	Oxygen    float64    `yaml:"oxygen"` // L/min
	Vitals    [6]float64 `yaml:"vitals"`
	Weight    float64    `yaml:"weight"`
	Code      string     `yaml:"code"`
	Allergy   string     `yaml:"allergy"`
	Isolation string     `yaml:"isolation"`
	Flags     []string   `yaml:"flags"`
	Problems  []string   `yaml:"problems"`
	Running   []string   `yaml:"running"`
	Patch     string     `yaml:"patch"`
	Dispenser string     `yaml:"dispenser"`
	Programme string     `yaml:"programme"`
	Standby   string     `yaml:"standby"`
	Story     string     `yaml:"story"` // what happens to him in the living ward: sepsis, lead, silence
	Drift     string     `yaml:"drift"` // the vital sign that now and then crosses a limit: hr, spo2
	Account   string     `yaml:"account"`
	Medicines []Medicine `yaml:"medicines"`
}

// Body returns the patient's resting body.
func (p Patient) Body(seed uint64) *Body {
	v := p.Vitals
	return NewBody(seed, Vitals{HR: v[0], SpO2: v[1], RR: v[2], Sys: v[3], Dia: v[4], Temp: v[5], EtCO2: 36})
}

// Monitor returns the id of the bedside monitor, "" at home.
func (p Patient) Monitor() string {
	if p.Bed == 0 {
		return ""
	}
	return fmt.Sprintf("monitor-%02d", p.Bed)
}

// Medicine is one prescription.
type Medicine struct {
	Name  string   `yaml:"name"`
	Code  string   `yaml:"code"`
	Times []string `yaml:"times"` // local time of day
	Hold  bool     `yaml:"hold"`
}

// Room is a place with a climate sensor.
type Room struct {
	ID          string  `yaml:"id"`
	Name        string  `yaml:"name"`
	Unit        string  `yaml:"unit"`
	Device      string  `yaml:"device"`
	Temperature float64 `yaml:"temperature"`
	Humidity    float64 `yaml:"humidity"`
	CO2         float64 `yaml:"co2"`
	Pressure    float64 `yaml:"pressure"`
}

// LoadHospital returns the shipped hospital.
func LoadHospital() (*Hospital, error) {
	var h Hospital
	if err := yaml.UnmarshalWithOptions(hospitalText, &h, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("simulated hospital: %w", err)
	}
	for _, p := range h.Patients {
		if _, err := time.Parse(time.DateOnly, p.Born); err != nil {
			return nil, fmt.Errorf("simulated hospital: patient %s: %w", p.ID, err)
		}
	}
	return &h, nil
}
