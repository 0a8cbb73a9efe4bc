package relational_test

import (
	"testing"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/record/recordtest"
)

func TestRecords(t *testing.T) {
	for name, fresh := range databases() {
		t.Run(name, func(t *testing.T) {
			recordtest.Run(t, func(t *testing.T) record.Backend { return fresh(t).open(t).Records() })
		})
	}
}
