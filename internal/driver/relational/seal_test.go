package relational_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-health/vigil/internal/driver/relational"
)

const rowsOnDisk = 3000

func fact(i int) string { return fmt.Sprintf("%d:%s", i, strings.Repeat("x", i%90)) }

// filled makes a closed database of known rows and returns its path.
func filled(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records.db")
	db, err := relational.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *relational.Tx) error {
		for i := range rowsOnDisk {
			if _, err := tx.Exec(`INSERT INTO state (room, key, value) VALUES ('test', ?, ?)`, fmt.Sprintf("%05d", i), fact(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// readFacts returns how many rows were read one by one, how many were refused as damaged and how many came out wrong.
func readFacts(t *testing.T, db *relational.DB) (good, refused, wrong int) {
	t.Helper()
	for i := range rowsOnDisk {
		var value string
		err := db.Read().QueryRowContext(t.Context(), `SELECT value FROM state WHERE room = 'test' AND key = ?`, fmt.Sprintf("%05d", i)).Scan(&value)
		switch {
		case err != nil && strings.Contains(err.Error(), "8202"):
			refused++
		case err != nil || value != fact(i):
			wrong++
		default:
			good++
		}
	}
	return good, refused, wrong
}

// TestSealFindsFlips flips one bit at a time: no row comes out wrong, and what does not lie on the page is served.
func TestSealFindsFlips(t *testing.T) {
	path := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	closed, met, partly := 0, 0, 0
	for range 60 {
		bad := bytes.Clone(whole)
		at := rng.IntN(len(bad))
		bad[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := relational.OpenSQLite(path)
		if err != nil {
			closed++
			continue
		}
		good, refused, wrong := readFacts(t, db)
		h := db.Health()
		if wrong > 0 {
			t.Errorf("byte %d: %d rows came out wrong", at, wrong)
		}
		if refused > 0 != (h.Damaged > 0) || refused > 0 && !strings.Contains(h.Reason, fmt.Sprintf("page %d ", at/4096+1)) {
			t.Errorf("byte %d: %d refused, health %+v", at, refused, h)
		}
		if refused > 0 {
			met++
		}
		if refused > 0 && good > 0 {
			partly++
		}
		db.Close()
	}
	t.Logf("of 60 flips %d kept the file from opening, %d were met by a read, %d of them with other rows served", closed, met, partly)
	if met == 0 || partly == 0 {
		t.Error("no flip was met")
	}
}

// TestDamageStaysWithItsReader writes in one group on a damaged page and beside it.
func TestDamageStaysWithItsReader(t *testing.T) {
	path := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(whole, []byte(fact(1000)))
	whole[at+2] ^= 4
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := relational.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			key := fmt.Sprintf("%05d", 2000+i)
			if i%10 == 0 {
				key = "01000"
			}
			err := db.Write(t.Context(), func(tx *relational.Tx) error {
				_, err := tx.Exec(`UPDATE state SET value = 'new' WHERE room = 'test' AND key = ?`, key)
				return err
			})
			if (err != nil) != (i%10 == 0) {
				t.Errorf("write of %s: %v", key, err)
			}
		})
	}
	wg.Wait()
}

// TestSealsOlderFile opens a file that was made without seals.
func TestSealsOlderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	plain, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Exec(`CREATE TABLE old (n INTEGER PRIMARY KEY, text TEXT)`); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if _, err := plain.Exec(`INSERT INTO old VALUES (?, ?)`, i, fact(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		db, err := relational.OpenSQLite(path)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		var check string
		if err := db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM old WHERE text LIKE n || ':%'`).Scan(&n); err != nil || n != 2000 {
			t.Errorf("%d of 2000 rows, %v", n, err)
		}
		if err := db.Read().QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" || db.Health().Reason != "" {
			t.Errorf("integrity_check says %q, %v, health %+v", check, err, db.Health())
		}
		db.Close()
	}
}

// TestNotADatabase leaves what it does not know alone.
func TestNotADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	text := bytes.Repeat([]byte("not a database "), 1000)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := relational.OpenSQLite(path); err == nil {
		t.Error("it opened")
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text) {
		t.Errorf("the file was changed, %v", err)
	}
}

// journalled returns the bytes of a database whose rows are in its journal only, as after a kill.
func journalled(t *testing.T) (file, journal []byte) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "records.db")
	db, err := relational.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range 40 {
		err := db.Write(t.Context(), func(tx *relational.Tx) error {
			_, err := tx.Exec(`INSERT INTO state (room, key, value) VALUES ('test', ?, ?)`, fmt.Sprintf("%05d", i), fact(i))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if journal, err = os.ReadFile(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	return file, journal
}

// TestJournalDamageIsTold flips bits in the journal: either all rows are there or the reason stands in Health.
func TestJournalDamageIsTold(t *testing.T) {
	file, journal := journalled(t)
	path := filepath.Join(t.TempDir(), "records.db")
	count := func(journal []byte) (int, string) {
		t.Helper()
		os.Remove(path + "-shm")
		for name, b := range map[string][]byte{path: file, path + "-wal": journal} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		db, err := relational.OpenSQLite(path)
		if err != nil {
			return 0, err.Error()
		}
		defer db.Close()
		var n int
		if err := db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM state WHERE room = 'test'`).Scan(&n); err != nil {
			return 0, err.Error()
		}
		return n, db.Health().Reason
	}
	if n, reason := count(journal); n != 40 || reason != "" {
		t.Fatalf("untouched: %d rows, %q", n, reason)
	}
	if n, reason := count(journal[:len(journal)-4000]); n != 39 || reason != "" {
		t.Errorf("torn at the end: %d rows, %q", n, reason)
	}
	rng := rand.New(rand.NewPCG(9, 10))
	told := 0
	for range 120 {
		bad := bytes.Clone(journal)
		at := rng.IntN(len(bad))
		if rng.IntN(3) == 0 { // the heads are a small part of the file and the worst of it
			at = 32 + rng.IntN((len(bad)-32)/4120)*4120 + rng.IntN(24)
		}
		bad[at] ^= 1 << rng.IntN(8)
		n, reason := count(bad)
		if n < 40 && reason == "" {
			t.Errorf("byte %d (%d of its frame): %d of 40 rows and not a word", at, (at-32)%4120, n)
		}
		if reason != "" {
			told++
		}
	}
	if told < 100 {
		t.Errorf("%d of 120 flips were told", told)
	}
	older := bytes.Clone(journal) // frames of an earlier round behind the end are none of ours
	for i := len(older) - 4120; i < len(older); i++ {
		older[i] = byte(i)
	}
	binary.BigEndian.PutUint32(older[len(older)-4120+8:], 1)
	binary.BigEndian.PutUint32(older[len(older)-4120+12:], 2)
	if n, reason := count(older); n != 39 || reason != "" {
		t.Errorf("an older frame at the end: %d rows, %q", n, reason)
	}
}

// BenchmarkSeal is what a page of 4,096 bytes costs when it is written, and again when it is read from the file.
func BenchmarkSeal(b *testing.B) {
	page := bytes.Repeat([]byte("abcdefgh"), 512)
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		relational.Seal(page, 7)
		if !relational.Sealed(page, 7) {
			b.Fatal("the seal does not hold")
		}
	}
}

// BenchmarkRead reads rows spread over the file, from the page cache once it is warm.
func BenchmarkRead(b *testing.B) {
	db, err := relational.OpenSQLite(filled(b))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	i := 0
	for b.Loop() {
		var value string
		if err := db.Read().QueryRowContext(b.Context(), `SELECT value FROM state WHERE room = 'test' AND key = ?`, fmt.Sprintf("%05d", i%rowsOnDisk)).Scan(&value); err != nil {
			b.Fatal(err)
		}
		i += 37
	}
}

// BenchmarkWrite is one row in one commit.
func BenchmarkWrite(b *testing.B) {
	db, err := relational.OpenSQLite(filled(b))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	i := 0
	for b.Loop() {
		err := db.Write(b.Context(), func(tx *relational.Tx) error {
			_, err := tx.Exec(`UPDATE state SET value = ? WHERE room = 'test' AND key = ?`, fact(i), fmt.Sprintf("%05d", i%rowsOnDisk))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		i += 37
	}
}
