package webapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAlarmsOff(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse, physician, patient := h.visit(t, "nurse"), h.visit(t, "physician"), h.visit(t, "patient")
	const high = `{"id":"off-high","patient_id":"moreau","priority":"high","reason":"suction","seconds":600}`
	if m := nurse.refused(t, "POST", "/api/alarms-off", high, http.StatusForbidden); !strings.Contains(m, "physician") {
		t.Errorf("%q does not say who may", m)
	}
	patient.refused(t, "GET", "/api/alarms-off", "", http.StatusForbidden)
	for _, body := range []string{
		`{"patient_id":"moreau","priority":"high","reason":"suction","seconds":36000}`, `{"patient_id":"moreau","priority":"high","reason":"","seconds":60}`,
		`{"priority":"high","reason":"suction","seconds":60}`, `{"patient_id":"moreau","priority":"high","reason":"suction","seconds":0}`,
	} {
		physician.refused(t, "POST", "/api/alarms-off", body, http.StatusBadRequest)
	}
	physician.refused(t, "POST", "/api/alarms-off", `{"patient_id":"nobody","priority":"high","reason":"suction","seconds":60}`, http.StatusNotFound)
	type off struct {
		ID, Label, Reason string
		ByName            string `json:"by_name"`
		LeftMS            int64  `json:"left_ms"`
	}
	var got off
	for range 2 {
		physician.must(t, "POST", "/api/alarms-off", high, &got)
	}
	var all struct {
		Standing []off
		Limits   map[string]int64 `json:"limits_s"`
	}
	nurse.must(t, "GET", "/api/alarms-off", "", &all)
	n := 0
	for _, o := range all.Standing {
		if o.ID == "off-high" {
			n++
			if o.LeftMS <= 0 || o.LeftMS > 600_000 || o.ByName == "" || !strings.Contains(o.Label, "Moreau") {
				t.Errorf("%+v", o)
			}
		}
	}
	if n != 1 || all.Limits["high"] != 1800 {
		t.Errorf("%d stand, limits %v", n, all.Limits)
	}
	nurse.must(t, "DELETE", "/api/alarms-off/off-high", "", nil)
	var past []struct {
		ID      string
		Ended   time.Time
		EndedBy string `json:"ended_by"`
	}
	nurse.must(t, "GET", "/api/alarms-off/history", "", &past)
	for _, o := range past {
		if o.ID == "off-high" && (o.Ended.IsZero() || o.EndedBy == "") {
			t.Errorf("%+v has not ended", o)
		}
	}
	nurse.refused(t, "DELETE", "/api/alarms-off/nothing", "", http.StatusNotFound)
	nurse.refused(t, "POST", "/api/alarms/acknowledge", `{"ids":[]}`, http.StatusBadRequest)
}

func TestRotaAndHandover(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	var units []struct{ ID string }
	nurse.must(t, "GET", "/api/units", "", &units)
	type plan struct {
		Duties []struct{ Shift, Role string }
		Staff  []struct{ ID, Role string }
		Now    []struct {
			Role    string
			Planned bool
		}
	}
	var p plan
	path := "/api/rota?unit=" + units[0].ID
	nurse.must(t, "GET", path, "", &p)
	if len(p.Staff) < 2 || len(p.Now) != 7 {
		t.Fatalf("%+v", p)
	}
	shift := `{"unit":"` + units[0].ID + `","role":"engineer","person":"` + p.Staff[0].ID + `","days":["mon","thu"],"from":"07:00","to":"19:00"}`
	var made struct{ ID string }
	nurse.must(t, "POST", "/api/rota/shifts", shift, &made)
	nurse.must(t, "GET", path, "", &p)
	n := 0
	for _, d := range p.Duties {
		if d.Shift == made.ID {
			n++
		}
	}
	if n < 2 {
		t.Errorf("%d duties of a shift on two days a week", n)
	}
	nurse.refused(t, "POST", "/api/rota/shifts", strings.Replace(shift, "engineer", "king", 1), http.StatusBadRequest)
	nurse.must(t, "DELETE", "/api/rota/"+made.ID, "", nil)
	nurse.refused(t, "DELETE", "/api/rota/"+made.ID, "", http.StatusNotFound)
	h.visit(t, "engineer").refused(t, "POST", "/api/rota/shifts", shift, http.StatusForbidden)
	nurse.refused(t, "POST", "/api/rota/handovers/nothing/accept", "", http.StatusNotFound)
	nurse.refused(t, "POST", "/api/rota/handovers/nothing/maybe", "", http.StatusNotFound)
}
