package webapi_test

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/web"
)

// scenario is one request and what must and must not come back.
type scenario struct {
	name, method, path, body string
	header                   map[string]string
	status                   int
	contains, lacks          []string
}

func TestHTTP(t *testing.T) {
	h := shared()
	nurse := h.visit(t, "nurse")
	const json, cross = `"error":{`, "Sec-Fetch-Site"
	for _, s := range []scenario{
		{name: "MalformedJSON", method: "POST", path: "/api/calls", body: `{"kind":`, status: 400, contains: []string{json, `"kind":"invalid"`}},
		{name: "NotAnObject", method: "POST", path: "/api/calls", body: `[1,2]`, status: 400, contains: []string{json}},
		{name: "UnknownField", method: "POST", path: "/api/calls", body: `{"kin":"help"}`, status: 400, contains: []string{json, "kin"}},
		{name: "MoreThanOneValue", method: "POST", path: "/api/calls", body: `{"kind":"help","patient_id":"berg"} {}`, status: 400, contains: []string{json}},
		{name: "HugeBody", method: "POST", path: "/api/patients/berg/thread", body: `{"text":"` + strings.Repeat("x", 1<<20) + `"}`, status: 413, contains: []string{json}},
		{name: "HugeBodyOfAnApplication", method: "POST", path: "/api/app/rpm/contact", body: `{"text":"` + strings.Repeat("x", 1<<20) + `"}`, status: 413, contains: []string{json}},
		{name: "HugeBodySignedOut", method: "POST", path: "/api/session", body: `{"login":"` + strings.Repeat("x", 1<<20) + `"}`, status: 413, contains: []string{json}},
		{name: "LongText", method: "POST", path: "/api/patients/berg/thread", body: `{"text":"` + strings.Repeat("x", 4001) + `"}`, status: 400, contains: []string{json, "4000"}},
		{name: "EmptyText", method: "POST", path: "/api/patients/berg/thread", body: `{"text":"  "}`, status: 400, contains: []string{json}},
		{name: "WrongMethod", method: "PATCH", path: "/api/session", status: 404, contains: []string{json, "PATCH"}},
		{name: "WrongMethodOfAnApplication", method: "DELETE", path: "/api/app/rpm/panel", status: 404, contains: []string{json}},
		{name: "NoSuchRoute", method: "GET", path: "/api/nothing", status: 404, contains: []string{json, `"kind":"not_found"`}},
		{name: "NoSuchApplication", method: "GET", path: "/api/app/nothing/panel", status: 404, contains: []string{json}},
		{name: "NoSuchPatient", method: "GET", path: "/api/patients/nobody/numbers", status: 404, contains: []string{json, "nobody"}},
		{name: "NoSuchUnit", method: "GET", path: "/api/ward?unit=nowhere", status: 404, contains: []string{json}},
		{name: "NoSuchDevice", method: "GET", path: "/api/devices/nothing", status: 404, contains: []string{json}},
		{name: "CallForNobody", method: "POST", path: "/api/calls", body: `{"kind":"help"}`, status: 404, contains: []string{json}},
		{name: "CallForAStranger", method: "POST", path: "/api/calls", body: `{"kind":"help","patient_id":"nobody"}`, status: 404, contains: []string{json}},
		{name: "NoSuchCall", method: "POST", path: "/api/calls", body: `{"kind":"cake","patient_id":"berg"}`, status: 400, contains: []string{json, "cake"}},
		{name: "TimeIsNoNumber", method: "GET", path: "/api/patients/berg/trend?from_ms=yesterday", status: 400, contains: []string{json, "from_ms"}},
		{name: "TimeTooFar", method: "GET", path: "/api/patients/berg/trend?to_ms=9223372036854775807", status: 400, contains: []string{json}},
		{name: "TimeBeforeTime", method: "GET", path: "/api/patients/berg/trend?from_ms=-9223372036854775808", status: 400, contains: []string{json}},
		{name: "TimesReversed", method: "GET", path: "/api/patients/berg/trend?from_ms=2000&to_ms=1000", status: 400, contains: []string{json}},
		{name: "TooManyPoints", method: "GET", path: "/api/patients/berg/trend?points=1000000", status: 400, contains: []string{json, "5000"}},
		{name: "UnknownMetric", method: "GET", path: "/api/patients/berg/trend?metrics=mood", status: 400, contains: []string{json, "mood"}},
		{name: "TooMuchWaveform", method: "GET", path: "/api/patients/berg/waveform?metric=ecg-ii&from_ms=0&to_ms=60001", status: 400, contains: []string{json}},
		{name: "NoWaveform", method: "GET", path: "/api/patients/berg/waveform?metric=spo2", status: 400, contains: []string{json}},
		{name: "ScoresOfAMoment", method: "GET", path: "/api/patients/berg/news2?from_ms=1000&to_ms=1001", status: 400, contains: []string{json}},
		{name: "ScoresOfAllTimes", method: "GET", path: "/api/patients/berg/news2?from_ms=0&step_ms=60000", status: 400, contains: []string{json}},
		{name: "AllTimes", method: "GET", path: "/api/patients/berg/trend?from_ms=0", status: 200, contains: []string{`"series":[`}},
		{name: "QuarantineOfNoNumber", method: "POST", path: "/api/quarantine/x/release", status: 404, contains: []string{json}},
		{name: "PathTraversal", method: "GET", path: "/api/patients/..%2f..%2fsession/numbers", status: 404, contains: []string{json}},

		{name: "CrossSite", method: "POST", path: "/api/calls", body: `{"kind":"help","patient_id":"berg"}`, header: map[string]string{cross: "cross-site"}, status: 403, contains: []string{json, "other sites"}},
		{name: "CrossSiteToAnApplication", method: "POST", path: "/api/app/rpm/contact", header: map[string]string{cross: "cross-site"}, status: 403, contains: []string{json}},
		{name: "SameSiteIsNotSameOrigin", method: "DELETE", path: "/api/session", header: map[string]string{cross: "same-site"}, status: 403, contains: []string{json}},
		{name: "OtherOrigin", method: "POST", path: "/api/calls", header: map[string]string{"Origin": "https://evil.example"}, status: 403, contains: []string{json}},
		{name: "CrossSiteToTheRecord", method: "PUT", path: "/fhir/Patient/berg", body: `{}`, header: map[string]string{cross: "cross-site"}, status: 403},
		{name: "CrossSiteRead", method: "GET", path: "/api/units", header: map[string]string{cross: "cross-site"}, status: 200},

		{name: "Healthy", method: "GET", path: "/healthz", status: 200, contains: []string{"ok"}},
		{name: "Ready", method: "GET", path: "/readyz", status: 200, contains: []string{"ready"}},
		{name: "Metrics", method: "GET", path: "/metrics", status: 200, contains: []string{"vigil_ingest_values_total", "vigil_telemetry_acknowledging 1"}, lacks: []string{"okafor", "Berg"}},
		{name: "MissingAsset", method: "GET", path: "/assets/missing.js", status: 404},
		{name: "PostToAPage", method: "POST", path: "/ward", status: 405},
		{name: "TunnelWithoutToken", method: "POST", path: "/ingest/patch-031", body: `{}`, status: 401},
	} {
		t.Run(s.name, func(t *testing.T) {
			v := &visitor{url: nurse.url, client: nurse.client, header: http.Header{}}
			for k, x := range s.header {
				v.header.Set(k, x)
			}
			a := v.ask(t, s.method, s.path, s.body)
			if a.status != s.status {
				t.Errorf("%d %.300s, want %d", a.status, a.body, s.status)
			}
			for _, c := range s.contains {
				if !strings.Contains(a.body, c) {
					t.Errorf("%.300s does not contain %s", a.body, c)
				}
			}
			for _, c := range append(s.lacks, "internal error", "panic", "goroutine") {
				if strings.Contains(a.body, c) && s.path != "/metrics" {
					t.Errorf("%.300s contains %s", a.body, c)
				}
			}
			guarded(t, a)
			if strings.HasPrefix(s.path, "/api/") && a.status < 300 && a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
			}
		})
	}
}

