package webapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
)

type consultAs struct {
	ID, State, Note, Action string
	Joined                  []struct{ ID, Name string }
	Messages                []struct {
		Text string
		Mine bool
	}
}

func TestConsult(t *testing.T) {
	t.Parallel()
	h := shared()
	doctor, sara, other := h.visit(t, "dr-reyes"), h.visit(t, "sara"), h.visit(t, "dr-lee")
	h.tell(t, "patch-101", `{"sys":84,"dia":44,"map":55}`)
	alarm := h.alarmOf(t, doctor, "duarte", "map-low")
	if a := sara.ask(t, "GET", "/api/portal/messages", ""); a.status != http.StatusOK || a.body != "null" {
		t.Errorf("no messages yet: %d %s", a.status, a.body)
	}

	var co consultAs
	doctor.must(t, "POST", "/api/consults", `{"patient_id":"duarte","alarm":"`+alarm+`","video":true}`, &co)
	id := "/api/consults/" + co.ID
	if co.State != "ringing" {
		t.Fatalf("%+v", co)
	}
	var home struct {
		Calling *struct{ Consult, Name string }
	}
	sara.must(t, "GET", "/api/portal", "", &home)
	if home.Calling == nil || home.Calling.Consult != co.ID || home.Calling.Name != "Dr Reyes" {
		t.Errorf("the patient's home: %+v", home)
	}
	screens := map[string]*screen{"doctor": doctor.live(t), "sara": sara.live(t), "other": other.live(t)}
	for name, s := range screens {
		if got := s.sub(t, 1, `"topic":"consult","consult":"`+co.ID+`"`); got != "subscribed" {
			t.Fatalf("%s: %s", name, got)
		}
	}
	signal := func(from, data string) {
		screens[from].say(t, fmt.Sprintf(`{"op":"signal","consult":%q,"data":%s}`, co.ID, data))
	}
	signal("sara", `{"too":"early"}`)
	screens["sara"].wait(t, "the refusal of a signal before joining", func(m message) bool { return m.Op == "refused" })

	doctor.must(t, "POST", id+"/join", "", &co)
	doctor.must(t, "POST", id+"/join", "", &co) // twice is once
	if co.State != "ringing" || len(co.Joined) != 1 {
		t.Errorf("one side joined: %+v", co)
	}
	sara.must(t, "POST", id+"/join", "", &co)
	if co.State != "video" || len(co.Joined) != 2 {
		t.Errorf("both joined: %+v", co)
	}
	other.refused(t, "POST", id+"/join", "", http.StatusConflict)
	other.must(t, "POST", id+"/leave", "", nil)
	doctor.must(t, "GET", id, "", &co)
	if co.State != "video" || len(co.Joined) != 2 {
		t.Errorf("somebody who is not in the call ended it: %+v", co)
	}
	signal("doctor", `{"sdp":"offer-1"}`)
	got := screens["sara"].wait(t, "the signal", func(m message) bool { return m.Op == "signal" })
	if string(got.Data) != `{"sdp":"offer-1"}` || got.From == "" {
		t.Errorf("%s", got.raw)
	}
	signal("sara", `{"sdp":"answer-1"}`)
	screens["doctor"].wait(t, "the answer", func(m message) bool { return m.Op == "signal" && strings.Contains(m.raw, "answer-1") })
	signal("other", `{"sdp":"intruder"}`)
	screens["other"].wait(t, "the refusal", func(m message) bool { return m.Op == "refused" })
	var ice struct{ ICEServers []any }
	sara.must(t, "GET", id+"/ice", "", &ice)
	if ice.ICEServers == nil {
		t.Error("a house without a relay offers an empty list")
	}

	sara.must(t, "POST", id+"/messages", `{"text":"I feel dizzy."}`, &co)
	doctor.must(t, "POST", id+"/messages", `{"text":"Please sit down."}`, &co)
	if len(co.Messages) != 2 || co.Messages[0].Mine || !co.Messages[1].Mine {
		t.Errorf("%+v", co.Messages)
	}
	screens["sara"].wait(t, "the message on her screen", func(m message) bool { return m.Op == "consult" && strings.Contains(m.raw, "Please sit down.") })
	sara.refused(t, "POST", id+"/messages", `{"text":""}`, http.StatusBadRequest)
	sara.refused(t, "POST", id+"/close", `{"note":"bye"}`, http.StatusForbidden)
	doctor.refused(t, "POST", id+"/close", `{"note":""}`, http.StatusBadRequest)

	doctor.must(t, "POST", id+"/close", `{"note":"Orthostatic, drinks too little","action":"Fluids, call tomorrow"}`, &co)
	if co.State != "closed" || co.Note == "" || len(co.Joined) != 0 {
		t.Errorf("%+v", co)
	}
	var hers consultAs
	sara.must(t, "GET", id, "", &hers)
	if hers.Note != "" || hers.Action != "" || len(hers.Messages) != 2 {
		t.Errorf("the patient sees the note: %+v", hers)
	}
	for _, path := range []string{"/join", "/messages", "/close"} {
		doctor.refused(t, "POST", id+path, map[string]string{"/messages": `{"text":"x"}`, "/close": `{"note":"x"}`}[path], http.StatusConflict)
	}
	for _, step := range []string{"video_opened:", "note:Orthostatic, drinks too little", "action:Fluids, call tomorrow"} {
		if got := history(t, doctor, alarm); !strings.Contains(got, step) {
			t.Errorf("the alarm's history %s lacks %s", got, step)
		}
	}
	onRecord(t, h, "I feel dizzy.", "Please sit down.", "Orthostatic, drinks too little\nFluids, call tomorrow")
	doctor.must(t, "POST", "/api/patients/duarte/thread", `{"text":"Team only: watch for syncope","kind":"note"}`, nil)
	read := sara.ask(t, "GET", "/fhir/Communication?patient=duarte&_count=100", "").body
	if !strings.Contains(read, "Please sit down.") || strings.Contains(read, "Orthostatic") || strings.Contains(read, "Team only") {
		t.Errorf("what the patient reads of the record: %s", read)
	}
	for _, who := range []string{"sara", "other"} {
		s := screens[who]
		s.ticks(t, 1)
		s.mu.Lock()
		for _, m := range s.msgs {
			if m.Op == "signal" && (who == "other" || strings.Contains(m.raw, "intruder")) || who == "sara" && strings.Contains(m.raw, "Orthostatic") {
				t.Errorf("%s got %s", who, m.raw)
			}
		}
		s.mu.Unlock()
	}
}

func onRecord(t *testing.T, h *house, texts ...string) {
	t.Helper()
	page, err := h.Engines.Records.Search(access.AsSystem(t.Context(), "test"), "Communication", map[string][]string{"patient": {"duarte"}, "_count": {"100"}})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, rec := range page.Records {
		r, err := rec.Resource()
		if err != nil {
			t.Fatal(err)
		}
		found[r.Str("payload.0.contentString")]++
	}
	for _, text := range texts {
		if found[text] != 1 {
			t.Errorf("%q is %d times on the record", text, found[text])
		}
	}
}
