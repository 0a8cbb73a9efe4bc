package torture_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-health/vigil/test/torture/powerfs"
)

var firstStarts = flag.Int("torture.firststarts", 4, "power cuts during the very first start of the program")

// TestPowerCutAtFirstStart cuts the power while the program makes its directory, its databases, its keys and
// certificates: the next start makes what is missing, and none is kept from starting by what is there in part.
func TestPowerCutAtFirstStart(t *testing.T) {
	rnd := random(t)
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for round := range *firstStarts {
		img := powerfs.NewImage()
		for _, cut := range []bool{true, true, false} {
			dir, disk := mountDisk(t, img)
			h := &house{bin: bin, dir: filepath.Join(dir, "site", "data"), config: filepath.Join(t.TempDir(), "vigil.yaml"), client: &http.Client{}}
			text := fmt.Sprintf("data: %q\nhttp: 127.0.0.1:0\nhttps: 127.0.0.1:0\nmqtt: 127.0.0.1:0\nmqtts: 127.0.0.1:0\nturn: \"\"\n", h.dir)
			if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			ready := h.launch(t)
			if cut {
				time.Sleep(rand32(rnd, 400*time.Millisecond))
			} else if _, ok := <-ready; !ok {
				refused++
				t.Errorf("round %d: the program does not start: %s", round, h.lastWords)
			}
			if rnd.IntN(2) == 0 {
				img = disk.Cut(nil)
			} else {
				img = disk.Cut(rnd)
			}
			h.kill()
			unmount(t, dir, disk)
		}
	}
	publish(t, "Power cut during the first start", []row{{"first starts, each cut twice", *firstStarts}, {"  that kept the program from starting", refused}})
}
