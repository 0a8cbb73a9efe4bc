package torture_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

// crossing is a cuff reading under the limit of MAP, which has no delay: exactly one alarm must follow.
type crossing struct {
	id    string // device and patient
	at    int64
	acked bool
	round int
}

func (c *crossing) payload() []byte { // 84 over 40 mmHg
	return fmt.Appendf(nil, `{"ts":%d,"systolic":{"value":11.2},"diastolic":{"value":5.33}}`, c.at)
}

// ward provokes alarms and remembers everything that was ever shown of them.
type ward struct {
	gateway, token string
	unused         []string // cuffs that have not alarmed yet
	mu             sync.Mutex
	crossings      []*crossing
	shown          map[string]vigil.Alarm // newest state seen on a screen, by alarm
	acknowledged   map[string]bool        // by us, and answered with 200
	fresh          chan struct{}          // a crossing was acknowledged
	conn           *sim.LoadConn
	screen         *websocket.Conn
	watching       sync.WaitGroup
}

// connect opens the screen and the cuffs' gateway and sends again what is open.
func (w *ward) connect(ctx context.Context, h *house) error {
	head := http.Header{"Cookie": {"vigil_session=" + h.ward.Session}}
	screen, _, err := websocket.Dial(ctx, "ws://"+h.http+"/live", &websocket.DialOptions{HTTPHeader: head, Subprotocols: []string{"vigil.1"}})
	if err != nil {
		return err
	}
	screen.SetReadLimit(64 << 20)
	w.screen = screen
	if err := screen.Write(ctx, websocket.MessageText, []byte(`{"op":"sub","id":1,"topic":"ward","unit":"load"}`)); err != nil {
		return err
	}
	w.watching.Go(func() { w.watch(ctx, screen) })
	w.conn, err = sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: w.gateway, Token: w.token, Window: 32, Acked: func(tag uint64, _ time.Time) {
		w.mu.Lock()
		w.crossings[tag].acked = true
		w.mu.Unlock()
		select {
		case w.fresh <- struct{}{}:
		default:
		}
	}})
	return err
}

// watch notes every alarm as the screen shows it.
func (w *ward) watch(ctx context.Context, screen *websocket.Conn) {
	for {
		_, frame, err := screen.Read(ctx)
		if err != nil {
			return
		}
		var msg struct {
			Op    string      `json:"op"`
			Alarm vigil.Alarm `json:"alarm"`
		}
		if len(frame) < 2 || frame[0] != 3 || json.Unmarshal(frame[1:], &msg) != nil || msg.Op != "alarm" {
			continue
		}
		w.mu.Lock()
		w.shown[msg.Alarm.ID] = msg.Alarm
		w.mu.Unlock()
	}
}

// provoke sends the open crossings again and then n fresh ones, until the connection ends.
func (w *ward) provoke(round, n int, pause func()) {
	w.mu.Lock()
	for range min(n, len(w.unused)) {
		w.crossings = append(w.crossings, &crossing{id: w.unused[0], round: round})
		w.unused = w.unused[1:]
	}
	var open []int
	for i, c := range w.crossings {
		if !c.acked {
			open = append(open, i)
		}
	}
	w.mu.Unlock()
	for _, i := range open {
		pause()
		w.mu.Lock()
		c := w.crossings[i]
		if c.at == 0 {
			c.at = time.Now().UnixMilli()
		}
		body := c.payload()
		w.mu.Unlock()
		if _, err := w.conn.Room(1); err != nil {
			return
		}
		w.conn.Publish("vigil/"+c.id+"/data", body, uint64(i), time.Now())
		if w.conn.Flush() != nil {
			return
		}
	}
}

func (w *ward) disconnect() {
	if w.conn != nil {
		w.conn.Close() //nolint:errcheck // the other side was killed
		w.conn = nil
	}
	if w.screen != nil {
		w.screen.CloseNow()
		w.watching.Wait()
		w.screen = nil
	}
}

// alarms reads every alarm of the last day, or those still missing from want, from the restarted house.
func alarms(t *testing.T, h *house) []vigil.Alarm {
	t.Helper()
	var list []vigil.Alarm
	if err := h.call(t.Context(), "GET", "/api/alarms?state=all", &list); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(a vigil.Alarm) bool { return a.Class != vigil.Physiological })
}

