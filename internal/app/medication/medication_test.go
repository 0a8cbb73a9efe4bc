package medication_test

import (
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/app/apptest"
	"github.com/vigil-health/vigil/internal/app/medication"
)

func utc() medication.Config { return medication.Config{Location: time.UTC} }

func TestExamination(t *testing.T) {
	apptest.Run(t, medication.New(utc()).App())
}
