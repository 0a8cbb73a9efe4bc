package archive_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/engine/backup"
)

var files = map[string]string{"records.db": strings.Repeat("record", 300), "log/000001.log": "", "series/000002.sst": strings.Repeat("sample", 1000), "tls/ca.key": "key"}

func header() backup.Header {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return backup.Header{Format: backup.Format, Version: "1.0", Created: at, RecordsAt: at, TelemetryAt: at.Add(time.Second), Bytes: 8000}
}

// packed returns an archive of files.
func packed(t testing.TB, h backup.Header, key archive.Key) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o700), os.WriteFile(p, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	w, err := key.Seal(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write(t.Context(), w, dir, h, backup.Content{Records: backup.Records{Resources: 7}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpacked reads an archive and returns the files that it gave.
func unpacked(ctx context.Context, dir string, b []byte, key archive.Key) (map[string]string, error) {
	r, err := key.Open(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	m, err := archive.Read(ctx, r, dir, nil)
	if err != nil {
		return nil, err
	}
	got := map[string]string{}
	for _, f := range m.Files {
		text, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			return nil, err
		}
		got[f.Path] = string(text)
	}
	return got, nil
}

func TestRoundTrip(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string][2]archive.Key{
		"Plain":      {},
		"Passphrase": {{Passphrase: "correct horse"}, {Passphrase: "correct horse"}},
		"Recipient":  {{Recipient: id.Recipient().String()}, {Identity: id.String() + "\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := packed(t, header(), keys[0])
			if sealed := !bytes.Contains(b, []byte("recordrecord")); sealed == keys[0].Empty() {
				t.Errorf("sealed: %v", sealed)
			}
			got, err := unpacked(t.Context(), filepath.Join(t.TempDir(), "to"), b, keys[1])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(files, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRefused holds that nothing but a whole archive is taken for one.
func TestRefused(t *testing.T) {
	b := packed(t, header(), archive.Key{})
	ours, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	strangers, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	sealed := packed(t, header(), archive.Key{Recipient: ours.Recipient().String()})
	newer := header()
	newer.Format++
	flip := func(where string) []byte {
		c := bytes.Clone(b)
		c[bytes.Index(c, []byte(where))+len(where)] ^= 1
		return c
	}
	for name, c := range map[string]struct {
		b    []byte
		key  archive.Key
		kind vigil.Kind
		text string
	}{
		"Newer":          {packed(t, newer, archive.Key{}), archive.Key{}, vigil.Invalid, "use the newer program"},
		"FlippedRecords": {flip("recordrecord"), archive.Key{}, vigil.Invalid, "records.db is not as it was written"},
		"FlippedSeries":  {flip("samplesample"), archive.Key{}, vigil.Invalid, "series/000002.sst is not as it was written"},
		"FlippedContent": {flip(`"resources": `), archive.Key{}, vigil.Invalid, "manifest.json"},
		"BrokeOff":       {b[:len(b)/2], archive.Key{}, vigil.Invalid, "broke off"},
		"NoManifest":     {b[:bytes.LastIndex(b, []byte("manifest.sha256"))], archive.Key{}, vigil.Invalid, "broke off"},
		"Strange":        {[]byte("PK\x03\x04 not a backup"), archive.Key{}, vigil.Invalid, "no backup"},
		"Empty":          {nil, archive.Key{}, vigil.Invalid, "no backup"},
		"NoKey":          {sealed, archive.Key{}, vigil.Invalid, "encrypted"},
		"WrongKey":       {sealed, archive.Key{Identity: strangers.String()}, vigil.Denied, "does not open"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpacked(t.Context(), filepath.Join(t.TempDir(), "to"), c.b, c.key)
			if vigil.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %s with %q", err, c.kind, c.text)
			}
		})
	}
}

// TestFlips flips bytes all over: the archive is refused, or gives the files as they were (the flip hit padding).
func TestFlips(t *testing.T) {
	b := packed(t, header(), archive.Key{})
	dir := t.TempDir()
	for i := 0; i < len(b); i += 997 {
		b[i] ^= 0x40
		to := filepath.Join(dir, "to")
		got, err := unpacked(t.Context(), to, b, archive.Key{})
		if err == nil && !cmp.Equal(files, got) {
			t.Fatalf("byte %d of %d flipped: other files, and no word about it", i, len(b))
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		b[i] ^= 0x40
	}
}

func FuzzRead(f *testing.F) {
	b := packed(f, header(), archive.Key{})
	f.Add(b)
	f.Add(b[:3000])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		root := t.TempDir()
		_, _ = archive.Read(t.Context(), bytes.NewReader(b), filepath.Join(root, "to"), nil)
		list, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.Name() != "to" {
				t.Errorf("wrote %s outside of its directory", e.Name())
			}
		}
	})
}