// guarded checks the headers that every answer carries.
func guarded(t *testing.T, a answer) {
	t.Helper()
	csp := a.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
	for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"} {
		if got := a.header.Get(k); got != want {
			t.Errorf("%s %q", k, got)
		}
	}
	if hsts := a.header.Get("Strict-Transport-Security"); hsts != "" {
		t.Errorf("plain HTTP promises HTTPS: %q", hsts)
	}
}

// TestPages holds that every unknown path is a page of the interface, when one is built in.
func TestPages(t *testing.T) {
	v := shared().stranger()
	_, err := fs.Stat(web.Dist(), "index.html")
	for _, path := range []string{"/", "/ward", "/patient/okafor", "/alert/x.y"} {
		a := v.ask(t, "GET", path, "")
		guarded(t, a)
		if err != nil {
			if a.status != http.StatusNotFound || !strings.Contains(a.body, "not built into this binary") {
				t.Errorf("%s without an interface: %d %s", path, a.status, a.body)
			}
			continue
		}
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %s", path, a.status, a.header)
		}
		if strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<style") || strings.Contains(a.body, "style=") {
			t.Errorf("%s has inline script or style, which the policy forbids", path)
		}
	}
}

// TestNoRouteIsOpenByAccident holds that only the ways in have no role.
func TestNoRouteIsOpenByAccident(t *testing.T) {
	for _, p := range webapi.Patterns() {
		method, path, _ := strings.Cut(p.Pattern, " ")
		if len(p.Roles) == 0 && path != "/api/session" && path != "/api/session/visit" && path != "/api/setup" {
			t.Errorf("%s %s is open to everybody", method, path)
		}
	}
}

// TestForgedCookie holds that a cookie that no sign-in gave opens nothing.
func TestForgedCookie(t *testing.T) {
	v := shared().stranger()
	for _, forged := range []string{"vigil_session=", "vigil_session=x", "vigil_session=" + strings.Repeat("A", 43), "vigil_session=../../x", "session=x"} {
		v.header.Set("Cookie", forged)
		v.refused(t, "GET", "/api/patients", "", http.StatusUnauthorized)
		if a := v.ask(t, "GET", "/live", ""); a.status != http.StatusUnauthorized {
			t.Errorf("/live with %s: %d", forged, a.status)
		}
	}
}
