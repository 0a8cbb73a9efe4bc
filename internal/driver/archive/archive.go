// Package archive writes and reads backups as one file: a tar, sealed with age when a key is given.
//
//	vigil-backup.json   backup.Header: format, version, moments
//	records.db, log/…, series/…, tls/…, turn.secret
//	manifest.json       backup.Manifest: every file with size and SHA-256, and what they hold
//	manifest.sha256     of manifest.json
//
// The end proves the whole: an archive that broke off has no manifest and is refused. The package knows nothing of what the
// files mean (engine/backup, server). Start at Write and Read.
package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/backup"
)

const (
	headerName   = "vigil-backup.json"
	manifestName = "manifest.json"
	sumName      = "manifest.sha256"
	// jsonLimit bounds header and manifest, which are read into memory: some millions of files and patients.
	jsonLimit = 1 << 30
)

// Size returns the bytes of the files below the directory.
func Size(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// Write writes every file below the directory, which nobody may change meanwhile, and what they hold.
func Write(ctx context.Context, w io.Writer, dir string, h backup.Header, content backup.Content) (backup.Manifest, error) {
	m := backup.Manifest{Header: h, Content: content}
	t := tar.NewWriter(w)
	if _, err := writeJSON(t, headerName, h); err != nil {
		return m, err
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		f, err := writeFile(ctx, t, name, filepath.ToSlash(rel))
		m.Files = append(m.Files, f)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("write the backup: %w", err)
	}
	sum, err := writeJSON(t, manifestName, m)
	if err != nil {
		return m, err
	}
	if err := writeBytes(t, sumName, []byte(sum)); err != nil {
		return m, err
	}
	return m, t.Close()
}

func writeJSON(t *tar.Writer, name string, v any) (sum string, err error) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), writeBytes(t, name, b)
}

func writeBytes(t *tar.Writer, name string, b []byte) error {
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o600, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := t.Write(b)
	return err
}

func writeFile(ctx context.Context, t *tar.Writer, name, rel string) (out backup.File, err error) {
	f, err := os.Open(name)
	if err != nil {
		return out, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return out, err
	}
	out = backup.File{Path: rel, Size: info.Size(), Mode: uint32(info.Mode().Perm())}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: rel, Size: out.Size, Mode: int64(out.Mode), ModTime: info.ModTime(), Format: tar.FormatPAX}); err != nil {
		return out, err
	}
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(t, h), reader{ctx, f}, out.Size); err != nil {
		return out, err
	}
	out.SHA256 = hex.EncodeToString(h.Sum(nil))
	return out, nil
}

// reader ends with the context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// Read unpacks an archive into the directory, which it makes, has every file on disk and compares each with the
// manifest. It returns Invalid for what is no backup, is of a newer form, broke off or is damaged, naming the file; what
// was unpacked so far then stays behind for the caller to remove. progress may be nil.
func Read(ctx context.Context, r io.Reader, dir string, progress func(done, total int64)) (backup.Manifest, error) {
	x := &extraction{t: tar.NewReader(reader{ctx, r}), dir: dir, files: map[string]backup.File{}, progress: progress}
	if progress == nil {
		x.progress = func(int64, int64) {}
	}
	err := x.run()
	if err != nil && vigil.KindOf(err) == vigil.Internal && ctx.Err() == nil { // the tar itself does not hold
		err = vigil.Errorf(vigil.Invalid, "archive.read", "the backup is damaged or broke off after %s: %w", x.last, err)
	}
	return x.manifest, err
}

// extraction is one reading of an archive.
type extraction struct {
	t        *tar.Reader
	dir      string
	header   backup.Header
	manifest backup.Manifest
	files    map[string]backup.File // as they came
	done     int64
	last     string
	progress func(done, total int64)
}

func invalid(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "archive.read", format, args...)
}

func (x *extraction) run() error {
	x.last = "its first byte"
	head, err := x.t.Next()
	if err != nil || head.Name != headerName {
		return invalid("this is no backup of Vigil")
	}
	if _, err := x.json(head, &x.header); err != nil {
		return err
	}
	if x.header.Format > backup.Format {
		return invalid("the backup was made by Vigil %s in form %d; this program reads forms up to %d: use the newer program", x.header.Version, x.header.Format, backup.Format)
	}
	if err := os.MkdirAll(x.dir, 0o700); err != nil {
		return vigil.Errorf(vigil.Unavailable, "archive.read", "cannot write to %s: %w", x.dir, err)
	}
	for {
		head, err := x.t.Next()
		if err != nil {
			return err
		}
		x.last = head.Name
		if head.Name == manifestName {
			return x.finish(head)
		}
		if err := x.unpack(head); err != nil {
			return err
		}
	}
}

func (x *extraction) json(head *tar.Header, v any) (sum string, err error) {
	if head.Size > jsonLimit {
		return "", invalid("%s is damaged", head.Name)
	}
	b, err := io.ReadAll(x.t)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return "", invalid("%s is damaged: %v", head.Name, err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

func (x *extraction) unpack(head *tar.Header) error {
	name := head.Name
	if head.Typeflag != tar.TypeReg || !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsAny(name, "\\\x00") {
		return invalid("the backup is damaged: %q is no file of a backup", name)
	}
	if _, twice := x.files[name]; twice {
		return invalid("the backup is damaged: it has %s twice", name)
	}
	to := filepath.Join(x.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return vigil.Errorf(vigil.Unavailable, "archive.read", "cannot write to %s: %w", x.dir, err)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(head.Mode)&0o700|0o600)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "archive.read", "cannot write to %s: %w", x.dir, err)
	}
	h := sha256.New()
	out := &disk{f: f}
	n, err := io.Copy(io.MultiWriter(h, out, meter{x}), x.t)
	if err = errors.Join(err, f.Sync(), f.Close()); out.err != nil {
		return vigil.Errorf(vigil.Unavailable, "archive.read", "cannot write %s: %w", name, out.err)
	}
	x.files[name] = backup.File{Path: name, Size: n, Mode: uint32(head.Mode), SHA256: hex.EncodeToString(h.Sum(nil))}
	return err
}

// disk tells an error of the disk from one of the archive.
type disk struct {
	f   *os.File
	err error
}

func (d *disk) Write(b []byte) (int, error) {
	n, err := d.f.Write(b)
	d.err = errors.Join(d.err, err)
	return n, err
}

type meter struct{ x *extraction }

func (m meter) Write(b []byte) (int, error) {
	m.x.done += int64(len(b))
	m.x.progress(m.x.done, max(m.x.done, m.x.header.Bytes))
	return len(b), nil
}

// finish holds what came against the manifest and its sum.
func (x *extraction) finish(head *tar.Header) error {
	sum, err := x.json(head, &x.manifest)
	if err != nil {
		return err
	}
	head, err = x.t.Next()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(x.t, 100))
	if err != nil {
		return err
	}
	if head.Name != sumName || !bytes.Equal(b, []byte(sum)) {
		return invalid("the backup is damaged: %s is not as it was written", manifestName)
	}
	if !x.manifest.Equal(x.header) {
		return invalid("the backup is damaged: %s is not as it was written", headerName)
	}
	for _, want := range x.manifest.Files {
		got, there := x.files[want.Path]
		if !there {
			return invalid("the backup is damaged: %s is missing", want.Path)
		}
		if got != want {
			return invalid("the backup is damaged: %s is not as it was written", want.Path)
		}
		delete(x.files, want.Path)
	}
	for name := range x.files {
		return invalid("the backup is damaged: %s does not belong to it", name)
	}
	return nil
}
