package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/catalog"
)

// asProgram in the environment makes the test binary the program itself.
const asProgram = "VIGIL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// vigilSays runs the program in an empty directory and returns its exit code and what it wrote, errors last.
func vigilSays(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String() + errs.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDeviceTry(t *testing.T) {
	const scale = "profile: my-scale\ntitle: My scale\nkind: wearable\nprotocols: [rest]\nfields:\n  - {from: body.kg, metric: weight}\n"
	mine := write(t, "my-scale.yaml", scale)
	for _, c := range []struct {
		name     string
		args     []string
		code     int
		contains []string
	}{
		{"OwnProfile", []string{mine, write(t, "good.json", `{"body":{"kg":71.5}}`)}, 0, []string{`"weight"`, "71.5"}},
		{"UnmappedField", []string{mine, write(t, "new.json", `{"body":{"kg":71.5,"mood":3}}`)}, 2, []string{"body.mood", "1 parts of the message would go to the quarantine"}},
		{"Implausible", []string{mine, write(t, "far.json", `{"body":{"kg":7150}}`)}, 2, []string{"body.kg", "implausible"}},
		{"NotJSON", []string{mine, write(t, "bad.json", `{"body":`)}, 2, nil},
		{"NoSuchSample", []string{mine, "no-such-file.json"}, 2, []string{"no-such-file.json"}},
		{"NoSampleOfAnOwnProfile", []string{mine}, 2, []string{"ships no sample"}},
		{"NoSuchProfile", []string{"no-such-profile"}, 2, []string{"vigil device list"}},
		{"BrokenYAMLNamesTheLine", []string{write(t, "broken.yaml", scale+"  - {from: body.fat, metric\n")}, 2, []string{"broken.yaml", "7:"}},
		{"MisspeltKeyNamesTheLine", []string{write(t, "misspelt.yaml", strings.Replace(scale, "kind:", "knid:", 1))}, 2, []string{"misspelt.yaml", "3:", "knid"}},
		{"UnknownMetric", []string{write(t, "metric.yaml", strings.Replace(scale, "metric: weight", "metric: mood", 1))}, 2, []string{"mood"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, text := vigilSays(t, append([]string{"device", "try"}, c.args...)...)
			if code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, text)
			}
			for _, s := range c.contains {
				if !strings.Contains(text, s) {
					t.Errorf("%q does not contain %q", text, s)
				}
			}
			if strings.Contains(text, "goroutine ") || strings.Contains(text, "internal error") {
				t.Error(text)
			}
		})
	}
}

func TestDeviceTryOnEveryShippedProfile(t *testing.T) {
	for _, key := range catalog.DeviceKeys() {
		if err := (&deviceTryCmd{Profile: key}).Run(); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// doors keeps an examination off the ports of whatever else runs on the machine.
func doors(args ...string) []string {
	return append(args, "--http=", "--https=", "--mqtt=", "--mqtts=", "--turn=")
}

func TestDoctor(t *testing.T) {
	t.Run("Fresh", func(t *testing.T) {
		code, text := vigilSays(t, doors("doctor", "--data", "not-there-yet")...)
		if code != 0 || !strings.Contains(text, "the first start makes it") || !strings.Contains(text, "Everything looks well") {
			t.Errorf("%d %s", code, text)
		}
	})
	t.Run("TakenPort", func(t *testing.T) {
		s := house(t)
		code, text := vigilSays(t, "doctor", "--data", "not-there-yet", "--http="+s.Addr(), "--https=", "--mqtt=", "--mqtts=", "--turn=")
		if code != 2 || !strings.Contains(text, "BAD  port http "+s.Addr()) || strings.Contains(text, "looks well") {
			t.Errorf("%d %s", code, text)
		}
	})
	t.Run("RunningThenCorrupted", func(t *testing.T) {
		dir := t.TempDir()
		s, stop := houseIn(t, dir)
		code, text := vigilSays(t, doors("doctor", "--data", dir)...)
		if code != 0 || !strings.Contains(text, "a Vigil is running") {
			t.Errorf("while %s runs: %d %s", s.Addr(), code, text)
		}
		stop()
		records := filepath.Join(dir, "records.db")
		b, err := os.ReadFile(records)
		if err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string][]byte{"NoDatabase": []byte(strings.Repeat("this is no database. ", 500)), "Overwritten": overwritten(b)} {
			if err := os.WriteFile(records, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			code, text := vigilSays(t, doors("doctor", "--data", dir)...)
			if code != 2 || !strings.Contains(text, "BAD  records:") || !strings.Contains(text, "backup") || strings.Contains(text, "looks well") {
				t.Errorf("%s: %d %s", name, code, text)
			}
		}
	})
}

// overwritten is a database whose inner pages are garbage while its head is whole.
func overwritten(b []byte) []byte {
	b = bytes.Clone(b)
	for i := 4096 * 4; i < len(b)-4096; i++ {
		b[i] = 0xA5
	}
	return b
}
