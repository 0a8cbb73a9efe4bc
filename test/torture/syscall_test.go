package torture_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

var syscallStep = flag.Int("torture.syscallstep", 25, "kill at every n-th call of each kind; 1 for all")

const syscallScript = 12 // numbers of each kind that the script writes

// calls are those by which a store changes a disk, as strace names them.
var calls = []string{"openat", "mkdirat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "renameat", "unlinkat", "fallocate"}

// TestKillAtEveryCall runs the script again and again and kills it at its first, second, third … call of each kind, in
// any of its threads.
func TestKillAtEveryCall(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed (Debian package strace)")
	}
	var killed, checked, lost, invented, told int
	for _, call := range calls {
		for when := 1 + *syscallStep/2; ; when += *syscallStep {
			dir := t.TempDir()
			out, alive := underStrace(t, strace, dir, fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, when))
			l := newLedger()
			l.next = syscallScript
			l.take(out)
			f, err := examine(dir, l.next)
			if err != nil {
				t.Errorf("%s %d: the stores do not open: %v", call, when, err)
				break
			}
			v := judge(l, f)
			checked, lost, invented, told = checked+v.checked, lost+v.lost, invented+v.invented, told+len(f.told)
			for _, s := range append(v.text, f.told...) {
				t.Errorf("killed at %s %d: %s", call, when, s)
			}
			os.RemoveAll(dir) //nolint:errcheck // the test's own directory goes anyway
			if alive {
				break // the script has fewer calls of this kind
			}
			killed++
		}
	}
	publish(t, "Kill at every file system call of a script", []row{
		{"calls at which the script was killed", killed},
		{"acknowledged writes looked up", checked},
		{"  lost", lost},
		{"  stored and never written, or written otherwise", invented},
		{"  reported as damage", told},
	})
}

// underStrace runs the script and says whether it came to its end.
func underStrace(t *testing.T, strace, dir, inject string) (out []byte, alive bool) {
	t.Helper()
	cmd := exec.Command(strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+strings.Join(calls, ","), "-e", inject, os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", scriptEnv, dir, 0, syscallScript), "GOMAXPROCS=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil && exit.ExitCode() == 1 {
		t.Fatalf("the script failed by itself: %s", stderr.Bytes())
	}
	return stdout.Bytes(), err == nil
}
