package torture_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The checkers are held against losses made on purpose: one that cannot fail holds nothing.

// lieEnv makes the fleets of TestKill take a message for acknowledged as soon as it is on the wire, as if the program sent
// its PUBACK before the disk had it.
const lieEnv = "VIGIL_TORTURE_LIE"

// TestKillCheckerSeesALoss runs the kills as a program of their own with acknowledgements that come too early.
func TestKillCheckerSeesALoss(t *testing.T) {
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$", "-torture.kills=6", "-torture.seed=1")
	cmd.Env = append(os.Environ(), lieEnv+"=1", binEnv+"="+bin)
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("was acknowledged; stored is")) {
		t.Errorf("six kills with acknowledgements before the disk went unnoticed: %v\n%s", err, out)
	}
}

// TestJudge holds the comparison of what was acknowledged with what is stored.
func TestJudge(t *testing.T) {
	_, img, _, l := killedImage(t)
	dir, remove := img.write(t, "", nil)
	defer remove()
	f, err := examine(dir, l.next)
	if err != nil {
		t.Fatal(err)
	}
	if v := judge(l, f); v.lost != 0 || v.invented != 0 || v.checked != l.size() || len(f.told) != 0 {
		t.Fatalf("a sound image: %+v, %v", v, f.told)
	}
	for i := range len(kinds) {
		kind := kinds[i]
		if len(f.has[kind]) == 0 {
			t.Errorf("nothing of kind %c is looked at", kind)
		}
		l.acked[kind][l.next] = true
		if v := judge(l, f); v.lost != 1 {
			t.Errorf("an acknowledged %c that is not there: %d lost", kind, v.lost)
		}
		delete(l.acked[kind], l.next)
		f.has[kind][l.next+5] = true
		if v := judge(l, f); v.invented != 1 {
			t.Errorf("a %c that nobody wrote: %d invented", kind, v.invented)
		}
		delete(f.has[kind], l.next+5)
	}
}

// TestFlipCheckerSeesSilentDamage changes a record and makes the seal of its page fit, as a store without sums would take
// it: the checker finds the wrong value by itself.
func TestFlipCheckerSeesSilentDamage(t *testing.T) {
	_, img, _, l := killedImage(t)
	db := bytes.Clone(img["records.db"])
	at := bytes.Index(db, []byte(`"valueString":"41/1 `))
	if at < 0 {
		t.Fatal("the record is not in the file")
	}
	db[at+len(`"valueString":"`)] = '9'
	page := at / 4096
	p := db[page*4096 : (page+1)*4096]
	table := crc32.MakeTable(crc32.Castagnoli)
	number := binary.BigEndian.AppendUint64(nil, uint64(page+1))
	binary.BigEndian.PutUint32(p[4088:], crc32.Update(crc32.Checksum(number, table), table, p[:4088]))
	dir, remove := img.write(t, "records.db", db)
	defer remove()
	f, err := examine(dir, l.next)
	if err != nil {
		t.Fatal(err)
	}
	if v := judge(l, f); v.invented == 0 || !strings.Contains(strings.Join(v.text, " "), "91/1") {
		t.Errorf("a changed record went unnoticed: %+v", v)
	}
}
