package webapi_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/server"
)

func TestLiveWard(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	s := nurse.live(t)
	if hello := s.wait(t, "hello", func(m message) bool { return m.Op == "hello" }); hello.NowMS == 0 {
		t.Errorf("%s", hello.raw)
	}
	if got := s.sub(t, 1, `"topic":"ward","unit":"icu-north"`); got != "subscribed" {
		t.Fatal(got)
	}
	s.sub(t, 2, `"topic":"attention"`)
	s.wait(t, "the queue as it is", func(m message) bool { return m.Op == "attention" })

	monitor := h.monitorOf(t, "silva")
	h.monitor(t, monitor, map[string]float64{"MDC_ECG_HEART_RATE": 77, "MDC_PULS_OXIM_SAT_O2": 98})
	n := s.number(t, "Patient/silva", "heart-rate", 77)
	if age := time.Since(time.UnixMilli(int64(n.timeMS))); age < -time.Minute || age > time.Minute || n.flags != 0 {
		t.Errorf("%+v", n)
	}
	h.tell(t, monitor, fmt.Sprintf(`{"ts":%d,"waves":{"II":[%s]}}`, time.Now().UnixMilli()-1000, strings.TrimSuffix(strings.Repeat("12,null,", 125), ",")))
	until(t, "a waveform", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, w := range s.waves {
			if w.subject == "Patient/silva" && w.metric == "ecg-ii" && w.samples == 250 {
				return true
			}
		}
		return false
	})
	st := s.wait(t, "the waveform's stream", func(m message) bool { return m.Op == "stream" && m.Metric == "ecg-ii" && m.Subject == "Patient/silva" })
	if st.Kind != "waveform" || st.Rate != 250 || st.Scale != 0.005 || string(st.Bed) != `"icu-north-bed-8"` {
		t.Errorf("%s", st.raw)
	}

	h.cuff(t, monitor, 62, 34, 43)
	al := s.wait(t, "the alarm", func(m message) bool {
		return m.Op == "alarm" && m.Alarm.Rule == "map-low" && m.Alarm.Subject == "Patient/silva"
	})
	if al.Alarm.Value != 43 || al.Alarm.Patient == nil || al.Alarm.Patient.Name != "Silva, Ana" {
		t.Errorf("%s", al.raw)
	}
	s.wait(t, "the alarm in the queue", func(m message) bool {
		for _, it := range m.Open {
			if m.Op == "attention" && it.ID == al.Alarm.ID {
				return true
			}
		}
		return false
	})
	s.ticks(t, 2)
}

// TestLiveUnsubscribe holds that nothing comes any more after unsub, also when beds changed in between.
func TestLiveUnsubscribe(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	s, monitor := nurse.live(t), h.monitorOf(t, "khan")
	s.sub(t, 1, `"topic":"ward","unit":"icu-north"`)
	s.sub(t, 2, `"topic":"patient","patient":"khan"`)
	for i, state := range []string{"standby", "occupied"} {
		nurse.must(t, "POST", "/api/beds/icu-north-bed-12/state", fmt.Sprintf(`{"state":%q}`, state), nil)
		until(t, "the bed's tile", func() bool {
			return s.count(func(m message) bool {
				return m.Op == "bed" && strings.Contains(string(m.Bed), `"icu-north-bed-12"`) && strings.Contains(string(m.Bed), state)
			}) > 0
		})
		h.monitor(t, monitor, map[string]float64{"MDC_TEMP_BODY": 37 + float64(i)/10})
		s.number(t, "Patient/khan", "temperature", 37+float64(i)/10)
	}
	s.say(t, `{"op":"unsub","id":2}`)
	s.ticks(t, 1)
	h.monitor(t, monitor, map[string]float64{"MDC_TEMP_BODY": 37.4})
	s.number(t, "Patient/khan", "temperature", 37.4) // the ward is still followed
	s.say(t, `{"op":"unsub","id":1}`)
	s.say(t, `{"op":"unsub","id":99}`) // nothing to end
	s.ticks(t, 1)
	h.monitor(t, monitor, map[string]float64{"MDC_TEMP_BODY": 37.7})
	s.ticks(t, 3)
	if s.saw("Patient/khan", 37.7) {
		t.Error("a number came after unsub")
	}
	if got := s.sub(t, 1, `"topic":"patient","patient":"khan"`); got != "subscribed" {
		t.Errorf("the number of an ended subscription cannot be used again: %s", got)
	}
	s.number(t, "Patient/khan", "temperature", 37.7)
}

