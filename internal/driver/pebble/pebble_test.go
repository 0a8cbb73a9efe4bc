package pebble_test

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/engine/telemetry/telemetrytest"
)

// disk is a file system in memory that can lose its power and fail to sync.
type disk struct {
	mem  *vfs.MemFS
	fail atomic.Bool
}

func newDisk() *disk { return &disk{mem: vfs.NewCrashableMem()} }

func (d *disk) options() pebble.Options {
	return pebble.Options{FS: errorfs.Wrap(d.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if d.fail.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			return errors.New("input/output error")
		}
		return nil
	}))}
}

func (d *disk) Open(t *testing.T) (telemetry.Log, telemetry.Series) {
	t.Helper()
	log, err := pebble.OpenLog("log", d.options())
	if err != nil {
		t.Fatal(err)
	}
	series, err := pebble.OpenSeries("series", d.options())
	if err != nil {
		t.Fatal(err)
	}
	return log, series
}

func (d *disk) PowerCut(_ *testing.T, keep int) telemetrytest.Disk {
	return &disk{mem: d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rand.New(rand.NewPCG(1, uint64(keep)))})}
}

func (d *disk) FailSync() { d.fail.Store(true) }

func TestConformance(t *testing.T) {
	telemetrytest.Run(t, func(*testing.T) telemetrytest.Disk { return newDisk() })
}

func TestStore(t *testing.T) {
	telemetrytest.RunStore(t, func(*testing.T) telemetrytest.Disk { return newDisk() })
}
