package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
)

const shortStory = `# Her pressure falls, a physician comes.
0s   sara systolic 121 diastolic 78
30s  sara systolic 84 diastolic 46
expect alarm map-low raised within 5s
expect dr-reyes paged within 5s
dr-reyes acknowledges
dr-reyes opens video with sara
sara joins
sara writes "I feel dizzy."
dr-reyes closes "Dizzy" "Fluids"
expect trend sara systolic 84 at 30s
`

func story(t *testing.T, url, text string, times int) *storyCmd {
	t.Helper()
	file := filepath.Join(t.TempDir(), "short.story")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &storyCmd{remoteFlags: remoteFlags{URL: url}, File: file, Speed: 60, Times: times}
}

func TestStoryOnARunningHouse(t *testing.T) {
	s := house(t)
	url := "http://" + s.Addr()
	if err := story(t, url, shortStory+"expect history video_opened within 5s\n", 1).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	worn := s.Engines.Devices.Current("Patient/duarte")
	if len(worn) != 2 || worn[0].Device != "patch-101" && worn[1].Device != "patch-101" {
		t.Errorf("Sara did not get her patch back: %+v", worn)
	}
	if err := story(t, url, shortStory, 5).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := story(t, url, "0s sara systolic 121\nexpect alarm map-low raised within 1s\n", 1).Run(t.Context())
	if vigil.KindOf(err) != vigil.Conflict || !strings.Contains(err.Error(), "1 things did not happen") {
		t.Errorf("%v", err)
	}
}
