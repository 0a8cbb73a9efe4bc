package webapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Who may use a route: one letter each for signed out, nurse, physician, engineer, patient, administrator.
const (
	anybody  = "SNPEp"
	people   = "NPEp"
	staff    = "NPE"
	clinical = "NP"
	patients = "p"
	admins   = "A"
)

// doorway is what the matrix knows of a route: who may use it, and a harmless request to try it with, which need not
// succeed: the matrix asks who is let in, other tests ask what happens then.
type doorway struct {
	who  string
	path string // when the pattern's {id} is not enough
	body string
}

// matrix names every route. A new route is considered here, or the test fails.
func matrix() map[string]doorway {
	return map[string]doorway{
		"GET /api/session":          {who: anybody},
		"POST /api/session":         {who: anybody, body: `{"nonsense":1}`},
		"POST /api/session/visit":   {who: anybody, body: `{"nonsense":1}`},
		"DELETE /api/session":       {who: anybody, path: "skip"}, // TestSession ends sessions
		"POST /api/setup":           {who: anybody, body: `{"nonsense":1}`},
		"GET /api/metrics":          {who: people},
		"GET /api/units":            {who: staff},
		"GET /api/ward":             {who: staff, path: "/api/ward?unit=icu-north"},
		"POST /api/beds/{id}/admit": {who: clinical}, "POST /api/beds/{id}/discharge": {who: clinical}, "POST /api/beds/{id}/state": {who: clinical},

		"GET /api/patients":                 {who: clinical},
		"GET /api/patients/{id}":            {who: clinical},
		"GET /api/patients/{id}/numbers":    {who: clinical},
		"GET /api/patients/{id}/trend":      {who: clinical},
		"GET /api/patients/{id}/waveform":   {who: clinical, path: "/api/patients/okafor/waveform?metric=ecg-ii"},
		"GET /api/patients/{id}/news2":      {who: clinical},
		"GET /api/patients/{id}/alarms":     {who: clinical},
		"GET /api/patients/{id}/limits":     {who: clinical},
		"PUT /api/patients/{id}/limits":     {who: clinical, body: `[]`},
		"GET /api/patients/{id}/thread":     {who: clinical},
		"POST /api/patients/{id}/thread":    {who: clinical},
		"GET /api/patients/{id}/steps":      {who: clinical},
		"GET /api/patients/{id}/devices":    {who: clinical},
		"GET /api/patients/{id}/record":     {who: clinical},
		"GET /api/attention":                {who: staff},
		"GET /api/alarms":                   {who: staff},
		"GET /api/alarms/{id}":              {who: staff},
		"POST /api/alarms/{id}/{action}":    {who: staff, path: "/api/alarms/none/seen"},
		"POST /api/calls":                   {who: people, body: `{"kind":"nonsense"}`},
		"POST /api/consults":                {who: clinical},
		"GET /api/consults":                 {who: people},
		"GET /api/consults/{id}":            {who: people},
		"POST /api/consults/{id}/messages":  {who: people, body: `{"text":"x"}`},
		"POST /api/consults/{id}/join":      {who: people},
		"POST /api/consults/{id}/leave":     {who: people},
		"GET /api/consults/{id}/ice":        {who: people},
		"POST /api/consults/{id}/close":     {who: clinical, body: `{"note":"x"}`},
		"GET /api/portal":                   {who: patients},
		"GET /api/portal/readings":          {who: patients, path: "/api/portal/readings?metric=heart-rate"},
		"GET /api/portal/messages":          {who: patients},
		"POST /api/portal/messages":         {who: patients, body: `{"nonsense":1}`},
		"GET /api/portal/family":            {who: patients},
		"GET /api/devices":                  {who: staff},
		"GET /api/devices/{id}":             {who: staff},
		"POST /api/devices":                 {who: staff},
		"POST /api/devices/{id}/token":      {who: staff, path: "/api/devices/none/token"},
		"POST /api/devices/{id}/bind":       {who: staff},
		"POST /api/devices/{id}/unbind":     {who: staff, path: "/api/devices/none/unbind"},
		"GET /api/devices/{id}/messages":    {who: staff},
		"GET /api/profiles":                 {who: staff},
		"GET /api/quarantine":               {who: staff},
		"POST /api/quarantine/{id}/release": {who: staff},
		"POST /api/quarantine/release":      {who: staff, body: `{"device":"none"}`},
		"DELETE /api/quarantine/{id}":       {who: staff},
		"GET /api/status":                   {who: staff},
		"GET /api/telemetry/retention":      {who: admins},
		"PUT /api/telemetry/retention":      {who: admins, body: `{"policy":{"nonsense":{}}}`},
		"GET /api/telemetry/holds":          {who: admins},

		"PUT /api/telemetry/holds/{type}/{id}":    {who: admins, path: "/api/telemetry/holds/Patient/okafor", body: `{"reason":""}`},
		"DELETE /api/telemetry/holds/{type}/{id}": {who: admins, path: "/api/telemetry/holds/Patient/okafor"},
		"GET /api/tokens":                         {who: admins},
		"POST /api/tokens":                        {who: admins},
		"DELETE /api/tokens/{id}":                 {who: admins},
		"GET /api/clients":                        {who: admins},
		"POST /api/clients":                       {who: admins},
		"DELETE /api/clients/{id}":                {who: admins},
		"GET /api/peers":                          {who: staff},
		"GET /api/peers/{name}/queue":             {who: "EA", path: "/api/peers/none/queue"},
		"POST /api/peers/{name}/retry":            {who: "EA", path: "/api/peers/none/retry"},

		"GET /api/models":                 {who: staff},
		"GET /api/models/{key}":           {who: staff, path: "/api/models/none"},
		"POST /api/models/{key}/{action}": {who: "PA", path: "/api/models/none/off"},
		"POST /api/models/marks":          {who: clinical},
		"POST /api/models/outcomes":       {who: clinical},
		"GET /api/patients/{id}/risk":     {who: clinical},
		"GET /api/patients/{id}/scores":   {who: clinical},
		"GET /api/reports/alarms":         {who: "NPEA", path: "/api/reports/alarms?from=nonsense"},
		"GET /api/reports/alarms/changes": {who: clinical, path: "/api/reports/alarms/changes?from=nonsense"},
		"GET /api/rules":                  {who: staff},
		"POST /api/rules":                 {who: staff, body: `{"nonsense":1}`},
		"GET /api/rules/alarms":           {who: staff},
		"GET /api/rules/vocabulary":       {who: staff},
		"POST /api/rules/check":           {who: staff},
		"POST /api/rules/test":            {who: staff, body: `{"text":"tests: []"}`},
		"GET /api/rules/replays":          {who: staff},
		"POST /api/rules/replays":         {who: staff, body: `{"nonsense":1}`},
		"GET /api/rules/replays/{id}":     {who: staff},
		"DELETE /api/rules/replays/{id}":  {who: staff},
		"GET /api/rules/{key}":            {who: staff, path: "/api/rules/map-low"},
		"GET /api/rules/shadows":          {who: clinical, path: "/api/rules/shadows?rule=map-low"},
		"POST /api/rules/{key}/{action}":  {who: staff, path: "/api/rules/map-low/nonsense"},

		"GET /api/alarms/{id}/pages":   {who: staff, path: "/api/alarms/none/pages"},
		"POST /api/alarms/acknowledge": {who: staff, body: `{"ids":[]}`},
		"GET /api/alarms-off":          {who: staff},
		"GET /api/alarms-off/history":  {who: staff},
		"POST /api/alarms-off":         {who: staff, body: `{"seconds":0}`},
		"DELETE /api/alarms-off/{id}":  {who: staff, path: "/api/alarms-off/none"},
		"GET /api/notify/settings":     {who: staff},
		"PUT /api/notify/settings":     {who: staff, body: `{"nonsense":1}`},
		"POST /api/notify/test":        {who: staff, body: `{"channel":"none"}`},
		"GET /api/notify/test":         {who: staff, path: "/api/notify/test?message=none"},
		"GET /api/notify/people":       {who: admins},
		"GET /api/notify/dead":         {who: staff},
		"POST /api/notify/retry":       {who: staff, body: `{"id":"none"}`},
		"POST /api/notify/receipt":     {who: staff, body: `{"id":"none"}`},
		"GET /api/rota":                {who: staff},
		"POST /api/rota/shifts":        {who: clinical},
		"PUT /api/rota/shifts/{id}":    {who: clinical, path: "/api/rota/shifts/none"},
		"POST /api/rota/substitutes":   {who: clinical},
		"DELETE /api/rota/{id}":        {who: clinical, path: "/api/rota/none"},
		"GET /api/rota/handovers":      {who: staff},
		"POST /api/rota/handovers":     {who: clinical},

		"POST /api/rota/handovers/{id}/{answer}": {who: clinical, path: "/api/rota/handovers/none/accept"},
		"GET /api/patients/{id}/limits/estimate": {who: clinical, path: "/api/patients/okafor/limits/estimate?metric=spo2&low=88"},
		"POST /api/patients/{id}/steps/{step}":   {who: clinical, path: "/api/patients/okafor/steps/none"},
		"POST /api/portal/medicines/{id}/taken":  {who: patients},
	}
}

