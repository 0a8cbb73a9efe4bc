// Package pgtest gives tests a PostgreSQL server of their own: one for each test binary, a fresh database for each test.
//
// The server is Debian's (package postgresql), begun by the test on a directory and a socket in the temporary directory. It
// waits for no disk, so that tests are quick: what a loss of power does is not tested with it. Start at Run.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server for the tests of one binary.
type Server struct {
	dir    string
	bin    string
	who    *syscall.Credential // as which it runs: PostgreSQL refuses to be root
	run    *exec.Cmd
	once   sync.Once
	absent string // why there is none
	failed error  // why it did not start
	made   atomic.Int64
	used   chan string // databases of tests that are through
}

// Run is for TestMain: it runs the tests with a server that begins when the first of them asks for a database, and ends it.
func Run(m *testing.M, use func(s *Server)) int {
	s := &Server{used: make(chan string, 16)}
	defer s.remove()
	use(s)
	return m.Run()
}

// begin starts the server once; without PostgreSQL the test skips and says what is missing.
func (s *Server) begin(t testing.TB) {
	t.Helper()
	s.once.Do(func() { s.failed = s.install() })
	if s.absent != "" {
		t.Skip(s.absent)
	}
	if s.failed != nil {
		t.Fatal(s.failed)
	}
}

// install makes the files of a server and starts it.
func (s *Server) install() (err error) {
	if s.bin, err = binaries(); err != nil {
		s.absent = err.Error()
		return nil
	}
	if os.Getuid() == 0 {
		if s.who, err = account(); err != nil {
			s.absent = err.Error()
			return nil
		}
	}
	if s.dir, err = os.MkdirTemp("", "vigil-pg-"); err != nil {
		return err
	}
	if s.who != nil {
		if err := os.Chown(s.dir, int(s.who.Uid), int(s.who.Gid)); err != nil {
			return err
		}
	}
	// The order of a language, so that tests see whether the store depends on it.
	initdb := s.command("initdb", "-D", filepath.Join(s.dir, "data"), "-U", "vigil", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s.Start()
}

// binaries returns the directory of the newest server programs.
func binaries() (string, error) {
	list, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(list) == 0 {
		return "", errors.New("there is no PostgreSQL server: apt-get install postgresql")
	}
	slices.SortFunc(list, func(a, b string) int { return len(a)*1000 - len(b)*1000 + map[bool]int{true: -1, false: 1}[a < b] })
	return filepath.Dir(list[len(list)-1]), nil
}

func account() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres")
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.who, Pdeathsig: syscall.SIGQUIT} // a killed test leaves no server
	return cmd
}

// Start starts the server, again after Stop, and waits until it answers.
func (s *Server) Start() error {
	fsync := "off"
	if os.Getenv("VIGIL_PG_FSYNC") != "" { // for benchmarks
		fsync = "on"
	}
	s.run = s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync="+fsync,
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "log_destination=stderr", "-c", "autovacuum_naptime=5s")
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.run.Stdout, s.run.Stderr = log, log
	began := make(chan error)
	go func() { // the signal follows the thread that began the server
		runtime.LockOSThread()
		began <- s.run.Start()
		select {}
	}()
	if err := <-began; err != nil {
		return err
	}
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(context.Background(), s.URL("postgres"))
		if err == nil {
			return conn.Close(context.Background())
		}
		if time.Now().After(until) {
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		}
	}
}

// Stop stops the server at once, as a crash does.
func (s *Server) Stop() error {
	if err := s.run.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	_ = s.run.Wait() // it says that it was told to
	return nil
}

func (s *Server) remove() error {
	var err error
	if s.run != nil && s.run.ProcessState == nil {
		err = s.Stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// URL returns how a database is named.
func (s *Server) URL(database string) string {
	return "postgres://vigil@/" + database + "?host=" + s.dir
}

// Fresh makes a database without anything in it and returns its URL; without a server the test skips.
func (s *Server) Fresh(t testing.TB) string {
	t.Helper()
	s.begin(t)
	return s.URL(s.create(t))
}

func (s *Server) create(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.made.Add(1))
	s.Do(t, "postgres", "CREATE DATABASE "+name)
	return name
}

// Database returns the URL of a database that has no rows: a new one, or one of an earlier test, emptied, which is quicker.
// Whoever changes its tables takes Fresh.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.begin(t)
	var name string
	select {
	case name = <-s.used:
	default:
		name = s.create(t)
	}
	t.Cleanup(func() {
		s.Do(t, name, empty)
		select {
		case s.used <- name:
		default:
		}
	})
	return s.URL(name)
}

// empty removes all rows but those that say which tables there are.
const empty = `DO $$ DECLARE list text; BEGIN
	SELECT string_agg(quote_ident(tablename), ', ') INTO list FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration';
	IF list IS NOT NULL THEN EXECUTE 'TRUNCATE ' || list || ' RESTART IDENTITY'; END IF;
END $$`

// Do runs SQL in a database as an administrator, behind the back of who is tested.
func (s *Server) Do(t testing.TB, database, query string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	if _, err := conn.Exec(ctx, query); err != nil {
		t.Fatal(err)
	}
}
