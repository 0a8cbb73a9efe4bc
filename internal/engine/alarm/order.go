package alarm

import (
	"cmp"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
)

// Rule keys of calls.
const (
	CallCode   = "call-code"
	CallHelp   = "call-help"
	CallPain   = "call-pain"
	CallToilet = "call-toilet"
)

// Urgency ranks an item of the Attention list; higher is more urgent. Calls stand between the priorities of alarms.
func Urgency(a vigil.Alarm) int {
	switch {
	case a.Kind == vigil.KindCall && a.Rule == CallCode:
		return 41
	case a.Kind == vigil.KindCall && a.Rule == CallHelp:
		return 35
	case a.Kind == vigil.KindCall && a.Rule == CallPain:
		return 25
	case a.Kind == vigil.KindCall:
		return 15
	case a.Kind == vigil.KindNotice:
		return int(a.Priority)
	case a.Kind == vigil.KindTask:
		return 5 + int(a.Priority)
	}
	return 10 + 10*int(a.Priority)
}

// Compare orders the Attention list: urgency, then what nobody has acknowledged, then the condition that still holds,
// then the longest waiting, then the id so that the order never flickers.
func Compare(a, b vigil.Alarm) int {
	return cmp.Or(
		cmp.Compare(Urgency(b), Urgency(a)),
		compareBool(acknowledged(a), acknowledged(b)),
		compareBool(!a.Active(), !b.Active()),
		a.Raised.Compare(b.Raised),
		strings.Compare(a.ID, b.ID),
	)
}

// Sort orders alarms as the Attention list shows them.
func Sort(list []vigil.Alarm) { slices.SortFunc(list, Compare) }

func acknowledged(a vigil.Alarm) bool { return rank(a.State) >= rank(vigil.AlarmAcknowledged) }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func rank(s vigil.AlarmState) int {
	switch s {
	case vigil.AlarmPaged:
		return 1
	case vigil.AlarmSeen:
		return 2
	case vigil.AlarmAcknowledged:
		return 3
	case vigil.AlarmResolved:
		return 4
	}
	return 0
}
