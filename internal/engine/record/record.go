// Package record keeps FHIR resources: versions, search, references and compartments.
//
// Records are versioned JSON documents whose history is never overwritten. It speaks no HTTP (api/fhirapi does) and
// no SQL (driver/relational implements Backend). Telemetry is not stored here: vitals live in engine/telemetry.
// Start at Store.
package record

import (
	"time"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Record is one version of one FHIR resource.
type Record struct {
	Type     string
	ID       string
	Version  int64
	Updated  time.Time
	Deleted  bool
	JSON     []byte   // with meta.versionId and meta.lastUpdated in place
	Patients []string // ids of the patients whose compartments hold it
	Author   string   // who wrote it, as access.Principal.ID; only histories tell it, "" when it was not kept
	Seq      int64    // order of commits over all resources
}

// Ref returns "Type/id".
func (r Record) Ref() string { return r.Type + "/" + r.ID }

// Resource decodes the document.
func (r Record) Resource() (fhir.Resource, error) { return fhir.Parse(r.JSON) }
