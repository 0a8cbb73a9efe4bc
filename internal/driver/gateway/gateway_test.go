package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/gateway"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

func settings(url string) gateway.Config {
	return gateway.Config{
		Name: "sms", URL: url + "/accounts/1/messages", Headers: map[string]string{"Authorization": "Bearer k-1"},
		Body:    `{"to":{{json .To}},"text":{{json .Text}},"status_url":{{json .Callback}}}`,
		Receipt: "messages.0.id", Status: "status", States: map[string]notify.State{"DELIVRD": notify.Delivered, "read": notify.Seen, "UNDELIV": notify.Failed, "reply": notify.Answered},
		Link: "https://vigil.example", Secret: []byte("secret"),
	}
}

func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		code  int
		text  string
		state notify.State
		kind  vigil.Kind
	}{
		"OK":       {200, `{"messages":[{"id":17}]}`, notify.Sent, ""},
		"NoID":     {200, `{"messages":[]}`, notify.Failed, vigil.Unavailable},
		"NoJSON":   {200, `OK`, notify.Failed, vigil.Unavailable},
		"Refused":  {400, `{}`, notify.Failed, vigil.Invalid},
		"TooMany":  {429, `{}`, notify.Failed, vigil.Unavailable},
		"Broken":   {502, ``, notify.Failed, vigil.Unavailable},
		"Redirect": {302, ``, notify.Failed, vigil.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(b)
				w.WriteHeader(c.code)
				io.WriteString(w, c.text)
			}))
			defer srv.Close()
			ch, err := gateway.New(settings(srv.URL))
			if err != nil {
				t.Fatal(err)
			}
			state, err := ch.Send(t.Context(), notify.Message{ID: "m 1", Text: `High "alarm"` + "\n", Link: "/alert/~1"}, "+34600123456")
			if state != c.state || c.kind == "" && err != nil || c.kind != "" && vigil.KindOf(err) != c.kind {
				t.Errorf("%s, %v", state, err)
			}
			want := `POST /accounts/1/messages Bearer k-1 {"to":"+34600123456","text":"High \"alarm\"\n","status_url":"https://vigil.example/notify/callback/sms?m=m+1\u0026s=`
			if !strings.HasPrefix(got, want) {
				t.Errorf("sent %s", got)
			}
		})
	}
}

func TestCallback(t *testing.T) {
	ch, err := gateway.New(settings("https://sms.example"))
	if err != nil {
		t.Fatal(err)
	}
	path := ch.CallbackPath("m 1")
	for name, c := range map[string]struct {
		path, body string
		state      notify.State
		kind       vigil.Kind
	}{
		"JSON":    {path, `{"status":"DELIVRD"}`, notify.Delivered, ""},
		"Form":    {path, `id=3&status=UNDELIV`, notify.Failed, ""},
		"Query":   {path + "&status=reply", ``, notify.Answered, ""},
		"Other":   {path, `status=queued`, "", ""},
		"None":    {path, `id=3`, "", vigil.Invalid},
		"Forged":  {"/notify/callback/sms?m=m+2&s=" + path[strings.LastIndex(path, "=")+1:], `status=DELIVRD`, "", vigil.Denied},
		"Nothing": {"/notify/callback/sms", `status=DELIVRD`, "", vigil.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			id, state, err := ch.Callback(httptest.NewRequest("POST", c.path, strings.NewReader(c.body)))
			if state != c.state || c.kind == "" && (err != nil || id != "m 1") || c.kind != "" && vigil.KindOf(err) != c.kind {
				t.Errorf("%q %s, %v", id, state, err)
			}
		})
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for name, edit := range map[string]func(c *gateway.Config){
		"URL": func(c *gateway.Config) { c.URL = "sms.example" }, "Scheme": func(c *gateway.Config) { c.URL = "file:///etc/passwd" },
		"Body": func(c *gateway.Config) { c.Body = "{{.Nmae}}" }, "Template": func(c *gateway.Config) { c.Body = "{{" },
		"State": func(c *gateway.Config) { c.States = map[string]notify.State{"x": "done"} },
	} {
		c := settings("https://sms.example")
		edit(&c)
		if _, err := gateway.New(c); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
