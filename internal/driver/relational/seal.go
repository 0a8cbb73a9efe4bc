package relational

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// SQLite keeps no sums of its pages: a flipped bit would come out as another dose or another name. The database file is
// therefore opened through a layer between SQLite and the operating system, which closes every page that is written
// with a seal and checks it on every read. The journal (-wal) has sums of its own, see journal.go.
//
//	page of 4,096 bytes: content 4,088 | CRC32C of page number and content 4 | "VGL1"
//
// The place for the seal is SQLite's own: "bytes of reserved space at the end of each page" (SQLite file format 1.3.4).
const (
	pageSize = 4096
	sealSize = 8
	content  = pageSize - sealSize
	sealTag  = "VGL1"
)

// seal closes a page; number counts from 1.
func seal(page []byte, number int64) {
	binary.BigEndian.PutUint32(page[content:], pageSum(page, number))
	copy(page[content+4:], sealTag)
}

// sealed says whether the page is as it was written. A page of nothing but zeros was never written: SQLite may leave one
// out that is on its list of free pages.
func sealed(page []byte, number int64) bool {
	if string(page[content+4:]) == sealTag {
		return binary.BigEndian.Uint32(page[content:]) == pageSum(page, number)
	}
	for _, b := range page {
		if b != 0 {
			return false
		}
	}
	return true
}

func pageSum(page []byte, number int64) uint32 {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(number))
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(n[:], table), table, page[:content])
}

// methods are the file methods that SQLite calls, followed by what ours need. It lies in SQLite's memory; every file
// opened through the layer points to it, and SQLite passes the file.
type methods struct {
	table   lib.Tsqlite3_io_methods
	read    uintptr // of the operating system's layer, as those below
	write   uintptr
	devices uintptr
	damaged int64 // reads that met a broken seal
	page    int64 // number of the last such page, 0 for none
}

// layer is one registration with SQLite; each open database has its own, so that its counts are its own.
type layer struct {
	name string
	tls  *libc.TLS
	vfs  uintptr
	m    *methods
}

// at is a pointer into SQLite's memory, which Go's collector does not move.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// function turns a Go function into what SQLite calls, and back.
func function[F any](fn F) uintptr { return *(*uintptr)(unsafe.Pointer(&fn)) }

