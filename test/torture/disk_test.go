package torture_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/sim"
	"github.com/vigil-health/vigil/test/torture/powerfs"
)

// ill is the real program on a simulated disk, under the load of the fleets.
type ill struct {
	*house
	disk    *powerfs.Disk
	devices []*fleet
	notes   *chart
}

func newIll(t *testing.T) *ill {
	t.Helper()
	dir, disk := mountDisk(t, powerfs.NewImage())
	h := newHouseIn(t, filepath.Join(dir, "data"), sim.LoadSize{Gateways: fleets + 1, Patches: fleets * patchesPerFleet}, fleets, "http://127.0.0.1:1")
	t.Cleanup(func() {
		h.kill()
		unmount(t, dir, disk)
	})
	x := &ill{house: h, disk: disk, devices: newFleets(h), notes: &chart{patient: h.ward.Devices[0]}}
	x.start(t)
	return x
}

// load lets everybody send for a while.
func (x *ill) load(t *testing.T, span time.Duration) {
	t.Helper()
	for _, f := range x.devices {
		if err := f.connect(t.Context(), x.house); err != nil {
			t.Fatalf("%v: %s", err, x.lastWords)
		}
	}
	x.notes.connect(t.Context(), x.house)
	time.Sleep(span)
}

func (x *ill) rest() {
	for _, f := range x.devices {
		f.disconnect()
	}
	x.notes.disconnect()
}

func (x *ill) acked() (n int) {
	for _, f := range x.devices {
		f.mu.Lock()
		for _, p := range f.patches {
			for _, s := range p.samples {
				if s.acked {
					n++
				}
			}
		}
		f.mu.Unlock()
	}
	return n
}

const illPatience = 15 * time.Second

// untilRefused waits until the program says that it does not acknowledge, and returns why.
func (x *ill) untilRefused(t *testing.T) string {
	t.Helper()
	for until := time.Now().Add(illPatience); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if why := x.ready(t.Context()); why != "" {
			return why
		}
	}
	t.Fatal("the program still says that it is ready")
	return ""
}

// restarted kills the program, cuts the power, starts it on what is left and looks everything up.
func (x *ill) restarted(t *testing.T) (found looked, notes, notesLost int) {
	t.Helper()
	x.rest()
	left := x.disk.Cut(nil)
	x.kill()
	mounted := filepath.Dir(x.dir)
	if err := x.disk.Unmount(); err != nil {
		t.Fatal(err)
	}
	disk, err := powerfs.Mount(mounted, left)
	if err != nil {
		t.Fatal(err)
	}
	x.disk = disk
	t.Cleanup(func() {
		x.kill()
		disk.Unmount() //nolint:errcheck // the test is over
	})
	x.start(t)
	found = lookUp(t, x.house, x.devices, 0)
	notes, notesLost = x.notes.check(t, x.house, 0)
	if why := x.ready(t.Context()); why != "" {
		t.Errorf("after the restart it is not ready: %s", why)
	}
	return found, notes, notesLost
}

// TestDiskIll lets the disk under the real program fill up, fail its syncs and become slow.
func TestDiskIll(t *testing.T) {
	var rows []row
	for _, c := range []struct {
		name string
		ill  func(t *testing.T, x *ill)
	}{
		{"full disk", diskFull},
		{"failing fsync", syncFails},
		{"slow disk (fsync takes 150 ms)", diskSlow},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", ""), func(t *testing.T) {
			x := newIll(t)
			c.ill(t, x)
			after := x.acked()
			found, notes, lost := x.restarted(t)
			rows = append(rows, row{c.name + ": messages acknowledged", after}, row{"  lost after restart and power cut", found.lost},
				row{c.name + ": FHIR resources written", notes}, row{"  lost", lost})
		})
	}
	publish(t, "An ill disk under the real program", rows)
}

// diskFull: what does not fit is refused and said; nothing is acknowledged until a restart with room.
func diskFull(t *testing.T, x *ill) {
	x.load(t, time.Second)
	x.disk.Full.Store(1) // no file grows
	why := x.untilRefused(t)
	if !strings.Contains(why, "no space") || !strings.Contains(why, "restart") {
		t.Errorf("it says %q", why)
	}
	x.nothingMore(t)
	x.disk.Full.Store(0)
}

func syncFails(t *testing.T, x *ill) {
	x.load(t, time.Second)
	x.disk.FailSync.Store(true)
	why := x.untilRefused(t)
	if !strings.Contains(why, "input/output error") || !strings.Contains(why, "restart") {
		t.Errorf("it says %q", why)
	}
	x.nothingMore(t)
	x.disk.FailSync.Store(false)
	time.Sleep(200 * time.Millisecond)
	if x.ready(t.Context()) == "" {
		t.Error("it acknowledges again although a sync has failed: what that should have written is lost")
	}
	x.nothingMore(t)
}

// nothingMore holds that nothing is acknowledged any more, and that what is stored can still be read.
func (x *ill) nothingMore(t *testing.T) {
	t.Helper()
	time.Sleep(100 * time.Millisecond)
	before := x.acked()
	time.Sleep(400 * time.Millisecond)
	if now := x.acked(); now != before {
		t.Errorf("%d messages were acknowledged on a disk that does not take them", now-before)
	}
	var status struct {
		Acknowledging bool   `json:"acknowledging"`
		Reason        string `json:"reason"`
	}
	if err := x.call(t.Context(), "GET", "/api/status", &status); err != nil || status.Acknowledging || status.Reason == "" {
		t.Errorf("the system page says %+v, %v", status, err)
	}
	p := x.devices[0].patches[0]
	if values, _ := p.stored(t, x.house, p.samples[0].at, p.samples[0].at+querySpan.Milliseconds()); len(values) == 0 {
		t.Error("what is stored cannot be read")
	}
}

// diskSlow: less is taken, nothing is lost, memory stays where it is.
func diskSlow(t *testing.T, x *ill) {
	x.load(t, 500*time.Millisecond)
	before := x.acked()
	x.disk.SyncDelay.Store(int64(150 * time.Millisecond))
	time.Sleep(3 * time.Second)
	if x.acked() == before {
		t.Error("nothing is acknowledged on a slow disk")
	}
	if why := x.ready(t.Context()); why != "" {
		t.Errorf("it gave up: %s", why)
	}
	if m := x.memory(); m > memoryLimit {
		t.Errorf("%d MB of memory", m>>20)
	}
	x.disk.SyncDelay.Store(0)
}

const memoryLimit = 600 << 20
