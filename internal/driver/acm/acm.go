// Package acm hands pages to an alarm manager and takes its receipts, as IHE's Alert Communication Management says: PCD-04
// (ORU^R40) out and PCD-05 (ORA^R41) back, HL7 v2.6 over MLLP.
//
// It is a notify.Channel and a small listener: order, retries and receipts are engine/notify's. What leaves carries the
// unit and the priority, and no patient. Start at Channel.
package acm

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

const (
	begin, end1, end2 = 0x0b, 0x1c, '\r' // MLLP release 1
	maxMessage        = 1 << 20
	idle              = 5 * time.Minute
	remember          = 4096 // pages whose receipts are still taken
)

// Config is the alarm manager.
type Config struct {
	Address string // host:port of its PCD-04 door
	// Listen is where it reports back (PCD-05), "" when it answers on the same connection only.
	Listen string
	Name   string // its name in MSH-5, "" for none
	// Receipt is told what became of a message.
	Receipt func(ctx context.Context, id string, state notify.State) error
	// UnitName names a unit for PV1-3. It may be nil.
	UnitName func(ctx context.Context, unit string) string
	Now      func() time.Time
	Log      *slog.Logger
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer
}

// Channel reports pages to the alarm manager; the route's address is the person there.
type Channel struct {
	cfg Config
	in  net.Listener

	mu    sync.Mutex
	ids   map[string]string // id on the wire → message
	order []string
}

// New listens for receipts where that is asked for. It returns Invalid without an address, Unavailable when it cannot listen.
func New(cfg Config) (*Channel, error) {
	if _, _, err := net.SplitHostPort(cfg.Address); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "acm.new", "acm.address is not host:port: %w", err)
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	c := &Channel{cfg: cfg, ids: map[string]string{}}
	if cfg.Listen == "" {
		return c, nil
	}
	in, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "acm.new", "cannot listen on acm.listen %s: %w", cfg.Listen, err)
	}
	c.in = in
	return c, nil
}

// Addr is where receipts are taken, "" when they are not.
func (c *Channel) Addr() string {
	if c.in == nil {
		return ""
	}
	return c.in.Addr().String()
}

// wire is the id of a message towards the alarm manager: at most 20 characters (HL7 v2.6, MSH-10), and without a word of
// whom it is about.
func wire(id string) string {
	sum := sha256.Sum256([]byte(id))
	return strings.ToUpper(hex.EncodeToString(sum[:10]))
}

func (c *Channel) keep(id string) string {
	w := wire(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.ids[w]; !known {
		c.ids[w] = id
		if c.order = append(c.order, w); len(c.order) > remember {
			delete(c.ids, c.order[0])
			c.order = c.order[1:]
		}
	}
	return w
}

// Recalls implements notify.Recaller: the end of an alarm is reported as such.
func (c *Channel) Recalls() bool { return true }

// Send implements notify.Channel: the alarm manager took the report (Sent); PCD-05 says the rest.
func (c *Channel) Send(ctx context.Context, m notify.Message, to string) (notify.State, error) {
	unit := m.Unit
	if c.cfg.UnitName != nil && unit != "" {
		unit = c.cfg.UnitName(ctx, unit)
	}
	id := c.keep(m.ID)
	answer, err := c.exchange(ctx, c.report(m, id, to, unit).String())
	if err != nil {
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "acm.send", "the alarm manager does not answer: %w", err)
	}
	ack, err := parse(answer)
	if err != nil {
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "acm.send", "the alarm manager's answer is not readable: %w", err)
	}
	switch code := ack.get("MSA", 1, 1); {
	case ack.get("MSA", 2, 1) != id:
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "acm.send", "the alarm manager answered another message")
	case code == "AA" || code == "CA":
		return notify.Sent, nil
	case code == "AR" || code == "CR":
		return notify.Failed, vigil.Errorf(vigil.Invalid, "acm.send", "the alarm manager rejected the report")
	}
	return notify.Failed, vigil.Errorf(vigil.Unavailable, "acm.send", "the alarm manager could not take the report")
}

func (c *Channel) exchange(ctx context.Context, text string) (string, error) {
	conn, err := c.cfg.Dial(ctx, "tcp", c.cfg.Address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if at, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(at); err != nil {
			return "", err
		}
	}
	if _, err := conn.Write(frame(text)); err != nil {
		return "", err
	}
	return readFrame(bufio.NewReader(conn))
}

func frame(text string) []byte { return append(append([]byte{begin}, text...), end1, end2) }

// readFrame reads one MLLP block; what stands before it is passed over.
func readFrame(r *bufio.Reader) (string, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		if b == begin {
			break
		}
	}
	var buf bytes.Buffer
	for {
		part, err := r.ReadSlice(end1)
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		} else if err == nil {
			part = part[:len(part)-1]
			buf.Write(part)
			if b, err := r.ReadByte(); err != nil || b != end2 {
				return "", errors.Join(err, errors.New("the block does not end as MLLP says"))
			}
			return buf.String(), nil
		}
		if err != nil {
			return "", err
		}
		if buf.Write(part); buf.Len() > maxMessage {
			return "", errors.New("the message is too long")
		}
	}
}

