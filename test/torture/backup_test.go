package torture_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/sim"
)

var backupKills = flag.Int("torture.backups", 3, "kills during a backup, and as many during a restore")

// backedUp is what TestKilledBackup found. What is indented must be zero.
type backedUp struct {
	looked
	kills, partial, whole, restores, taken, refused, differ int
}

func (c *backedUp) rows() []row {
	return []row{
		{"kills -9 while a backup was made under load", c.kills},
		{"backups that broke off", c.partial},
		{"  taken for whole", c.taken},
		{"backups that were through before the kill", c.whole},
		{"  refused", c.refused},
		{"kills -9 during a restore", c.restores},
		{"acknowledged samples looked up in the restored house", c.samples},
		{"  lost or different", c.lost + c.differ},
	}
}

// TestKilledBackup kills the program while it makes a backup under load, and a restore on its way: half an archive is
// never taken for a whole one, and the restore that is done in the end holds everything acknowledged before its backup.
func TestKilledBackup(t *testing.T) {
	rnd := random(t)
	var c backedUp
	pages := newPager(t)
	patches := fleets * patchesPerFleet
	h := newHouse(t, sim.LoadSize{Gateways: fleets + 1, Patches: patches, Cuffs: *backupKills * alarmsPerRound}, fleets, pages.URL)
	kept := filepath.Join(t.TempDir(), "kept")
	config, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	plan := append(config, []byte("backup: {to: \""+kept+"\", every: 1m}\n")...)
	if err := os.WriteFile(h.config, plan, 0o600); err != nil {
		t.Fatal(err)
	}
	devices, w := newFleets(h), newWard(h, patches)
	for round := range *backupKills {
		h.start(t) // a backup is due at every start, since the one before is taken away
		live(t, h, devices, w, life{round: round, span: rand32(rnd, 900*time.Millisecond), rnd: rnd})
		c.kills++
		c.judge(t, h, kept)
	}
	h.start(t)
	file := untilKept(t, kept)
	h.kill()
	data := filepath.Join(t.TempDir(), "restored")
	for range *backupKills {
		cmd := exec.Command(h.bin, "restore", "--from", file, "--data", data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand32(rnd, 250*time.Millisecond))
		cmd.Process.Kill() //nolint:errcheck // it may be through
		cmd.Wait()         //nolint:errcheck // killed
		c.restores++
		if _, err := os.Stat(filepath.Join(data, "restored.json")); err == nil { // it was through: begin anew
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := exec.Command(h.bin, "restore", "--from", file, "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	if out, err := exec.Command(h.bin, "verify", "--data", data).CombinedOutput(); err != nil || !strings.Contains(string(out), "everything is as the backup says") {
		t.Errorf("verify: %v\n%s", err, out)
		c.differ++
	}
	if err := os.WriteFile(h.config, []byte(strings.Replace(string(config), h.dir, data, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	c.looked = lookUp(t, h, devices, 0)
	if c.lost+c.taken+c.refused > 0 {
		t.Errorf("%+v", c)
	}
	publish(t, "Kill -9 during backup and restore", c.rows())
}

// judge looks at what the kill left and takes it away.
func (c *backedUp) judge(t *testing.T, h *house, kept string) {
	t.Helper()
	list, _ := os.ReadDir(kept) //nolint:errcheck // the kill came before there was one
	for _, e := range list {
		name := filepath.Join(kept, e.Name())
		_, broke := strings.CutSuffix(name, archive.Partial)
		out, err := exec.Command(h.bin, "verify", name).CombinedOutput()
		switch {
		case broke && err != nil:
			c.partial++
		case broke: // whole but for its name, or taken for it: the sums were compared
			c.whole++
			if !strings.Contains(string(out), "everything is as the backup says") {
				c.taken++
			}
		case err != nil:
			c.refused++
			t.Errorf("verify: %v\n%s", err, out)
		default:
			c.whole++
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// untilKept waits for a backup under its name.
func untilKept(t *testing.T, kept string) string {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if list, err := filepath.Glob(filepath.Join(kept, "*.tar")); err == nil && len(list) > 0 {
			return list[0]
		}
	}
	t.Fatal("no backup was made")
	return ""
}