// check holds after a restart what must be true of alarms, and returns the ids of those that nobody acknowledged yet.
func (w *ward) check(t *testing.T, h *house, c *killed) (open []string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.untilRaised(t, h, c)
	byID, byPatient := map[string]int{}, map[vigil.Subject][]vigil.Alarm{}
	for _, a := range list {
		byID[a.ID]++
		byPatient[a.Subject] = append(byPatient[a.Subject], a)
		if was, ok := w.shown[a.ID]; ok && was.Step == a.Step && was.Next != nil && a.Next != nil {
			if c.deadlines++; !was.Next.At.Equal(a.Next.At) {
				c.deadlinesMoved++
				t.Errorf("alarm %s: its next step was due at %s and is now at %s", a.ID, was.Next.At, a.Next.At)
			}
		}
		if w.acknowledged[a.ID] && a.AckedBy == "" {
			c.unacknowledged++
			t.Errorf("alarm %s was acknowledged and is not any more", a.ID)
		}
		if a.AckedBy == "" && a.Open() {
			open = append(open, a.ID)
		}
	}
	for id := range w.shown {
		if byID[id] == 0 && w.shown[id].Class == vigil.Physiological {
			c.alarmsLost++
			t.Errorf("alarm %s was on the screen and is gone", id)
		}
	}
	for subject, list := range byPatient {
		if len(list) > 1 {
			c.alarmsDoubled += len(list) - 1
			t.Errorf("%s crossed its limit once and has %d alarms: %s, %s", subject, len(list), list[0].ID, list[1].ID)
		}
	}
	c.alarms = len(byPatient)
	return open
}

const raisePatience = 20 * time.Second // for a loaded machine; the house raises what it catches up with before it is ready

// untilRaised waits until every acknowledged crossing has its alarm, and counts those that never get one.
func (w *ward) untilRaised(t *testing.T, h *house, c *killed) []vigil.Alarm {
	t.Helper()
	for until := time.Now().Add(raisePatience); ; time.Sleep(50 * time.Millisecond) {
		list := alarms(t, h)
		have := map[vigil.Subject]bool{}
		for _, a := range list {
			have[a.Subject] = true
		}
		var missing []*crossing
		c.crossings = 0
		for _, x := range w.crossings {
			if x.acked {
				c.crossings++
				if !have[vigil.PatientSubject(x.id)] {
					missing = append(missing, x)
				}
			}
		}
		if len(missing) == 0 || time.Now().After(until) {
			c.notRaised += len(missing)
			for _, x := range missing {
				t.Errorf("%s crossed its limit in round %d, was acknowledged and raised no alarm", x.id, x.round)
			}
			return list
		}
	}
}

// acknowledge does so as the nurse and notes what was answered.
func (w *ward) acknowledge(ctx context.Context, h *house, id string) {
	var a vigil.Alarm
	if h.call(ctx, http.MethodPost, "/api/alarms/"+id+"/acknowledge", &a) == nil {
		w.mu.Lock()
		w.acknowledged[id] = true
		w.mu.Unlock()
	}
}

// pager receives pages and counts their ids.
type pager struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[[2]string]map[string]int // alarm and recipient → id → deliveries
}

func newPager(t *testing.T) *pager {
	p := &pager{pages: map[[2]string]map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ ID, Alarm, To string }
		b, _ := io.ReadAll(r.Body)
		if json.Unmarshal(b, &m) != nil {
			http.Error(w, "no page", http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		k := [2]string{m.Alarm, m.To}
		if p.pages[k] == nil {
			p.pages[k] = map[string]int{}
		}
		p.pages[k][m.ID]++
		p.mu.Unlock()
		time.Sleep(rand.N(20 * time.Millisecond)) // so that kills fall between delivery and answer
	}))
	t.Cleanup(p.Close)
	return p
}

// check returns how many pages there were, how many came again with their own id, and how many with another.
func (p *pager) check(t *testing.T) (pages, repeats, doubled int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, ids := range p.pages {
		pages++
		for _, n := range ids {
			repeats += n - 1
		}
		if len(ids) > 1 {
			doubled += len(ids) - 1
			t.Errorf("%s was paged about alarm %s with %d different ids: %v", k[1], k[0], len(ids), ids)
		}
	}
	return pages, repeats, doubled
}

// untilPaged waits until somebody was paged about each of the alarms, and counts those about which nobody is.
func (p *pager) untilPaged(t *testing.T, ids []string) (missing int) {
	t.Helper()
	for until := time.Now().Add(raisePatience); ; time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		paged := map[string]bool{}
		for k := range p.pages {
			paged[k[0]] = true
		}
		p.mu.Unlock()
		left := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return paged[id] })
		if len(left) == 0 {
			return 0
		}
		if time.Now().After(until) {
			t.Errorf("nobody was paged about %v", left)
			return len(left)
		}
	}
}
