package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/backup"
)

// backupRoutes are for administrators: a backup holds everything, the keys too.
func (d *doors) backupRoutes(mux *http.ServeMux) {
	b, admin := d.engines.Backups, []access.Role{access.Admin}
	d.api.Stream(mux, "POST /api/backup", admin, b.serve)
	d.api.Stream(mux, "POST /api/backup/verify", admin, func(w http.ResponseWriter, r *http.Request) error {
		return answer(w, func() (any, error) { return b.Verify(r.Context()) })
	})
	d.api.Stream(mux, "GET /api/backups", admin, func(w http.ResponseWriter, r *http.Request) error {
		return answer(w, func() (any, error) { return b.List() })
	})
	d.api.Stream(mux, "POST /api/backups", admin, func(w http.ResponseWriter, r *http.Request) error {
		return answer(w, func() (any, error) { return b.Store(r.Context()) })
	})
}

func answer(w http.ResponseWriter, get func() (any, error)) error {
	v, err := get()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the client went away
	return nil
}

// serve answers with a backup as a file. Errors before the first byte are returned; a later one breaks the connection, and
// the archive lacks its end.
func (b *Backups) serve(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := b.note(ctx, "backup.download", ""); err != nil {
		return err
	}
	begun := false
	_, err := b.Write(ctx, func(h backup.Header) (io.Writer, error) {
		begun = true
		w.Header().Set("Content-Type", "application/x-tar")
		w.Header().Set("Content-Disposition", `attachment; filename="`+backupPrefix+h.Created.Format(backupLayout)+`.tar"`)
		w.Header().Set("Vigil-Backup-Bytes", strconv.FormatInt(h.Bytes, 10))
		return w, nil
	})
	if err != nil && begun {
		b.log.Warn("backup.broke_off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}
