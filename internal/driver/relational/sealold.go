package relational

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// sealOld rewrites a database without seals: SQLite copies it into a file whose pages have room for them, the pages are
// sealed, and the copy takes the place of the original in one step. An interruption leaves the original.
func sealOld(path string) error {
	copied := path + ".sealing"
	if err := os.Remove(copied); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := copyReserving(path, copied); err != nil {
		return fmt.Errorf("seal the pages of an older file: %w", err)
	}
	if err := sealFile(copied); err != nil {
		return fmt.Errorf("seal the pages of an older file: %w", err)
	}
	// Whoever closes a database last moves the journal into it: the original is whole and has none.
	if err := os.Rename(copied, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// copyReserving has SQLite write a copy with reserved space. database/sql gives no way to ask for that.
func copyReserving(from, to string) error {
	tls := libc.NewTLS()
	defer tls.Close()
	text := func(s string) uintptr {
		p, _ := libc.CString(s)
		return p
	}
	name, slot := text(from), lib.Xsqlite3_malloc(tls, 16)
	defer libc.Xfree(tls, name)
	defer lib.Xsqlite3_free(tls, slot)
	*at[uintptr](slot) = 0
	rc := lib.Xsqlite3_open_v2(tls, name, slot, lib.SQLITE_OPEN_READWRITE, 0)
	db := *at[uintptr](slot)
	defer lib.Xsqlite3_close(tls, db)
	if rc != lib.SQLITE_OK {
		return fmt.Errorf("open: SQLite says %d", rc)
	}
	*at[int32](slot) = sealSize
	main := text("main")
	defer libc.Xfree(tls, main)
	if rc := lib.Xsqlite3_file_control(tls, db, main, lib.SQLITE_FCNTL_RESERVE_BYTES, slot); rc != lib.SQLITE_OK {
		return fmt.Errorf("reserve space: SQLite says %d", rc)
	}
	for _, s := range []string{"PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM INTO '" + strings.ReplaceAll(to, "'", "''") + "'"} {
		sql := text(s)
		rc := lib.Xsqlite3_exec(tls, db, sql, 0, 0, 0)
		libc.Xfree(tls, sql)
		if rc != lib.SQLITE_OK {
			return fmt.Errorf("copy: SQLite says %d: %s", rc, libc.GoString(lib.Xsqlite3_errmsg(tls, db)))
		}
	}
	return nil
}

// sealFile seals every page of a file that has room for seals.
func sealFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	page := make([]byte, pageSize)
	for number := int64(1); ; number++ {
		n, err := f.ReadAt(page, (number-1)*pageSize)
		if n == 0 {
			return errors.Join(f.Sync(), f.Close())
		}
		if number == 1 && (page[20] != sealSize || n < pageSize) {
			return errors.Join(errors.New("the copy has no room for seals"), f.Close())
		}
		if n < pageSize {
			return errors.Join(fmt.Errorf("page %d: %w", number, err), f.Close())
		}
		seal(page, number)
		if _, err := f.WriteAt(page, (number-1)*pageSize); err != nil {
			return errors.Join(err, f.Close())
		}
	}
}