func TestLiveRefusals(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	foreign := okaforsConsult(t, nurse)
	for _, c := range []struct {
		who    string
		topics map[string]string
	}{
		{"sara", map[string]string{
			`"topic":"ward","unit":"icu-north"`: "refused", `"topic":"attention"`: "refused", `"topic":"device","device":"patch-031"`: "refused",
			`"topic":"device","device":"patch-101"`: "refused", `"topic":"patient","patient":"okafor"`: "refused", `"topic":"patient"`: "refused",
			`"topic":"consult","consult":"` + foreign + `"`: "refused", `"topic":"consult"`: "refused", `"topic":"all"`: "refused",
			`"topic":"patient","patient":"duarte"`: "subscribed", `"topic":"portal"`: "subscribed",
		}},
		{"engineer", map[string]string{
			`"topic":"patient","patient":"okafor"`: "refused", `"topic":"consult","consult":"` + foreign + `"`: "refused", `"topic":"portal"`: "refused",
			`"topic":"ward","unit":"icu-north"`: "subscribed", `"topic":"attention"`: "subscribed", `"topic":"device","device":"patch-031"`: "subscribed",
		}},
		{"nurse", map[string]string{
			`"topic":"ward","unit":"nowhere"`: "refused", `"topic":"ward"`: "refused", `"topic":"patient","patient":"nobody"`: "refused",
			`"topic":"portal"`: "refused", `"topic":"consult","consult":"none"`: "refused", `"topic":"patient","patient":"okafor"`: "subscribed",
		}},
	} {
		t.Run(c.who, func(t *testing.T) {
			s, id := h.visit(t, c.who).live(t), 0
			for topic, want := range c.topics {
				id++
				if got := s.sub(t, id, topic); got != want {
					t.Errorf("%s: %s, want %s", topic, got, want)
				}
			}
			s.say(t, fmt.Sprintf(`{"op":"signal","consult":%q,"data":{"x":1}}`, foreign))
			until(t, "the refusal of a signal", func() bool {
				return s.count(func(m message) bool { return m.Op == "refused" && m.ID == 0 }) > 0
			})
		})
	}
	if a := h.stranger().ask(t, "GET", "/live", ""); a.status != http.StatusUnauthorized {
		t.Errorf("signed out: %d %s", a.status, a.body)
	}
	nurse.header.Set("Origin", "https://evil.example")
	if a := nurse.ask(t, "GET", "/live", ""); a.status < 400 {
		t.Errorf("another site opens the live channel: %d", a.status)
	}
}

// TestLiveHidesPatientsFromEngineers holds that what is refused over HTTP does not come by the live channel.
func TestLiveHidesPatientsFromEngineers(t *testing.T) {
	t.Parallel()
	h := shared()
	s, monitor := h.visit(t, "engineer").live(t), h.monitorOf(t, "berg")
	s.sub(t, 1, `"topic":"ward","unit":"icu-north"`)
	s.sub(t, 2, `"topic":"attention"`)
	h.cuff(t, monitor, 63.5, 33.5, 44.5)
	h.monitor(t, monitor, map[string]float64{"BATTERY": 2})
	s.wait(t, "the technical alarm", func(m message) bool {
		return m.Op == "alarm" && m.Alarm.Rule == "battery-critical" && m.Alarm.Subject == "Patient/berg"
	})
	h.alarmOf(t, h.visit(t, "nurse"), "berg", "map-low")
	s.ticks(t, 2)
	s.mu.Lock()
	defer s.mu.Unlock()
	hidden := append(names(t, h), "44.5", "63.5")
	for _, m := range s.msgs {
		for _, name := range hidden {
			if strings.Contains(m.raw, name) {
				t.Errorf("an engineer's screen shows %s: %.300s", name, m.raw)
			}
		}
	}
	if len(s.numbers)+len(s.waves) > 0 {
		t.Errorf("%d numbers and %d waveforms came", len(s.numbers), len(s.waves))
	}
}

func TestLiveDeviceMessages(t *testing.T) {
	t.Parallel()
	h := shared()
	s, monitor := h.visit(t, "engineer").live(t), h.monitorOf(t, "ivanova")
	s.sub(t, 1, `"topic":"device","device":"`+monitor+`"`)
	h.monitor(t, monitor, map[string]float64{"MDC_RESP_RATE": 17})
	said := func(m message) bool { return m.Op == "message" && strings.Contains(m.raw, `"respiratory-rate"`) }
	s.wait(t, "the device's message", said)
	s.say(t, `{"op":"unsub","id":1}`)
	s.ticks(t, 1)
	before := s.count(said)
	h.monitor(t, monitor, map[string]float64{"MDC_RESP_RATE": 18})
	s.ticks(t, 2)
	if after := s.count(said); after != before {
		t.Errorf("%d messages came after unsub", after-before)
	}
}

