// Package apptest is the examination that every application passes: a complete table of contents, closed doors,
// patients kept apart, a clean stop, a restart that repeats nothing, rules and stories that can be read.
//
// It is a test suite, called in five lines from the application's own test, and the house those tests build on: real
// engines over SQLite and Pebble on a clock that only moves when told to. It ships nothing in the binary.
// Start at Run; for an application's own tests start at Open.
package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Run examines an application.
func Run(t *testing.T, a app.App) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, a app.App)
	}{
		{"Contents", contents}, {"Doors", doors}, {"Patients", patients}, {"Stop", stop}, {"Restart", restart}, {"Rules", rules}, {"Stories", stories},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, a) })
	}
}

// begin is a Monday morning before the first medicines.
func begin() time.Time { return time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC) }

func everyRole() []access.Role {
	return []access.Role{access.Nurse, access.Physician, access.Engineer, access.Admin, access.Patient}
}

func contents(t *testing.T, a app.App) {
	if !regexp.MustCompile(`^[a-z]+$`).MatchString(a.Name) || a.Title == "" || a.Icon == "" || a.Files == nil || a.Start == nil {
		t.Fatalf("%q: name, title, icon, files and start must be there", a.Name)
	}
	if len(a.Records) == 0 || !slices.IsSorted(a.Records) {
		t.Error("the records it uses must be named, in order of the alphabet")
	}
	readme, err := fs.ReadFile(a.Files, "README.md")
	if err != nil || !bytes.HasPrefix(readme, []byte("# "+a.Title)) {
		t.Errorf("README.md must begin with %q (%v)", "# "+a.Title, err)
	}
	for _, s := range a.Config {
		if s.Key == "" || s.Text == "" {
			t.Errorf("setting %q has no key or no text", s.Key)
		}
	}
	golden(t, a, string(readme))
	for _, p := range a.Pages {
		if !strings.HasPrefix(p.Path, "/app/"+a.Name) || p.Title == "" || p.Icon == "" || len(p.Roles.List()) == 0 {
			t.Errorf("page %q needs a path below /app/%s, a title, an icon and roles", p.Path, a.Name)
		}
	}
}

var update = flag.Bool("update", false, "write the tables of README.md anew")

const mark = "<!-- from here on made by the tests: go test . -update -->\n"

// golden holds that README.md ends with the table of contents as the application states it, its routes too.
func golden(t *testing.T, a app.App, readme string) {
	h := Open(t, t.TempDir(), begin(), a)
	own, _, _ := strings.Cut(readme, mark)
	want := own + mark + tables(a, h.Room.Routes())
	if want == readme {
		return
	}
	if !*update {
		t.Errorf("README.md is stale; run go test . -update\nwant its end to be:\n%s", want[len(own):])
		return
	}
	if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil { //nolint:gosec // a document
		t.Fatal(err)
	}
}

func tables(a app.App, routes []app.Route) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Contents\n\nRecords: %s.\n\n| page | title | roles |\n| --- | --- | --- |\n", strings.Join(a.Records, ", "))
	for _, p := range a.Pages {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Path, p.Title, names(p.Roles))
	}
	b.WriteString("\n| route | roles |\n| --- | --- |\n")
	for _, rt := range routes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", rt.Pattern, names(rt.Roles))
	}
	b.WriteString("\n| setting | default | |\n| --- | --- | --- |\n")
	for _, s := range a.Config {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Key, s.Value, s.Text)
	}
	return b.String()
}

func names(r app.Roles) string {
	var out []string
	for _, role := range r.List() {
		out = append(out, string(role))
	}
	return strings.Join(out, ", ")
}

func doors(t *testing.T, a app.App) {
	h := Open(t, t.TempDir(), begin(), a)
	if len(h.Room.Routes()) == 0 && len(a.Pages) > 0 {
		t.Error("an application with pages has routes")
	}
	for _, rt := range h.Room.Routes() {
		if _, err := rt.Serve(context.Background(), Input{}); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("%s: a caller who is not signed in gets %v", rt.Pattern, err)
		}
		if len(rt.Roles.List()) == 0 {
			t.Errorf("%s names no role", rt.Pattern)
		}
		for _, role := range everyRole() {
			if slices.Contains(rt.Roles.List(), role) {
				continue
			}
			if _, err := rt.Serve(As(role, "xavier"), Input{}); vigil.KindOf(err) != vigil.Denied {
				t.Errorf("%s: role %s gets %v", rt.Pattern, role, err)
			}
		}
	}
	if len(h.Alarms(Vera))+len(h.Alarms(Otto)) > 0 {
		t.Error("a refused call raised something")
	}
}

