package rpm_test

import (
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/app/apptest"
	"github.com/vigil-health/vigil/internal/app/rpm"
)

func utc() rpm.Config { return rpm.Config{Location: time.UTC} }

func TestExamination(t *testing.T) {
	apptest.Run(t, rpm.New(utc()).App())
}