func TestAccessMatrix(t *testing.T) {
	h := shared()
	visitors := map[byte]*visitor{'S': h.stranger(), 'N': h.visit(t, "nurse"), 'P': h.visit(t, "physician"), 'E': h.visit(t, "engineer"), 'p': h.visit(t, "patient"), 'A': h.administrator(t)}
	table := matrix()
	for _, rt := range webapi.Patterns() {
		door, ok := table[rt.Pattern]
		if !ok {
			t.Errorf("%s: nobody has considered who may use it", rt.Pattern)
			continue
		}
		delete(table, rt.Pattern)
		if door.path == "skip" {
			continue
		}
		method, path, _ := strings.Cut(rt.Pattern, " ")
		path = strings.ReplaceAll(path, "{id}", idFor(path))
		if door.path != "" {
			path = door.path
		}
		letters := anybody
		if door.who == admins {
			letters += admins
		}
		for _, letter := range []byte(letters) {
			a := visitors[letter].ask(t, method, path, door.body)
			kind, message := envelope(a)
			allowed := strings.IndexByte(door.who, letter) >= 0
			switch {
			case allowed && (a.status == http.StatusUnauthorized || a.status >= 500 || a.status == http.StatusForbidden && strings.Contains(message, "this needs the role")):
				t.Errorf("%c %s: %d %s, want to be let in", letter, rt.Pattern, a.status, a.body)
			case !allowed && letter == 'S' && (a.status != http.StatusUnauthorized || kind != "denied"):
				t.Errorf("signed out, %s: %d %s, want 401", rt.Pattern, a.status, a.body)
			case !allowed && letter != 'S' && (a.status != http.StatusForbidden || kind != "denied"):
				t.Errorf("%c %s: %d %s, want 403", letter, rt.Pattern, a.status, a.body)
			case !allowed && strings.Contains(a.body, "Okafor"):
				t.Errorf("%c %s: the refusal names a patient: %s", letter, rt.Pattern, a.body)
			}
		}
	}
	for pattern := range table {
		t.Errorf("%s is in the matrix and not among the routes", pattern)
	}
}

