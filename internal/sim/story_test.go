package sim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

func TestParseStory(t *testing.T) {
	s, err := sim.ParseStory("sara.story", []byte(`# Sara's pressure drops.
begins 07:50
0s   sara systolic 121 diastolic 78
10m  sara systolic 84   # low
expect dr-lee paged within 2m5s
dr-lee acknowledges "MAP low"
13m dr-lee opens video with sara
dr-lee closes "Better" "Fluids"
expect trend sara systolic 84 at 10m
expect no alarm map-low for 1m
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Title != "Sara's pressure drops." || s.Begins != "07:50" || len(s.Lines) != 8 {
		t.Fatalf("%+v", s)
	}
	if l := s.Lines[2]; l.Do != sim.ExpectPaged || l.Who != "dr-lee" || l.Within != 125*time.Second || l.No != 5 {
		t.Errorf("%+v", l)
	}
	if l := s.Lines[3]; l.Do != sim.DoAcknowledge || l.Name != "MAP low" || l.Timed {
		t.Errorf("%+v", l)
	}
	if got := strings.Join(s.Patients(), " ") + "; " + strings.Join(s.People(), " "); got != "sara; dr-lee" {
		t.Errorf("cast %q", got)
	}
}

func TestParseStoryErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"Empty", "# nothing\n", "nothing happens"},
		{"Back", "5m sara systolic 1\n4m sara systolic 2\n", "x.story:2: 4m0s has passed"},
		{"BackOverExpectation", "5m sara systolic 1\nexpect dr-lee paged within 2m\n6m sara systolic 2\n", "x.story:3: 6m0s has passed: the lines above reach to 7m0s"},
		{"Verb", "0s sara dances\n", "x.story:1: \"dances\" is nothing that happens"},
		{"Vital", "0s sara systolic 120 mood 3\n", "no vital sign; there are systolic"},
		{"Number", "0s sara systolic high\n", "\"high\" is no number for systolic"},
		{"OpenQuote", "dr-lee notes \"so\ndr-lee notes \"Dizzy\n", "close it with"},
		{"NoQuote", "dr-lee notes dizzy\n", "a text in quotes"},
		{"TooMuch", "0s sara lead off now\n", "one line says one thing"},
		{"State", "expect alarm map-low angry\n", "raised, acknowledged or resolved"},
		{"Within", "expect dr-lee paged within soon\n", "\"soon\" is no time"},
		{"Begins", "begins early\n0s sara systolic 1\n", "begins 07:50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sim.ParseStory("x.story", []byte(c.text))
			if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestStoryCheck(t *testing.T) {
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.ParseStory("x.story", []byte("0s nobody systolic 1\nexpect dr-who paged\n"))
	if err != nil {
		t.Fatal(err)
	}
	var e *vigil.Error
	if err := s.Check(h); !errors.As(err, &e) || len(e.Faults) != 2 || e.Faults[1].Path != "x.story:2" {
		t.Errorf("%v", err)
	}
}

func FuzzParseStory(f *testing.F) {
	f.Add([]byte("# a\n0s sara systolic 121 diastolic 78\nexpect dr-lee paged within 5s\ndr-lee closes \"a\" \"b\"\n"))
	f.Add([]byte("begins 07:50\nneeds medication\nexpect trend sara systolic 84 at 10m within 1s\nexpect no alarm \"MAP low\" for 1m"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := sim.ParseStory("f", text)
		if err != nil {
			if vigil.KindOf(err) != vigil.Invalid {
				t.Fatal(err)
			}
			return
		}
		for _, l := range s.Lines {
			if l.Do == "" || l.At < 0 || l.Within < 0 {
				t.Fatalf("%+v", l)
			}
		}
		s.Patients()
		s.People()
	})
}
