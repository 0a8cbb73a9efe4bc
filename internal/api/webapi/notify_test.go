package webapi_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestOwnChannels(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse, admin := h.visit(t, "nurse"), h.administrator(t)
	type view struct {
		Key      string
		PushKey  string `json:"push_key"`
		Channels []string
		Own      []string `json:"own_channels"`
		Quiet    []struct{ From, To, Hold string }
		Routes   []struct{ Channel, Label, Device string }
	}
	var v view
	nurse.must(t, "GET", "/api/notify/settings", "", &v)
	if v.PushKey == "" || !strings.HasPrefix(v.Key, "Practitioner/") || len(v.Own) != 1 || v.Own[0] != "push" {
		t.Fatalf("%+v", v)
	}
	key := v.Key
	for _, body := range []string{
		`{"devices":[{"channel":"push","to":"{}","label":"x"}]}`, `{"devices":[{"channel":"sms","to":"+34600123456","label":"x"}]}`,
		`{"quiet":[{"days":[],"from":"22:00","to":"06:00","hold":"high"}]}`, `{"quiet":[{"days":["x"],"from":"22:00","to":"06:00","hold":"low"}]}`,
	} {
		nurse.refused(t, "PUT", "/api/notify/settings", body, http.StatusBadRequest)
	}
	const sub = `{\"endpoint\":\"https://fcm.googleapis.com/fcm/send/1\",\"keys\":{\"p256dh\":\"BA\",\"auth\":\"AA\"}}`
	nurse.must(t, "PUT", "/api/notify/settings", `{"order":["push"],"devices":[{"channel":"push","to":"`+sub+`","label":"This browser"}],"quiet":[{"days":[],"from":"22:00","to":"06:00","hold":"medium"}]}`, &v)
	if len(v.Routes) != 2 || v.Routes[0].Channel != "push" || v.Routes[0].Device == "" || len(v.Quiet) != 1 {
		t.Errorf("%+v", v)
	}
	h.visit(t, "physician").refused(t, "GET", "/api/notify/settings?key="+key, "", http.StatusForbidden)
	h.visit(t, "patient").refused(t, "GET", "/api/notify/settings", "", http.StatusForbidden)
	admin.must(t, "GET", "/api/notify/settings?key="+key, "", &v)
	var people []struct {
		Key     string
		Devices []struct{ To, Label string }
	}
	admin.must(t, "GET", "/api/notify/people", "", &people)
	found := false
	for _, p := range people {
		if p.Key == key {
			found = len(p.Devices) == 1 && p.Devices[0].To == ""
		}
	}
	if !found {
		t.Errorf("the administrator sees %+v", people)
	}
	nurse.refused(t, "GET", "/api/notify/people", "", http.StatusForbidden)
	var result struct {
		Message string
		Steps   []struct {
			What, Text string
			OK         bool
		}
	}
	nurse.must(t, "POST", "/api/notify/test", `{"channel":"app"}`, &result)
	if len(result.Steps) != 2 || result.Steps[1].OK || !strings.Contains(result.Steps[1].Text, "no screen") {
		t.Errorf("without a screen %+v", result)
	}
	var page struct{ State string }
	nurse.must(t, "GET", "/api/notify/test?message="+result.Message, "", &page)
	h.visit(t, "physician").refused(t, "GET", "/api/notify/test?message="+result.Message, "", http.StatusForbidden)
	nurse.must(t, "POST", "/api/notify/receipt", `{"id":"`+result.Message+`","channel":"push","state":"seen"}`, nil)
	nurse.must(t, "GET", "/api/notify/test?message="+result.Message, "", &page)
	if page.State != "seen" {
		t.Errorf("after the receipt %+v", page)
	}
	nurse.refused(t, "POST", "/api/notify/receipt", `{"id":"`+result.Message+`","channel":"push","state":"answered"}`, http.StatusBadRequest)
	nurse.refused(t, "POST", "/api/notify/test", `{"channel":"fax"}`, http.StatusNotFound)
	var dead struct {
		Channels []struct{ Channel string }
	}
	nurse.must(t, "GET", "/api/notify/dead", "", &dead)
	if len(dead.Channels) != 2 {
		t.Errorf("%+v", dead)
	}
	nurse.refused(t, "POST", "/api/notify/retry", `{"id":"nothing"}`, http.StatusNotFound)
	nurse.must(t, "PUT", "/api/notify/settings", `{}`, nil)
	if got := h.stranger().ask(t, "POST", "/notify/callback/sms?m=x&s=y", ""); got.status != http.StatusNotFound {
		t.Errorf("a callback of no gateway: %d", got.status)
	}
}

func TestPagesAndShortNames(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	h.cuff(t, h.monitorOf(t, "moreau"), 70, 40, 50)
	id := h.alarmOf(t, nurse, "moreau", "map-low")
	var pages []struct {
		Alarm string
		To    struct{ Name string }
		Text  string
	}
	until(t, "a page", func() bool {
		nurse.must(t, "GET", "/api/alarms/"+id+"/pages", "", &pages)
		return len(pages) > 0
	})
	if pages[0].Alarm != id || pages[0].To.Name == "" || strings.Contains(pages[0].Text, "Moreau") {
		t.Errorf("%+v", pages)
	}
	list, err := h.Engines.Post.Of(t.Context(), id)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	var a struct{ ID string }
	nurse.must(t, "GET", "/api/alarms/"+strings.TrimPrefix(list[0].Link, "/alert/"), "", &a)
	if a.ID != id {
		t.Errorf("the link leads to %q, want %q", a.ID, id)
	}
	nurse.refused(t, "GET", "/api/alarms/~00112233445566778899", "", http.StatusNotFound)
}