// Event codes of the facets of an alert (IHE PCD TF-2, B.8; ISO/IEEE 11073-10101).
const (
	mdcAlarm        = "196616^MDC_EVT_ALARM^MDC"
	mdcPhase        = "68481^MDC_ATTR_EVENT_PHASE^MDC"
	mdcState        = "68482^MDC_ATTR_ALARM_STATE^MDC"
	mdcInactivation = "68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC"
	mdcPriority     = "68484^MDC_ATTR_ALARM_PRIORITY^MDC"
	profile04       = "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"
)

// report is the PCD-04 message of a page. A stand-down reports the end of the event.
func (c *Channel) report(m notify.Message, id, to, unit string) message {
	at := c.cfg.Now()
	phase, state := "start", "active"
	if m.Kind == notify.KindStandDown {
		phase, state = "end", "inactive"
	}
	priority := map[vigil.Priority]string{vigil.PriorityHigh: "PH", vigil.PriorityMedium: "PM", vigil.PriorityLow: "PL"}[m.Priority]
	if priority == "" {
		priority = "PN"
	}
	when := at.Format(stamp)
	event := wire(m.Alarm) + "^VIGIL"
	obx := func(n, typ, code, value string) []string {
		return []string{"OBX", n, typ, code, "1.0.0.0." + n, value, "", "", "", "", "", "F", "", "", when}
	}
	return message{[][]string{
		header("ORU^R40^ORU_R40", id, c.cfg.Name, profile04, at),
		{"PID", "", "", ""},
		{"PV1", "", "I", escape(unit)},
		{"OBR", "1", event, event, mdcAlarm, "", "", when},
		{"PRT", "1", "UC", "", "AR^Alert Recipient^HL70912", escape(to)},
		obx("1", "ST", mdcAlarm, escape(m.Text)),
		obx("2", "ST", mdcPhase, phase),
		obx("3", "ST", mdcState, state),
		obx("4", "ST", mdcInactivation, "enabled"),
		obx("5", "ST", mdcPriority, priority),
		{"NTE", "1", "", escape(m.Link)},
	}}
}

// states are what an alarm manager says became of a page (IHE PCD TF-2, 3.5, status of communication).
func states() map[string]notify.State {
	return map[string]notify.State{
		"delivered": notify.Delivered, "received": notify.Delivered, "read": notify.Seen, "accepted": notify.Answered, "accept": notify.Answered, "called back": notify.Answered,
		"rejected": notify.Failed, "undeliverable": notify.Failed, "cancelled": notify.Failed, "failed": notify.Failed,
	}
}

// status reads a PCD-05 report: the message it is about, in MSA-2 or in OBR-2, and what became of it; "" changes nothing.
// It returns Invalid for any other message.
func status(m message) (id string, state notify.State, err error) {
	if kind := m.get("MSH", 9, 1) + "^" + m.get("MSH", 9, 2); kind != "ORA^R41" && kind != "ORU^R41" && kind != "ORA^R42" && kind != "ORU^R42" {
		return "", "", vigil.Errorf(vigil.Invalid, "acm.status", "MSH-9 is %s; this door takes reports of alarm status (ORA^R41)", kind)
	}
	if id = m.get("MSA", 2, 1); id == "" {
		id = m.get("OBR", 2, 1)
	}
	if id == "" {
		return "", "", vigil.Errorf(vigil.Invalid, "acm.status", "MSA-2 does not say which report this is about")
	}
	known := states()
	for _, s := range m.segments {
		if s[0] != "OBX" && s[0] != "PRT" {
			continue
		}
		for field := 4; field < min(len(s), 12); field++ { // a code stands in its first or second component
			for component := 1; component <= 2; component++ {
				if got, ok := known[strings.ToLower(component1(s, field, component))]; ok {
					state = got
				}
			}
		}
	}
	return id, state, nil
}

// Run takes reports of alarm status until ctx ends.
func (c *Channel) Run(ctx context.Context) error {
	if c.in == nil {
		<-ctx.Done()
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { c.in.Close() })
	defer stop()
	slots := make(chan struct{}, 32)
	for {
		conn, err := c.in.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case slots <- struct{}{}:
		default:
			conn.Close() // more connections than any alarm manager opens
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			c.serve(ctx, conn)
		})
	}
}

// Close frees the listener of a channel that did not Run.
func (c *Channel) Close() error {
	if c.in == nil {
		return nil
	}
	if err := c.in.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (c *Channel) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r := bufio.NewReader(conn)
	for {
		if conn.SetDeadline(time.Now().Add(idle)) != nil {
			return
		}
		text, err := readFrame(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				c.cfg.Log.Debug("acm.read", "error", err)
			}
			return
		}
		m, err := parse(text)
		if err == nil {
			err = c.take(ctx, m)
		}
		if err != nil {
			c.cfg.Log.Warn("acm.status.refused", "error", err)
		}
		if _, err := conn.Write(frame(acknowledgement(m, err, c.cfg.Now()).String())); err != nil {
			return
		}
	}
}

// take passes a report of alarm status on. It is acknowledged once the receipt is kept.
func (c *Channel) take(ctx context.Context, m message) error {
	id, state, err := status(m)
	if err != nil || state == "" {
		return err
	}
	c.mu.Lock()
	page, known := c.ids[id]
	c.mu.Unlock()
	if !known {
		return vigil.Errorf(vigil.NotFound, "acm.status", "report %s is not one of ours, or too old", id)
	}
	return c.cfg.Receipt(ctx, page, state)
}
