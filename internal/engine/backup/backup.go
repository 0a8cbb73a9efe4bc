// Package backup says what a backup holds and whether two of them hold the same.
//
// It reads and writes no file (driver/archive does), takes no snapshot (driver/relational, driver/pebble) and knows no schedule
// (server). Start at Manifest.
package backup

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Format is the form of backups that this program writes; it reads this one and those before it.
const Format = 1

// Header opens a backup: who made it, and of what moment it is.
type Header struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the program
	Created time.Time `json:"created"` // everything acknowledged before is in the backup
	// RecordsAt is the moment of the records. The telemetry is of a later one, so that no record speaks of a sample that is
	// missing; what lies between is judged again at the first start, as after a crash.
	RecordsAt   time.Time `json:"records_at"`
	TelemetryAt time.Time `json:"telemetry_at"`
	Bytes       int64     `json:"bytes"` // of all files, about: for a progress bar
}

// File is one file of a backup.
type File struct {
	Path   string `json:"path"` // with slashes, below the data directory
	Size   int64  `json:"size"`
	Mode   uint32 `json:"mode"`
	SHA256 string `json:"sha256"` // hexadecimal, as all hashes here
}

// Manifest closes a backup. A backup without it broke off.
type Manifest struct {
	Header
	Files   []File  `json:"files"`
	Content Content `json:"content"`
}

// Content is what a backup holds, apart from how it is laid on disk.
type Content struct {
	Records   Records          `json:"records"`
	Telemetry telemetry.Digest `json:"telemetry"`
}

// Records is what the record store holds.
type Records struct {
	Resources int64            `json:"resources"` // current, not deleted
	Versions  int64            `json:"versions"`
	SHA256    string           `json:"sha256"` // over type, id, version and JSON of every version, in the order of commits
	Audit     Audit            `json:"audit"`
	Tables    map[string]Table `json:"tables"` // everything else that people or programs wrote
}

// Audit is the audit trail, whose chain was followed from its first entry.
type Audit struct {
	Entries int64  `json:"entries"`
	Head    string `json:"head"` // hash of the newest entry
}

// Table is one table of the record store.
type Table struct {
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// Differences says in plain words what got holds otherwise than want; nil when they hold the same.
func Differences(want, got Content) (out []string) {
	differ := func(what string, a, b any) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %v in the backup, %v here", what, a, b))
		}
	}
	w, g := want.Records, got.Records
	differ("records", fmt.Sprintf("%d resources, %d versions, %.16s", w.Resources, w.Versions, w.SHA256), fmt.Sprintf("%d resources, %d versions, %.16s", g.Resources, g.Versions, g.SHA256))
	differ("audit trail", fmt.Sprintf("%d entries, %.16s", w.Audit.Entries, w.Audit.Head), fmt.Sprintf("%d entries, %.16s", g.Audit.Entries, g.Audit.Head))
	for _, name := range keys(w.Tables, g.Tables) {
		a, b := w.Tables[name], g.Tables[name]
		differ("table "+name, fmt.Sprintf("%d rows, %.16s", a.Rows, a.SHA256), fmt.Sprintf("%d rows, %.16s", b.Rows, b.SHA256))
	}
	differ("damaged telemetry", want.Telemetry.Damaged, got.Telemetry.Damaged)
	differ("legal holds and retention", want.Telemetry.Rules, got.Telemetry.Rules)
	a, b := want.Telemetry.Subjects, got.Telemetry.Subjects
	for _, name := range keys(a, b) {
		if a[name] != b[name] {
			out = append(out, fmt.Sprintf("%s: %s in the backup, %s here", name, a[name], b[name]))
		}
	}
	return out
}

// keys returns the keys of both, in order.
func keys[K ~string, V any](a, b map[K]V) []K {
	all := maps.Clone(a)
	if all == nil {
		all = map[K]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// Equal says whether both headers are of one backup.
func (h Header) Equal(o Header) bool {
	return h.Format == o.Format && h.Version == o.Version && h.Bytes == o.Bytes &&
		h.Created.Equal(o.Created) && h.RecordsAt.Equal(o.RecordsAt) && h.TelemetryAt.Equal(o.TelemetryAt)
}
