package acm

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

var at = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// manager is an alarm manager that answers each report with a code and keeps what it got.
func manager(t *testing.T, code string) (address string, got chan message) {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	got = make(chan message, 8)
	go func() {
		for {
			conn, err := in.Accept()
			if err != nil {
				return
			}
			text, err := readFrame(bufio.NewReader(conn))
			if err != nil {
				conn.Close()
				continue
			}
			m, err := parse(text)
			if err != nil {
				conn.Close()
				continue
			}
			got <- m
			answer := acknowledgement(m, nil, at)
			answer.segments[1][1] = code
			conn.Write(frame(answer.String()))
			conn.Close()
		}
	}()
	return in.Addr().String(), got
}

func page() notify.Message {
	return notify.Message{ID: "map-low.Patient.sara.1/2/lee", Alarm: "map-low.Patient.sara.1", Unit: "icu", Priority: vigil.PriorityHigh, Text: "High alarm, ICU | North. Open to see.", Link: "/alert/~1"}
}

func config(address string) Config {
	return Config{Address: address, Name: "AM", UnitName: func(context.Context, string) string { return "ICU North" }, Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler)}
}

func TestReport(t *testing.T) {
	for code, want := range map[string]vigil.Kind{"AA": "", "CA": "", "AE": vigil.Unavailable, "AR": vigil.Invalid} {
		t.Run(code, func(t *testing.T) {
			address, got := manager(t, code)
			c, err := New(config(address))
			if err != nil {
				t.Fatal(err)
			}
			state, err := c.Send(t.Context(), page(), "lee")
			if want == "" && (err != nil || state != notify.Sent) || want != "" && vigil.KindOf(err) != want {
				t.Errorf("%s, %v", state, err)
			}
			m := <-got
			if strings.Contains(m.String(), "sara") {
				t.Errorf("the report names the patient:\n%s", m)
			}
			for path, x := range map[string][2]string{
				"type": {m.get("MSH", 9, 3), "ORU_R40"}, "unit": {m.get("PV1", 3, 1), "ICU North"}, "text": {m.get("OBX", 5, 1), page().Text}, "who": {m.get("PRT", 5, 1), "lee"},
				"priority": {component1(m.segments[9], 5, 1), "PH"}, "manager": {m.get("MSH", 5, 1), "AM"},
			} {
				if x[0] != x[1] {
					t.Errorf("%s is %q, want %q", path, x[0], x[1])
				}
			}
		})
	}
}

func TestNoManager(t *testing.T) {
	c, err := New(config("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), page(), "lee"); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("%v", err)
	}
	if _, err := New(config("nowhere")); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("%v", err)
	}
}

func TestStatusComesBack(t *testing.T) {
	address, got := manager(t, "AA")
	cfg := config(address)
	cfg.Listen = "127.0.0.1:0"
	told := make(chan string, 8)
	cfg.Receipt = func(_ context.Context, id string, state notify.State) error {
		told <- id + " " + string(state)
		return nil
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	if _, err := c.Send(t.Context(), page(), "lee"); err != nil {
		t.Fatal(err)
	}
	id := (<-got).get("MSH", 10, 1)
	conn, err := net.Dial("tcp", c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, x := range []struct{ kind, id, value, code, told string }{
		{"ORA^R41^ORA_R41", id, "Delivered", "AA", "map-low.Patient.sara.1/2/lee delivered"},
		{"ORU^R42^ORU_R42", id, "Accepted", "AA", "map-low.Patient.sara.1/2/lee answered"},
		{"ORA^R41^ORA_R41", id, "Queued", "AA", ""},
		{"ORA^R41^ORA_R41", "NOBODY", "Delivered", "AE", ""},
		{"ADT^A01", id, "Delivered", "AE", ""},
	} {
		text := `MSH|^~\&|AM||VIGIL||20261123||` + x.kind + "|77|P|2.6\rMSA|AA|" + x.id + "\rOBX|1|CWE|68487^MDC_ATTR_EVT_COMM_STATUS^MDC||" + x.value + "^" + x.value + "\r"
		if _, err := conn.Write(append([]byte("noise"), frame(text)...)); err != nil {
			t.Fatal(err)
		}
		answer, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		m, err := parse(answer)
		if err != nil || m.get("MSA", 1, 1) != x.code || m.get("MSA", 2, 1) != "77" {
			t.Errorf("%s %s: answered %q, %v", x.kind, x.value, answer, err)
		}
		if x.told != "" {
			if s := <-told; s != x.told {
				t.Errorf("told %q, want %q", s, x.told)
			}
		}
	}
	select {
	case s := <-told:
		t.Errorf("told %q", s)
	default:
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add((&Channel{cfg: config("")}).report(page(), "1", "lee", "ICU").String())
	f.Add("MSH|^~\\&|AM||VIGIL||20261123||ORA^R41|77|P|2.6\rMSA|AA|1\rOBX|1|CWE|a||Delivered\r")
	f.Add("MSH|^~\\&|")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parse(text)
		if err != nil {
			return
		}
		if _, _, err := status(m); err != nil && vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%v", err)
		}
		again, err := parse(m.String())
		if err != nil || again.String() != m.String() {
			t.Errorf("%q is read again as %q, %v", m.String(), again.String(), err)
		}
		_ = acknowledgement(m, nil, at).String()
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(frame("MSH|^~\\&|"))
	f.Add([]byte{begin, end1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(strings.NewReader(string(b)))
		for {
			if _, err := readFrame(r); err != nil {
				if err == io.EOF && r.Buffered() > 0 {
					t.Error("bytes are left behind the end")
				}
				return
			}
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add(`a|b^c\d~e&f` + "\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\x0b\x1c") {
			return
		}
		if got := unescape(escape(s)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if strings.ContainsAny(escape(s), "|^~&\r\n") {
			t.Errorf("%q holds a separator", escape(s))
		}
	})
}
