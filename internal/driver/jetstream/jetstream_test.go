package jetstream_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	stream "github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/jetstream"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/engine/telemetry/telemetrytest"
)

// run starts a server that keeps its streams in the directory and syncs every message.
func run(t testing.TB, dir string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, SyncAlways: true, MaxPayload: 8 << 20, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

func open(t testing.TB, s *server.Server) *jetstream.Log {
	t.Helper()
	l, err := jetstream.OpenLog(t.Context(), jetstream.Config{URL: s.ClientURL(), Patience: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// disk is a server on a directory. A power cut is a copy of the files as the system has them while the server runs: what it
// keeps in its own memory is gone. A failing disk is a server that goes away.
type disk struct {
	dir    string
	server *server.Server
}

func newDisk(t *testing.T) telemetrytest.Disk {
	dir := t.TempDir()
	return &disk{dir, run(t, dir)}
}

func (d *disk) Open(t *testing.T) (telemetry.Log, telemetry.Series) {
	t.Helper()
	return open(t, d.server), nil
}

func (d *disk) PowerCut(t *testing.T, _ int) telemetrytest.Disk {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(d.dir)); err != nil {
		t.Fatal(err)
	}
	return &disk{dir, run(t, dir)}
}

func (d *disk) FailSync() { d.server.Shutdown() }

func TestConformance(t *testing.T) {
	telemetrytest.RunLog(t, newDisk)
}

// TestReplaceErases holds that what was replaced is on no disk any more.
func TestReplaceErases(t *testing.T) {
	dir := t.TempDir()
	l := open(t, run(t, dir))
	defer l.Close()
	secrets := []string{"the first secret", "the second secret", "the third secret"}
	for i, text := range secrets {
		if _, err := l.Append(t.Context(), int64(i), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if found := onDisk(t, dir, secrets[1]); !found {
		t.Fatal("the test does not find what is there")
	}
	for _, text := range []string{"another secret", "harmless"} {
		if err := l.Replace(t.Context(), telemetry.Record{Offset: 2, At: 1, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]bool{secrets[0]: true, secrets[1]: false, "another secret": false, "harmless": true} {
		if got := onDisk(t, dir, text); got != want {
			t.Errorf("%q on disk: %v", text, got)
		}
	}
}

func onDisk(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestInterruptedReplace finds the replacement aside and the old record still there: the old one goes.
func TestInterruptedReplace(t *testing.T) {
	s := run(t, t.TempDir())
	l := open(t, s)
	for _, text := range []string{"one", "two", "three"} {
		if _, err := l.Append(t.Context(), 0, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Replace(t.Context(), telemetry.Record{Offset: 2, Data: []byte("deux")}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	js := client(t, s)
	aside, err := js.Stream(t.Context(), "VIGIL_LOG_REPLACED")
	if err != nil {
		t.Fatal(err)
	}
	// Record 3 as record 2: its sum does not fit there, which shows that it is read from aside at all.
	msg, err := aside.GetLastMsgForSubject(t.Context(), "vigil.VIGIL_LOG_REPLACED.2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "vigil.VIGIL_LOG_REPLACED.3", msg.Data); err != nil {
		t.Fatal(err)
	}
	l = open(t, s)
	defer l.Close()
	var got []string
	if err := l.Read(t.Context(), 0, func(r telemetry.Record) error { got = append(got, string(r.Data)); return nil }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != "one deux" || l.Stats().Lost != 1 {
		t.Errorf("%v, %d lost", got, l.Stats().Lost)
	}
	main, err := js.Stream(t.Context(), "VIGIL_LOG")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := main.GetMsg(t.Context(), 3); err == nil {
		t.Error("the old record is still there")
	}
}

func client(t *testing.T, s *server.Server) stream.JetStream {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := stream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// TestSecondWriter holds that two logs on one stream cannot both go on.
func TestSecondWriter(t *testing.T) {
	s := run(t, t.TempDir())
	a, b := open(t, s), open(t, s)
	defer a.Close()
	defer b.Close()
	if _, err := a.Append(t.Context(), 0, []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), 0, []byte("not mine")); vigil.KindOf(err) != vigil.Unavailable || b.Stats().Fault == nil {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := a.Append(t.Context(), 0, []byte("mine again")); err != nil {
		t.Errorf("the first writer: %v", err)
	}
}

// TestDamage changes a message behind the log's back: it is left out and counted.
func TestDamage(t *testing.T) {
	s := run(t, t.TempDir())
	l := open(t, s)
	defer l.Close()
	if _, err := l.Append(t.Context(), 0, []byte("good")); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, s).Publish(t.Context(), "vigil.VIGIL_LOG", []byte("\x01 nothing of Vigil's")); err != nil {
		t.Fatal(err)
	}
	again := open(t, s)
	defer again.Close()
	n := 0
	if err := again.Read(t.Context(), 0, func(telemetry.Record) error { n++; return nil }); err != nil || n != 1 || again.Stats().Lost != 1 {
		t.Errorf("%d records, %+v, %v", n, again.Stats(), err)
	}
}

// TestRefusesOtherStreams holds that Vigil does not take a stream that would drop records by itself.
func TestRefusesOtherStreams(t *testing.T) {
	s := run(t, t.TempDir())
	if _, err := client(t, s).CreateStream(t.Context(), stream.StreamConfig{Name: "VIGIL_LOG", Subjects: []string{"vigil.VIGIL_LOG"}, MaxAge: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := jetstream.OpenLog(t.Context(), jetstream.Config{URL: s.ClientURL()}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("a stream with an age: %v", err)
	}
	if _, err := jetstream.OpenLog(t.Context(), jetstream.Config{URL: "nats://user:secret@127.0.0.1:1", Patience: time.Second}); vigil.KindOf(err) != vigil.Unavailable || strings.Contains(err.Error(), "secret") {
		t.Errorf("no server: %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, size := range map[string]int{"4KB": 4 << 10, "256KB": 256 << 10} {
		b.Run(name, func(b *testing.B) {
			l := open(b, run(b, b.TempDir()))
			defer l.Close()
			data := bytes.Repeat([]byte("vigil"), size/5)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := l.Append(b.Context(), 0, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
