package torture_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The counts of a run. The defaults are what `make test` can afford; `make torture` asks for the full regime.
var (
	seed   = flag.Uint64("torture.seed", 0, "of everything random; 0 takes one from the clock")
	report = flag.String("torture.report", "", "Markdown file whose table between the markers takes the counts of this run")

	kills = flag.Int("torture.kills", 5, "rounds of kill -9 under load")
)

// random returns the randomness of a test and logs its seed.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-torture.seed=%d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// row is one line of the report; what is indented is a loss and must be zero unless it says otherwise.
type row struct {
	what  string
	count int
}

// results gathers the rows of the tests of this run by their fault.
var results struct {
	sync.Mutex
	faults []string
	rows   map[string][]row
}

// publish logs what a test found and keeps it for the report.
func publish(t *testing.T, fault string, rows []row) {
	t.Helper()
	t.Log("\n" + table(rows))
	if t.Failed() {
		return
	}
	results.Lock()
	defer results.Unlock()
	if results.rows == nil {
		results.rows = map[string][]row{}
	}
	results.faults, results.rows[fault] = append(results.faults, fault), rows
}

func table(rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-54s %d\n", r.what, r.count)
	}
	return b.String()
}

const (
	reportBegin = "<!-- torture: begin, written by make torture -->\n"
	reportEnd   = "<!-- torture: end -->"
)

// writeReport puts the results between the markers of the file, one section a fault; faults that this run did not try keep
// what an earlier one found.
func writeReport(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), reportBegin)
	_, after, end := strings.Cut(rest, reportEnd)
	if !ok || !end {
		return fmt.Errorf("%s lacks the markers %q and %q", path, reportBegin, reportEnd)
	}
	old, _, _ := strings.Cut(rest, reportEnd)
	sections := map[string]string{}
	order := []string{}
	for part := range strings.SplitSeq(old, heading) {
		if name, _, ok := strings.Cut(part, "\n"); ok && strings.TrimSpace(part) != "" {
			order, sections[name] = append(order, name), heading+part
		}
	}
	for _, fault := range results.faults {
		if sections[fault] == "" {
			order = append(order, fault)
		}
		sections[fault] = fmt.Sprintf("%s%s\n\n%s, machine class \"%d cores\", %s/%s:\n\n```\n%s```\n\n", heading, fault,
			time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, table(results.rows[fault]))
	}
	var b strings.Builder
	for _, name := range order {
		b.WriteString(sections[name])
	}
	return os.WriteFile(path, []byte(before+reportBegin+b.String()+reportEnd+after), 0o644)
}

const heading = "### "

func TestMain(m *testing.M) {
	if args := os.Getenv(scriptEnv); args != "" {
		os.Exit(runScript(args))
	}
	flag.Parse()
	code := m.Run()
	if *report != "" && code == 0 {
		if err := writeReport(*report); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if builtIn != "" {
		os.RemoveAll(builtIn) //nolint:errcheck // a directory of temporary files
	}
	os.Exit(code)
}