// patients holds that a patient learns nothing of another, however he names her.
func patients(t *testing.T, a app.App) {
	h := Open(t, t.TempDir(), begin(), a)
	body, err := json.Marshal(map[string]string{"patient_id": Vera})
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range h.Room.Routes() {
		if !slices.Contains(rt.Roles.List(), access.Patient) {
			continue
		}
		for _, in := range []Input{
			{Params: map[string]string{"patient": Vera, "patient_id": Vera, "id": Vera, "q": "Verdan"}},
			{Params: map[string]string{"id": Vera}, Body: string(body)}, {},
		} {
			out, err := rt.Serve(As(access.Patient, Otto), in)
			if err != nil {
				if k := vigil.KindOf(err); k == vigil.Internal || strings.Contains(vigil.Message(err), "Verdan") {
					t.Errorf("%s: %v", rt.Pattern, err)
				}
				continue
			}
			text, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"Verdan", "90-001", `"` + Vera + `"`} {
				if bytes.Contains(text, []byte(secret)) {
					t.Errorf("%s tells another patient %s: %s", rt.Pattern, secret, text)
				}
			}
		}
	}
}

// stop holds that the application leaves no goroutine behind, also when it is stopped twice or in the middle of work.
func stop(t *testing.T, a app.App) {
	h := Open(t, t.TempDir(), begin(), a)
	h.Advance(3*time.Hour, 30*time.Minute)
	h.Stop()
	h.Stop()
	var left []string
	for range 1000 { // a goroutine that has signed off may still be on its way out
		if left = goroutines(); len(left) == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines of the application are left:\n%s", len(left), strings.Join(left, "\n\n"))
}

func goroutines() (left []string) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "/internal/app") && !strings.Contains(g, "testing.tRunner") && !strings.Contains(g, "testing.(*M).Run") && !strings.Contains(g, "apptest.(*House)") {
			left = append(left, g)
		}
	}
	return left
}

// restart holds that a house that was stopped raises nothing twice and forgets nothing that was raised.
func restart(t *testing.T, a app.App) {
	dir := t.TempDir()
	h := Open(t, dir, begin(), a)
	h.Advance(40*time.Hour, 15*time.Minute)
	before, at, routes := raised(h), h.Clock.Now(), len(h.Room.Routes())
	h.Stop()
	h = Open(t, dir, at, a)
	h.Advance(time.Minute, time.Minute)
	if after := raised(h); !slices.Equal(before, after) {
		t.Errorf("raised before the restart: %v\nafter: %v", before, after)
	}
	if len(h.Room.Routes()) != routes {
		t.Error("the routes changed with the restart")
	}
}

func raised(h *House) (ids []string) {
	for _, who := range []string{Vera, Otto} {
		for _, al := range h.Alarms(who) {
			ids = append(ids, al.ID+" "+string(al.State))
		}
	}
	slices.Sort(ids)
	return ids
}

func rules(t *testing.T, a app.App) {
	names, err := fs.Glob(a.Files, "rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(a.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		var list []catalog.Rule
		if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, r := range list {
			if r.Key == "" || r.Title == "" || r.Version == "" {
				t.Errorf("%s: rule %q needs key, version and title", name, r.Key)
			}
		}
	}
}

// stories holds the form of a story: a comment, a time and what happens, an expectation, or what somebody does.
func stories(t *testing.T, a app.App) {
	names, err := fs.Glob(a.Files, "stories/*.story")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^(#.*|\d+(\.\d+)?(ms|s|m|h|d)(\d+(m|s))? +\S+ +\S.*|expect +\S+ +\S.*|[a-z][a-z0-9-]* +[a-z]+.*)$`)
	for _, name := range names {
		text, err := fs.ReadFile(a.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("# ")) {
			t.Errorf("%s must begin with a sentence that tells it", name)
		}
		for i, l := range strings.Split(string(text), "\n") {
			if l = strings.TrimSpace(l); l != "" && !line.MatchString(l) {
				t.Errorf("%s:%d: %q is no line of a story", name, i+1, l)
			}
		}
	}
}
