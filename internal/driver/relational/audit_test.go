package relational_test

import (
	"database/sql"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

func TestAuditIsAppendOnlyAndShowsChanges(t *testing.T) {
	each(t, examineAuditIsAppendOnlyAndShowsChanges)
}

func examineAuditIsAppendOnlyAndShowsChanges(t *testing.T, h *house) {
	db := h.open(t)
	house := access.AsSystem(t.Context(), "test")
	trail := audit.New(audit.Config{Backend: db.Audit()})
	defer trail.Close()
	for i := range 300 {
		if err := trail.Later(house, audit.Entry{Action: "record.read", What: fmt.Sprint("Patient/p", i%3), Subjects: []string{fmt.Sprint("p", i%3)}}); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := trail.List(house, audit.Filter{Subject: "p1", Limit: 1000}); err != nil || len(list) != 100 {
		t.Errorf("%d entries of p1, %v", len(list), err)
	}
	if n, err := trail.Verify(house); n != 300 || err != nil {
		t.Errorf("verify: %d, %v", n, err)
	}
	for _, q := range []string{`UPDATE audit SET who = 'eve'`, `DELETE FROM audit`} {
		if err := db.Write(t.Context(), func(tx *relational.Tx) error { _, err := tx.Exec(q); return err }); err == nil {
			t.Errorf("%s goes through", q)
		}
	}
	h.tamper(t)
	if n, err := trail.Verify(house); n != 41 || vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("verify after a change of entry 42: %d, %v", n, err)
	}
}

// tamper changes an entry behind the house's back, as somebody with the file or the password could.
func (h *house) tamper(t *testing.T) {
	t.Helper()
	if h.url != "" {
		postgres.Do(t, path.Base(strings.Split(h.url, "?")[0]), `ALTER TABLE audit DISABLE TRIGGER USER; UPDATE audit SET who = 'eve' WHERE seq = 42; ALTER TABLE audit ENABLE TRIGGER USER`)
		return
	}
	raw, err := sql.Open("sqlite", h.path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, q := range []string{`DROP TRIGGER audit_no_update`, `UPDATE audit SET who = 'eve' WHERE seq = 42`} {
		if _, err := raw.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuditWritesWithinASecond(t *testing.T) { each(t, examineAuditWritesWithinASecond) }

func examineAuditWritesWithinASecond(t *testing.T, h *house) {
	db := h.open(t)
	trail := audit.New(audit.Config{Backend: db.Audit()})
	defer trail.Close()
	if err := trail.Later(t.Context(), audit.Entry{Action: "record.read"}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if list, err := db.Audit().List(t.Context(), audit.Filter{Limit: 1}); err != nil {
			t.Fatal(err)
		} else if len(list) == 1 {
			return
		}
	}
	t.Error("nothing was written")
}
