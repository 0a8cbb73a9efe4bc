package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vigil-health/vigil"
)

// Partial ends the names of archives in the making.
const Partial = ".partial"

// Create has write fill a new archive. It gets its name when it is whole and on disk; until then, and after a kill, it is
// called so with Partial behind. It returns Conflict when there is a file of that name and Unavailable when the disk fails.
func Create(path string, key Key, write func(w io.Writer) error) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return vigil.Errorf(vigil.Conflict, "archive.create", "%s exists; name another file", path)
	}
	f, err := os.OpenFile(path+Partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "archive.create", "the backup cannot be written: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path+Partial))
		}
	}()
	out := &disk{f: f}
	w, err := key.Seal(out)
	if err == nil {
		err = errors.Join(write(w), w.Close())
	}
	if err = errors.Join(err, f.Sync(), f.Close()); out.err != nil {
		return vigil.Errorf(vigil.Unavailable, "archive.create", "the backup cannot be written: %w", out.err)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(path+Partial, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
