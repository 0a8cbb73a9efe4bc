package promapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/promapi"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// What Prometheus documents of its functions and operators holds over our store.
func TestPromQL(t *testing.T) {
	h := ward(t)
	for _, c := range []struct{ name, query, at, want string }{
		{"Instant", `vigil_heart_rate_per_minute{subject="Patient/sara"}`, at(5 * time.Second), `patch-1=65`},
		{"BetweenSamples", `vigil_bp_systolic_mmhg`, at(7 * time.Minute), `cuff-1=118`},
		{"Stale", `vigil_bp_systolic_mmhg`, at(10*time.Minute + 301*time.Second), ``},
		{"LastOverTime", `last_over_time(vigil_bp_systolic_mmhg[1h])`, at(30 * time.Minute), `cuff-1=90`},
		{"Offset", `vigil_bp_systolic_mmhg offset 5m`, at(10 * time.Minute), `cuff-1=118`},
		{"AtModifier", `vigil_bp_systolic_mmhg @ ` + at(0), at(time.Hour), `cuff-1=120`},
		{"ByMetricLabel", `{metric="heart-rate"}`, at(0), `patch-1=60 patch-2=60`},
		{"ByLOINC", `{loinc="8480-6"}`, at(0), `cuff-1=120`},
		{"ByMDC", `{mdc="147842",device="patch-2"}`, at(0), `patch-2=60`},
		{"Regex", `{subject=~"Patient/(sara|omar)",metric="heart-rate"}`, at(9 * time.Second), `patch-1=69 patch-2=69`},
		{"NotRegex", `{metric="heart-rate",subject!~"Patient/o.*"}`, at(0), `patch-1=60`},
		{"NotEqual", `{metric="heart-rate",device!="patch-1"}`, at(0), `patch-2=60`},
		{"TwoSubjectMatchers", `{subject=~"Patient/(sara|omar)",subject!="Patient/sara",metric="heart-rate"}`, at(0), `patch-2=60`},
		{"UnknownLabelEmpty", `{metric="heart-rate",bed=""}`, at(0), `patch-1=60 patch-2=60`},
		{"UnknownLabelSet", `{metric="heart-rate",bed="7"}`, at(0), ``},
		{"UnknownSubject", `{subject="Patient/nobody"}`, at(0), ``},
		{"Place", `vigil_room_temperature_celsius`, at(2 * time.Minute), `thermo-1=22`},
		{"MaxOverTime", `max_over_time(vigil_heart_rate_per_minute{device="patch-1"}[10s])`, at(20 * time.Second), `patch-1=69`},
		{"MinOverTime", `min_over_time(vigil_bp_systolic_mmhg[15m])`, at(10 * time.Minute), `cuff-1=90`},
		{"AvgOverTime", `avg_over_time(vigil_heart_rate_per_minute{device="patch-1"}[10s])`, at(19 * time.Second), `patch-1=64.5`},
		{"CountOverTime", `count_over_time(vigil_heart_rate_per_minute{device="patch-1"}[1m])`, at(time.Minute), `patch-1=60`},
		{"LeftOpenRange", `count_over_time(vigil_heart_rate_per_minute{device="patch-1"}[10s])`, at(10 * time.Second), `patch-1=10`},
		{"Delta", `delta(vigil_bp_systolic_mmhg[10m1ms])`, at(10 * time.Minute), `cuff-1=-30.00005`},
		{"Subquery", `max_over_time(avg_over_time(vigil_bp_systolic_mmhg[6m])[10m:5m])`, at(10 * time.Minute), `cuff-1=119`},
		{"AggregateBy", `avg by (metric) (vigil_heart_rate_per_minute)`, at(4 * time.Second), `=64`},
		{"Comparison", `vigil_bp_systolic_mmhg < 100`, at(10 * time.Minute), `cuff-1=90`},
		{"Arithmetic", `vigil_bp_systolic_mmhg * on (subject) group_left vigil_heart_rate_per_minute{subject="Patient/sara"}`, at(0), `cuff-1=7200`},
		{"Absent", `absent(vigil_lactate_mmol_per_l)`, at(0), `=1`},
		{"Topk", `topk(1, {__name__=~"vigil_(heart_rate|bp_systolic).*"})`, at(0), `cuff-1=120`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, r := h.get(t, "query", "query", c.query, "time", c.at)
			if status != 200 || r.Status != "success" {
				t.Fatalf("%d %+v", status, r)
			}
			if got := vector(t, r.Data); got != c.want {
				t.Errorf("%s is %q, want %q", c.query, got, c.want)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	h := ward(t)
	const systolic = `"device":"cuff-1","loinc":"8480-6","mdc":"150021","metric":"bp-systolic","subject":"Patient/sara","unit":"mm[Hg]"`
	get, both := []string{"GET"}, []string{"GET", "POST"}
	for _, c := range []struct {
		name    string
		methods []string
		path    string
		form    url.Values
		want    string
	}{
		{"Matrix", both, "query_range", url.Values{"query": {"vigil_bp_systolic_mmhg"}, "start": {at(0)}, "end": {at(10 * time.Minute)}, "step": {"5m"}},
			`{"resultType":"matrix","result":[{"metric":{"__name__":"vigil_bp_systolic_mmhg",` + systolic + `},"values":[[1772366400,"120"],[1772366700,"118"],[1772367000,"90"]]}]}`},
		{"Scalar", both, "query", url.Values{"query": {"1/4"}, "time": {at(0) + ".250"}}, `{"resultType":"scalar","result":[1772366400.250,"0.25"]}`},
		{"Special", both, "query", url.Values{"query": {"-1/0"}, "time": {at(0)}}, `{"resultType":"scalar","result":[1772366400,"-Inf"]}`},
		{"String", both, "query", url.Values{"query": {`"a\"b"`}, "time": {at(0)}}, `{"resultType":"string","result":[1772366400,"a\"b"]}`},
		{"Empty", both, "query", url.Values{"query": {"vigil_lactate_mmol_per_l"}}, `{"resultType":"vector","result":[]}`},
		{"RFC3339", both, "query", url.Values{"query": {"vigil_bp_systolic_mmhg*2"}, "time": {"2026-03-01T12:00:00Z"}}, `{"resultType":"vector","result":[{"metric":{` + systolic + `},"value":[1772366400,"240"]}]}`},
		{"Lookback", both, "query", url.Values{"query": {"count(vigil_bp_systolic_mmhg)"}, "time": {at(time.Hour)}, "lookback_delta": {"2h"}}, `{"resultType":"vector","result":[{"metric":{},"value":[1772370000,"1"]}]}`},
		{"Series", both, "series", url.Values{"match[]": {`vigil_heart_rate_per_minute{device="patch-2"}`, `{device="patch-2"}`}},
			`[{"__name__":"vigil_heart_rate_per_minute","device":"patch-2","loinc":"8867-4","mdc":"147842","metric":"heart-rate","subject":"Patient/omar","unit":"/min"}]`},
		{"SeriesOver", both, "series", url.Values{"match[]": {`{device="patch-2"}`}, "start": {at(time.Hour)}}, `[]`},
		{"Labels", both, "labels", nil, `["__name__","device","loinc","mdc","metric","subject","unit"]`},
		{"LabelsOf", both, "labels", url.Values{"match[]": {`{metric="room-temperature"}`}}, `["__name__","device","loinc","metric","subject","unit"]`},
		{"Values", get, "label/subject/values", nil, `["Location/icu-1","Patient/omar","Patient/sara"]`},
		{"ValuesOf", get, "label/device/values", url.Values{"match[]": {`{metric="heart-rate"}`}}, `["patch-1","patch-2"]`},
		{"Names", get, "label/__name__/values", url.Values{"start": {at(3 * time.Minute)}}, `["vigil_bp_systolic_mmhg","vigil_heart_rate_per_minute"]`},
		{"NoValues", get, "label/bed/values", nil, `[]`},
		{"Metadata", get, "metadata", url.Values{"metric": {"vigil_spo2_percent"}}, `{"vigil_spo2_percent":[{"type":"gauge","help":"Oxygen saturation","unit":"%"}]}`},
		{"Format", both, "format_query", url.Values{"query": {"sum(rate(a[5m]))by(b)"}}, `"sum by (b) (rate(a[5m]))"`},
		{"BuildInfo", get, "status/buildinfo", nil, `{"branch":"","buildDate":"","buildUser":"","goVersion":"","revision":"vigil test","version":"3.16.0"}`},
		{"Rules", get, "rules", nil, `{"groups":[]}`},
		{"Alerts", get, "alerts", nil, `{"alerts":[]}`},
		{"Exemplars", both, "query_exemplars", url.Values{"query": {"a"}}, `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, method := range c.methods {
				w := h.do(t, method, "/api/v1/"+c.path, c.form)
				want := `{"status":"success","data":` + c.want + `}`
				if got := w.Body.String(); w.Code != 200 || got != want {
					t.Errorf("%s answers %d\n%s, want\n%s", method, w.Code, got, want)
				}
			}
		})
	}
	for _, path := range []string{"/-/healthy", "/-/ready"} {
		if w := h.as(access.Principal{}).do(t, "GET", path, nil); w.Code != 200 {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
}

func TestErrors(t *testing.T) {
	h := ward(t, func(c *promapi.Config) { c.MaxSamples = 1000 })
	both := `{device=~"patch-1|cuff-1"}`
	for _, c := range []struct {
		name, path, form string
		status           int
		kind, contains   string
	}{
		{"Syntax", "query", `query=rate(a`, 400, "bad_data", "unclosed left parenthesis"},
		{"NoQuery", "query", ``, 400, "bad_data", "no expression"},
		{"Time", "query", `query=a&time=soon`, 400, "bad_data", `cannot parse "soon"`},
		{"NaN", "query", `query=a&time=NaN`, 400, "bad_data", "timestamp"},
		{"Limit", "query", `query=a&limit=-1`, 400, "bad_data", "limit"},
		{"Timeout", "query", `query=a&timeout=-1s`, 400, "bad_data", "timeout"},
		{"NoStart", "query_range", `query=a&end=1&step=1`, 400, "bad_data", "start"},
		{"Backwards", "query_range", `query=a&start=2&end=1&step=1`, 400, "bad_data", "before start"},
		{"NoStep", "query_range", `query=a&start=1&end=2`, 400, "bad_data", "step"},
		{"Resolution", "query_range", `query=a&start=1&end=20000&step=1`, 400, "bad_data", "11000 points"},
		{"RangeOfVector", "query_range", `query=a[5m]&start=1&end=2&step=1`, 400, "bad_data", "range"},
		{"Execution", "query", "query=" + url.QueryEscape(both+" + on (subject) "+both) + "&time=" + at(0), 422, "execution", "many-to-many"},
		{"TooMany", "query", `query=count_over_time({device="patch-1"}[1h:1s])&time=` + at(10*time.Minute), 422, "execution", "too many samples"},
		{"EndlessSubquery", "query", `query=max_over_time({metric="heart-rate"}[100y:1ms])`, 400, "bad_data", "1000000 steps"},
		{"EndlessSubqueries", "query", `query=max_over_time(max_over_time(max_over_time({metric="heart-rate"}[1m:1s])[1s:1s])[100y:1d])`, 400, "bad_data", "1000000 steps"},
		{"TooLong", "query", `query=` + strings.Repeat("(", 20_000), 400, "bad_data", "16384 bytes"},
		{"NoMatch", "series", ``, 400, "bad_data", "match[]"},
		{"EmptyMatch", "series", `match[]={subject=~".*"}`, 400, "bad_data", "non-empty"},
		{"BadMatch", "labels", `match[]={subject=}`, 400, "bad_data", "match[]"},
		{"Unknown", "targets", ``, 404, "not_found", "targets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := h.do(t, "GET", "/api/v1/"+c.path, must(url.ParseQuery(c.form)))
			var r reply
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || r.Status != "error" || r.ErrorType != c.kind || !strings.Contains(r.Error, c.contains) {
				t.Errorf("%d %+v", w.Code, r)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	h := ward(t)
	for _, path := range []string{"query", "series", "labels", "label/device/values"} {
		_, r := h.get(t, path, "query", `{metric="heart-rate"}`, "match[]", `{metric="heart-rate"}`, "time", at(0), "limit", "1")
		if !slices.Contains(r.Warnings, "results truncated due to limit") {
			t.Errorf("%s does not say that it was cut: %+v", path, r)
		}
	}
	_, r := h.get(t, "query", "query", "vigil_bp_systolic_mmhg", "time", at(0), "stats", "all")
	if !strings.Contains(string(r.Data), `"stats":{"timings":{`) || !strings.Contains(string(r.Data), `"totalQueryableSamples":1`) {
		t.Errorf("no statistics: %s", r.Data)
	}
	h = ward(t, func(c *promapi.Config) { c.Timeout = time.Nanosecond })
	status, r := h.get(t, "query", "query", "vigil_bp_systolic_mmhg")
	if status != 503 || r.ErrorType != "timeout" {
		t.Errorf("a query without time: %d %+v", status, r)
	}
}

// Everybody sees what his role lets him see, and each look is noted.
func TestAccess(t *testing.T) {
	h := ward(t)
	everything := `{__name__=~"vigil_.*"}`
	note := func(what, detail, outcome string, subjects ...string) []audit.Entry {
		return []audit.Entry{{Action: "telemetry.query", What: what, Detail: detail, Outcome: outcome, Subjects: subjects}}
	}
	for _, c := range []struct {
		name, query string
		who         access.Principal
		status      int
		want        string
		noted       []audit.Entry
	}{
		{"Nurse", everything, nurse, 200, "cuff-1=120 patch-1=60 patch-2=60 thermo-1=21.5", note("telemetry", "query series=4", "", "omar", "sara")},
		{"NurseOne", `{subject="Patient/omar"}`, nurse, 200, "patch-2=60", note("Patient/omar", "query series=1", "", "omar")},
		{"EngineerSeesPlaces", everything, engineer, 200, "thermo-1=21.5", note("Location/icu-1", "query series=1", "")},
		{"EngineerDenied", `{subject="Patient/sara"}`, engineer, 403, "", note("Patient/sara", "query series=0", audit.Denied, "sara")},
		{"PatientSeesHimself", everything, patient, 200, "cuff-1=120 patch-1=60", note("Patient/sara", "query series=2", "", "sara")},
		{"PatientDenied", `{subject="Patient/omar"}`, patient, 403, "", note("Patient/omar", "query series=0", audit.Denied, "omar")},
		{"PatientPattern", `{subject=~"Patient/omar|Patient/x"}`, patient, 200, "", note("telemetry", "query series=0", "")},
		{"Stranger", everything, access.Principal{}, 401, "", nil},
		{"NoRole", everything, access.Principal{ID: "x"}, 403, "", nil},
		{"NothingLookedAt", `1+1`, nurse, 200, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.trail.take()
			w := h.as(c.who).do(t, "GET", "/api/v1/query", url.Values{"query": {c.query}, "time": {at(0)}})
			if w.Code != c.status {
				t.Fatalf("answers %d: %s", w.Code, w.Body)
			}
			if c.status == 200 && c.name != "NothingLookedAt" {
				var r reply
				if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
					t.Fatal(err)
				}
				if got := vector(t, r.Data); got != c.want {
					t.Errorf("sees %q, want %q", got, c.want)
				}
			}
			if diff := cmp.Diff(c.noted, h.trail.take()); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, path := range []string{"labels", "label/subject/values", "series"} {
		w := h.as(patient).do(t, "GET", "/api/v1/"+path, url.Values{"match[]": {everything}})
		if w.Code != 200 || strings.Contains(w.Body.String(), "omar") || strings.Contains(w.Body.String(), "icu-1") {
			t.Errorf("%s shows others to a patient: %d %s", path, w.Code, w.Body)
		}
		if n := len(h.trail.take()); n != 1 {
			t.Errorf("%s is noted %d times", path, n)
		}
	}
}

// What cannot be noted does not happen.
func TestNoAuditNoAnswer(t *testing.T) {
	h := ward(t)
	h.trail.err = vigil.Errorf(vigil.Unavailable, "audit.later", "the audit trail cannot be written")
	w := h.do(t, "GET", "/api/v1/query", url.Values{"query": {"vigil_bp_systolic_mmhg"}, "time": {at(0)}})
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "120") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestManySubjectsAreNotedAsAll(t *testing.T) {
	h := open(t)
	for i := range 70 {
		h.say(t, vigil.SeriesKey{Subject: vigil.PatientSubject(fmt.Sprint("p", i)), Device: "d", Metric: "spo2"}, noon, time.Second, 97)
	}
	status, _ := h.get(t, "query", "query", "avg(vigil_spo2_percent)", "time", at(0))
	want := []audit.Entry{{Action: "telemetry.query", What: "all", Detail: "query series=70"}}
	if diff := cmp.Diff(want, h.trail.take()); status != 200 || diff != "" {
		t.Error(status, diff)
	}
}

// Samples of the same millisecond are one to Prometheus: the last stands. Values that need care come out as they are.
func TestSamplesCloserThanPrometheusCounts(t *testing.T) {
	h := open(t)
	key := vigil.SeriesKey{Subject: sara, Device: "d", Metric: "spo2"}
	h.say(t, key, noon, 250*time.Microsecond, 1, 2, 3, 4, 5, math.Inf(1), 7, 1e-9)
	_, r := h.get(t, "query", "query", `vigil_spo2_percent[1m]`, "time", at(time.Second))
	if want := `"values":[[1772366400,"4"],[1772366400.001,"1e-09"]]`; !strings.Contains(string(r.Data), want) {
		t.Errorf("%s has not %s", r.Data, want)
	}
}

// slow is a store whose samples wait for a word.
type slow struct {
	promapi.Telemetry
	begun chan struct{}
	word  chan struct{}
}

func (s slow) Iterate(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(telemetry.Block) error) error {
	s.begun <- struct{}{}
	select {
	case <-s.word:
		return s.Telemetry.Iterate(ctx, key, from, to, fn)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Queries beyond the bound wait for their turn, and give up in time with a clear word.
func TestTurns(t *testing.T) {
	s := slow{begun: make(chan struct{}, 8), word: make(chan struct{})}
	h := ward(t, func(c *promapi.Config) {
		s.Telemetry, c.Concurrent = c.Telemetry, 1
		c.Telemetry = s
	})
	first := make(chan int, 1)
	go func() {
		w := h.do(t, "GET", "/api/v1/query", url.Values{"query": {"vigil_bp_systolic_mmhg"}, "time": {at(0)}})
		first <- w.Code
	}()
	<-s.begun
	status, r := h.get(t, "query", "query", "vigil_bp_systolic_mmhg", "time", at(0), "timeout", "20ms")
	if status != 503 || r.ErrorType != "timeout" || len(s.begun) != 0 {
		t.Errorf("the second query: %d %+v", status, r)
	}
	close(s.word)
	if got := <-first; got != 200 {
		t.Errorf("the first query: %d", got)
	}
	if status, r := h.get(t, "query", "query", "vigil_bp_systolic_mmhg", "time", at(0)); status != 200 {
		t.Errorf("after it: %d %+v", status, r)
	}
}