// idFor is something that exists, or does not when the request would change it.
func idFor(path string) string {
	switch {
	case strings.HasPrefix(path, "/api/patients/"):
		return "okafor"
	case strings.HasPrefix(path, "/api/devices/"):
		return "patch-031"
	case strings.HasPrefix(path, "/api/beds/"):
		return "no-such-bed"
	}
	return "none"
}

// okaforsConsult opens a consult with a patient who is somebody else's.
func okaforsConsult(t *testing.T, v *visitor) string {
	t.Helper()
	var co struct{ ID string }
	v.must(t, "POST", "/api/consults", `{"patient_id":"okafor"}`, &co)
	return co.ID
}

func TestPatientCompartment(t *testing.T) {
	t.Parallel()
	h := shared()
	me, nurse := h.visit(t, "sara"), h.visit(t, "nurse")
	monitor := h.monitorOf(t, "okafor")
	h.cuff(t, monitor, 70, 40, 50)
	foreignAlarm := h.alarmOf(t, nurse, "okafor", "map-low")
	foreign := okaforsConsult(t, nurse)
	ids := map[string]string{"/api/consults/": foreign, "/api/alarms/": foreignAlarm, "/api/devices/": monitor, "/api/patients/": "okafor", "/api/beds/": "icu-north-bed-7"}
	table := matrix()
	for _, rt := range webapi.Patterns() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if !strings.Contains(path, "{id}") {
			continue
		}
		id := "okafor"
		for prefix, known := range ids {
			if strings.HasPrefix(path, prefix) {
				id = known
			}
		}
		path = strings.NewReplacer("{id}", id, "{action}", "acknowledge", "{step}", "line").Replace(path)
		a := me.ask(t, method, path, table[rt.Pattern].body)
		if a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			t.Errorf("%s %s: %d %s, want 403 or 404", method, path, a.status, a.body)
		}
		if strings.Contains(a.body, "Okafor") {
			t.Errorf("%s %s: the answer names another patient: %s", method, path, a.body)
		}
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/api/alarms?state=all", ""}, {"GET", "/api/attention", ""}, {"GET", "/api/ward?unit=icu-north", ""}, {"GET", "/api/patients?q=okafor", ""},
		{"GET", "/api/app/medication/day?patient=okafor", ""}, {"GET", "/api/app/medication/panel", ""}, {"GET", "/api/app/rpm/panel", ""},
		{"POST", "/api/app/rpm/enrol", `{"patient_id":"okafor","programme":"copd"}`}, {"POST", "/api/app/rpm/contact", `{"patient_ids":["okafor"],"text":"x"}`},
		{"GET", "/fhir/Patient/okafor", ""}, {"GET", "/fhir/Encounter/enc-okafor", ""},
		{"GET", "/fhir/AllergyIntolerance/allergy-okafor", ""}, {"PUT", "/fhir/Patient/okafor", `{"resourceType":"Patient","id":"okafor"}`},
	} {
		if a := me.ask(t, c.method, c.path, c.body); a.status < 400 || strings.Contains(a.body, "Okafor") {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	// Searches that name nobody else give what is his own, and naming somebody else gives nothing.
	for _, path := range []string{"/api/consults?patient_id=okafor", "/fhir/Patient", "/fhir/Encounter", "/fhir/AllergyIntolerance", "/fhir/Patient?family=Okafor", "/fhir/Observation?patient=okafor", "/fhir/Patient?_id=okafor"} {
		a := me.ask(t, "GET", path, "")
		entries := strings.ReplaceAll(a.body, h.url+path, "") // its link to itself says what was asked
		if a.status >= 500 || strings.Contains(entries, "kafor") || strings.Contains(a.body, "anaphylaxis") {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
	}
	// A call is always his own, whatever it says.
	var call struct{ ID, Subject string }
	me.must(t, "POST", "/api/calls", `{"kind":"help","patient_id":"okafor"}`, &call)
	if call.Subject != "Patient/duarte" {
		t.Errorf("the call is of %s", call.Subject)
	}
	nurse.must(t, "POST", "/api/alarms/"+call.ID+"/going", "", nil)
}

// names are what an engineer must not read: of every patient in the seeded hospital.
func names(t *testing.T, h *house) []string {
	t.Helper()
	var out []string
	for _, p := range h.Engines.Census.Patients("", "") {
		out = append(out, p.Name(), p.Given+" "+p.Family, p.MRN, `"`+p.Family+`"`)
	}
	if len(out) < 4*19 {
		t.Fatalf("%d names only", len(out))
	}
	return out
}

func TestEngineerSeesNoChart(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse, engineer := h.visit(t, "nurse"), h.visit(t, "engineer")
	// Novák's monitor runs out of battery, which engineers are to see, and measures a low pressure, which they are not.
	monitor := h.monitorOf(t, "novak")
	h.monitor(t, monitor, map[string]float64{"BATTERY": 3, "MDC_ECG_HEART_RATE": 61})
	h.cuff(t, monitor, 81.5, 41.5, 51.5)
	physiological := h.alarmOf(t, nurse, "novak", "map-low")
	technical := h.alarmOf(t, nurse, "novak", "battery-critical")
	hidden := append(names(t, h), "51.5", "81.5")
	var routes []string
	for _, rt := range webapi.Patterns() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if method != "GET" || !strings.Contains(matrix()[rt.Pattern].who, "E") || path == "/api/devices/{id}/messages" || path == "/api/quarantine" {
			continue // what devices said, values and all, is theirs to read: docs/reference/webapi.md
		}
		routes = append(routes, strings.NewReplacer("{id}", technical).Replace(path))
	}
	routes = append(routes, "/api/devices/"+monitor, "/api/alarms?state=all", "/api/ward?unit=icu-north", "/api/devices?q=novak", "/api/devices?q="+monitor, "/api/attention?unit=icu-north")
	for _, path := range routes {
		a := engineer.ask(t, "GET", path, "")
		for _, s := range hidden {
			if strings.Contains(a.body, s) {
				t.Errorf("GET %s shows an engineer %s", path, s)
			}
		}
	}
	var seen struct {
		ID       string
		Value    float64
		Patient  any
		Evidence any
		Bed      struct{ Label string }
	}
	engineer.must(t, "GET", "/api/alarms/"+technical, "", &seen)
	if seen.Patient != nil || seen.Bed.Label != "4" || seen.Value != 3 {
		t.Errorf("the technical alarm as an engineer sees it: %+v", seen)
	}
	if a := engineer.ask(t, "POST", "/api/alarms/"+technical+"/acknowledge", ""); a.status != http.StatusOK || strings.Contains(a.body, "Nov") {
		t.Errorf("acknowledge by an engineer: %d %s", a.status, a.body)
	}
	for _, action := range []string{"acknowledge", "note", "pass"} {
		engineer.refused(t, "POST", "/api/alarms/"+physiological+"/"+action, `{"text":"x"}`, http.StatusForbidden)
	}
	engineer.refused(t, "GET", "/api/alarms/"+physiological, "", http.StatusForbidden)
	engineer.refused(t, "GET", "/api/consults?patient_id=novak", "", http.StatusForbidden)
	engineer.refused(t, "POST", "/api/calls", `{"kind":"help","patient_id":"novak"}`, http.StatusForbidden)
	for _, path := range []string{"/fhir/Patient/novak", "/fhir/Patient", "/fhir/Observation?patient=novak", "/fhir/Patient?family=Novák"} {
		if a := engineer.ask(t, "GET", path, ""); a.status >= 500 || strings.Contains(a.body, "Nov") {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
	}
	var page struct{ Readings []any }
	engineer.must(t, "GET", "/api/devices/"+monitor, "", &page)
	if len(page.Readings) > 0 {
		t.Errorf("the device's page shows an engineer %d readings", len(page.Readings))
	}
}

func TestMenuFollowsTheRole(t *testing.T) {
	h := shared()
	for role, want := range map[string]string{"nurse": "rpm", "physician": "medication", "engineer": "", "patient": ""} {
		var s struct {
			User struct {
				Role  access.Role
				Login string
			}
			Menu []struct{ App string }
		}
		h.visit(t, role).must(t, "GET", "/api/session", "", &s)
		if string(s.User.Role) != role || s.User.Login == "" {
			t.Errorf("%s: %+v", role, s.User)
		}
		if got := fmt.Sprint(s.Menu); want == "" && len(s.Menu) > 0 || !strings.Contains(got, want) {
			t.Errorf("%s: menu %s", role, got)
		}
	}
}