func TestLiveGarbage(t *testing.T) {
	t.Parallel()
	s := shared().visit(t, "nurse").live(t)
	refused := func(m message) bool { return m.Op == "refused" }
	for i, text := range []string{"", "garbage", `{"op":"dance"}`, `[]`, `{"op":7}`, `{"op":"sub","id":"one","topic":"ward"}`, `{"op":"signal"}`} {
		s.say(t, text)
		until(t, "a refusal of "+text, func() bool { return s.count(refused) > i })
	}
	n := s.count(refused)
	if err := s.conn.Write(t.Context(), websocket.MessageBinary, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	until(t, "a refusal of a binary frame", func() bool { return s.count(refused) > n })
	for id := range webapi.MaxSubscriptions {
		if got := s.sub(t, id+1, `"topic":"attention"`); got != "subscribed" {
			t.Fatalf("subscription %d: %s", id+1, got)
		}
	}
	if got := s.sub(t, 1000, `"topic":"attention"`); got != "refused" {
		t.Errorf("one subscription too many is %s", got)
	}
	s.say(t, `{"op":"sub","id":1,"topic":"attention"}`)
	s.wait(t, "a refusal of a number twice", func(m message) bool { return m.Op == "refused" && m.ID == 1 })
	s.say(t, strings.Repeat("x", 200<<10))
	s.closed(t) // too long a frame ends the connection, and nothing else
}

// TestLiveSlowScreen holds that a screen that reads nothing harms nobody: it loses waveforms or its connection.
func TestLiveSlowScreen(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	slow, err := nurse.dial(t)
	if err != nil {
		t.Fatal(err)
	}
	quick, monitor := nurse.live(t), h.monitorOf(t, "yilmaz")
	slow.say(t, `{"op":"sub","id":1,"topic":"patient","patient":"yilmaz"}`)
	quick.sub(t, 1, `"topic":"patient","patient":"yilmaz"`)
	strip := strings.TrimSuffix(strings.Repeat("12,", 25_000), ",")
	start := time.Now().UnixMilli() - 600_000
	for i := range 200 { // 10 MB: more than a socket and the queue hold
		h.tell(t, monitor, fmt.Sprintf(`{"ts":%d,"waves":{"II":[%s]}}`, start+int64(i)*100, strip))
	}
	h.monitor(t, monitor, map[string]float64{"MDC_TEMP_BODY": 36.1})
	quick.number(t, "Patient/yilmaz", "temperature", 36.1)
	go slow.listen() // it wakes up
	until(t, "the slow screen to have lost waveforms or its connection", func() bool {
		slow.mu.Lock()
		defer slow.mu.Unlock()
		total := 0
		for _, w := range slow.waves {
			total += w.samples
		}
		lost := false
		for _, m := range slow.msgs {
			lost = lost || m.Op == "dropped"
		}
		return slow.err != nil || lost || total == 200*25_000
	})
}

// TestLiveEndsWithTheServer holds that screens learn that the server stops, and that nothing of them runs on.
func TestLiveEndsWithTheServer(t *testing.T) {
	h, stop, err := open(t.TempDir(), server.Config{Demo: true}, true)
	if err != nil {
		t.Fatal(err)
	}
	nurse := h.visit(t, "nurse")
	screens := []*screen{}
	for range 3 {
		s := nurse.live(t)
		s.sub(t, 1, `"topic":"ward","unit":"icu-north"`)
		s.sub(t, 2, `"topic":"device","device":"patch-031"`)
		s.sub(t, 3, `"topic":"patient","patient":"okafor"`)
		screens = append(screens, s)
	}
	left := nurse.live(t) // one that goes by itself
	left.sub(t, 1, `"topic":"device","device":"patch-031"`)
	left.conn.CloseNow()
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for _, s := range screens {
		if reason := s.closed(t); reason != "the server is stopping" {
			t.Errorf("a screen was closed with %q", reason)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	nurse.client.CloseIdleConnections()
	until(t, "the house's goroutines to end", func() bool { return !screensRun() })
}

// screensRun reports whether any screen's code runs in this process; the shared house has none when this is asked.
func screensRun() bool {
	buf := make([]byte, 8<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), "webapi.(*client)")
}

func TestLiveSignOutClosesScreens(t *testing.T) {
	t.Parallel()
	v := shared().visit(t, "physician")
	s := v.live(t)
	s.sub(t, 1, `"topic":"ward","unit":"icu-north"`)
	v.must(t, "DELETE", "/api/session", "", nil)
	if reason := s.closed(t); reason != "the session has ended" {
		t.Errorf("closed with %q", reason)
	}
}