func callable[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

type (
	openFunc    = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	moveFunc    = func(tls *libc.TLS, file, buf uintptr, n int32, offset int64) int32
	devicesFunc = func(tls *libc.TLS, file uintptr) int32
)

// newLayer registers a layer over the system's default.
func newLayer() (*layer, error) {
	l := &layer{tls: libc.NewTLS()}
	under := lib.Xsqlite3_vfs_find(l.tls, 0)
	size := unsafe.Sizeof(lib.Tsqlite3_vfs{})
	l.vfs = lib.Xsqlite3_malloc(l.tls, int32(size+unsafe.Sizeof(methods{})+64))
	if under == 0 || l.vfs == 0 {
		l.tls.Close()
		return nil, errors.New("SQLite has no file layer to stand on")
	}
	l.m = at[methods](l.vfs + size)
	*l.m = methods{}
	l.name = fmt.Sprintf("vigil-%x", l.vfs)
	name := l.vfs + size + unsafe.Sizeof(methods{})
	copy(unsafe.Slice(at[byte](name), 64), l.name+"\x00")
	v := at[lib.Tsqlite3_vfs](l.vfs)
	*v = *at[lib.Tsqlite3_vfs](under)
	v.FpNext, v.FzName, v.FpAppData = 0, name, under
	v.FxOpen = function[openFunc](openSealed)
	if rc := lib.Xsqlite3_vfs_register(l.tls, l.vfs, 0); rc != lib.SQLITE_OK {
		l.tls.Close()
		return nil, fmt.Errorf("register the file layer: SQLite says %d", rc)
	}
	return l, nil
}

// close takes the layer back. Its few hundred bytes stay, because Health may still ask for the counts.
func (l *layer) close() {
	lib.Xsqlite3_vfs_unregister(l.tls, l.vfs)
	l.tls.Close()
}

// openSealed opens a file with the layer beneath and, when it is the database itself, puts our methods in place of its.
func openSealed(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	under := at[lib.Tsqlite3_vfs](vfs).FpAppData
	rc := callable[openFunc](at[lib.Tsqlite3_vfs](under).FxOpen)(tls, under, name, file, flags, outFlags)
	f := at[lib.Tsqlite3_file](file)
	if rc != lib.SQLITE_OK || flags&lib.SQLITE_OPEN_MAIN_DB == 0 || f.FpMethods == 0 {
		return rc
	}
	ours := vfs + unsafe.Sizeof(lib.Tsqlite3_vfs{})
	m := at[methods](ours)
	if m.read == 0 { // the first connection, opened before there is any other
		under := at[lib.Tsqlite3_io_methods](f.FpMethods)
		m.table, m.read, m.write, m.devices = *under, under.FxRead, under.FxWrite, under.FxDeviceCharacteristics
		m.table.FxRead, m.table.FxWrite = function[moveFunc](readSealed), function[moveFunc](writeSealed)
		m.table.FxDeviceCharacteristics = function[devicesFunc](devices)
	}
	f.FpMethods = ours
	return rc
}

func methodsOf(file uintptr) *methods { return at[methods](at[lib.Tsqlite3_file](file).FpMethods) }

func readSealed(tls *libc.TLS, file, buf uintptr, n int32, offset int64) int32 {
	m := methodsOf(file)
	rc := callable[moveFunc](m.read)(tls, file, buf, n, offset)
	if rc != lib.SQLITE_OK || n < 512 && offset < pageSize { // the beginning of the header, which is read again with its page
		return rc
	}
	number := offset/pageSize + 1
	if n == pageSize && offset%pageSize == 0 && sealed(unsafe.Slice(at[byte](buf), pageSize), number) {
		return rc
	}
	atomic.AddInt64(&m.damaged, 1)
	atomic.StoreInt64(&m.page, number)
	return lib.SQLITE_IOERR_DATA
}

func writeSealed(tls *libc.TLS, file, buf uintptr, n int32, offset int64) int32 {
	if n == pageSize && offset%pageSize == 0 {
		seal(unsafe.Slice(at[byte](buf), pageSize), offset/pageSize+1)
	}
	return callable[moveFunc](methodsOf(file).write)(tls, file, buf, n, offset)
}

// devices forbids reads of parts of pages, which could not be checked.
func devices(tls *libc.TLS, file uintptr) int32 {
	return callable[devicesFunc](methodsOf(file).devices)(tls, file) &^ lib.SQLITE_IOCAP_SUBPAGE_READ
}

// prepareFile makes the file what the layer expects: it creates an empty database with room for seals, and rewrites one
// of before there were seals.
func prepareFile(path string) error {
	head := make([]byte, pageSize)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return replaceFile(path, emptyDatabase())
	}
	if err != nil {
		return err
	}
	n, err := io.ReadFull(f, head)
	if cerr := f.Close(); cerr != nil {
		return cerr
	}
	switch {
	case n == 0: // was just created, by a start that came no further
		return replaceFile(path, emptyDatabase())
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case n < pageSize || string(head[content+4:]) == sealTag || head[20] == sealSize || string(head[:16]) != magic:
		return nil // SQLite says what is wrong with it, if anything
	}
	return sealOld(path)
}

const magic = "SQLite format 3\x00"

// emptyDatabase is the first page of a database without tables (SQLite file format 1.3 and 1.6).
func emptyDatabase() []byte {
	p := make([]byte, pageSize)
	copy(p, magic)
	binary.BigEndian.PutUint16(p[16:], pageSize)
	p[18], p[19] = 2, 2 // write-ahead log
	p[20] = sealSize
	p[21], p[22], p[23] = 64, 32, 32
	binary.BigEndian.PutUint32(p[24:], 1) // change counter
	binary.BigEndian.PutUint32(p[28:], 1) // pages
	binary.BigEndian.PutUint32(p[44:], 4) // schema format
	binary.BigEndian.PutUint32(p[56:], 1) // UTF-8
	binary.BigEndian.PutUint32(p[92:], 1) // the change counter when the version below was noted
	binary.BigEndian.PutUint32(p[96:], lib.SQLITE_VERSION_NUMBER)
	p[100] = 13 // leaf of a table tree, without cells
	binary.BigEndian.PutUint16(p[105:], content)
	seal(p, 1)
	return p
}

// replaceFile writes the file beside its place and moves it there, durably.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
