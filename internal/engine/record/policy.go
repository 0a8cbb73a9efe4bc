package record

import (
	"context"
	"slices"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// engineerWrites and engineerReads are what biomedical and IT engineers may touch: equipment and places, no charts.
// Practitioner is read to show who made a binding.
func engineerWrites(typ string) bool {
	return slices.Contains([]string{"Device", "DeviceMetric", "Location", "Organization"}, typ)
}

func engineerReads(typ string) bool { return engineerWrites(typ) || typ == "Practitioner" }

// checkRead returns nil when the principal may read resources of the type; only is then the id of the patient whose
// compartment bounds what he may see, "" for no bound.
func checkRead(ctx context.Context, typ string) (only string, err error) {
	p, ok := access.From(ctx)
	switch {
	case !ok:
		return "", vigil.Errorf(vigil.Denied, "record.read", "not signed in")
	case p.Clinical():
		return "", nil
	case p.Has(access.Engineer) && engineerReads(typ):
		return "", nil
	case p.Has(access.Patient) && p.Subject.IsPatient():
		return p.Subject.ID(), nil
	case p.MayRead(typ):
		return "", nil
	}
	return "", vigil.Errorf(vigil.Denied, "record.read", "your role does not give access to %s", typ)
}

func checkWrite(ctx context.Context, typ string) error {
	p, ok := access.From(ctx)
	switch {
	case !ok:
		return vigil.Errorf(vigil.Denied, "record.write", "not signed in")
	case p.ReadOnly:
		return vigil.Errorf(vigil.Denied, "record.write", "an API token only reads")
	case p.Clinical():
		return nil
	case p.Has(access.Engineer) && engineerWrites(typ):
		return nil
	case p.MayWrite(typ):
		return nil
	}
	return vigil.Errorf(vigil.Denied, "record.write", "your role may not write %s", typ)
}
