package relational_test

import (
	"testing"

	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/alarm/alarmtest"
)

func TestAlarmBook(t *testing.T) {
	for name, fresh := range databases() {
		t.Run(name, func(t *testing.T) {
			alarmtest.Run(t, func(t *testing.T) func() alarm.Book {
				h := fresh(t)
				return func() alarm.Book { return h.open(t).Alarms() }
			})
		})
	}
}
