package subscription

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Kinds of notification.
const (
	Handshake = "handshake"
	Heartbeat = "heartbeat"
	Happened  = "event-notification"
	Query     = "query-status"
	Replayed  = "query-event"
)

const (
	profileBundle = guide + "backport-subscription-notification-r4"
	profileStatus = guide + "backport-subscription-status-r4"
)

// shown is an event with its resource, nil where the content leaves it out or it is gone.
type shown struct {
	Event
	res fhir.Raw
}

// note is what a notification says.
type note struct {
	kind   string
	status string
	events int64
	list   []shown
}

// notification is the Bundle that receivers get: the status first, then what the content asks for.
func (d *Desk) notification(w *wish, n note, now time.Time) fhir.Resource {
	entries := []fhir.Resource{{"fullUrl": "urn:uuid:" + uuid(), "resource": d.status(w, n),
		"request": fhir.Resource{"method": "GET", "url": "Subscription/" + w.id + "/$status"}, "response": fhir.Resource{"status": "200"}}}
	for _, e := range n.list {
		method, status := "PUT", "200"
		if e.Deleted > 0 {
			method, status = "DELETE", "204"
		}
		entry := fhir.Resource{"fullUrl": d.cfg.Base + "/" + e.Focus, "request": fhir.Resource{"method": method, "url": e.Focus}, "response": fhir.Resource{"status": status}}
		if w.content == Empty {
			continue
		}
		if e.res != nil {
			entry["resource"] = e.res
		}
		entries = append(entries, entry)
	}
	return fhir.New("Bundle", uuid()).With("meta", fhir.Resource{"profile": []string{profileBundle}}).With("type", "history").
		With("timestamp", fhir.Instant(now)).With("entry", entries)
}

// status is a SubscriptionStatus as Parameters.
func (d *Desk) status(w *wish, n note) fhir.Resource {
	params := []fhir.Resource{
		{"name": "subscription", "valueReference": fhir.Ref(d.cfg.Base+"/Subscription/"+w.id, "")},
		{"name": "topic", "valueCanonical": TopicChange},
		{"name": "status", "valueCode": n.status},
		{"name": "type", "valueCode": n.kind},
		{"name": "events-since-subscription-start", "valueString": strconv.FormatInt(n.events, 10)},
	}
	for _, e := range n.list {
		part := []fhir.Resource{{"name": "event-number", "valueString": strconv.FormatInt(e.Number, 10)}, {"name": "timestamp", "valueInstant": fhir.Instant(e.At)}}
		if w.content != Empty {
			part = append(part, fhir.Resource{"name": "focus", "valueReference": fhir.Ref(d.cfg.Base+"/"+e.Focus, "")})
		}
		params = append(params, fhir.Resource{"name": "notification-event", "part": part})
	}
	return fhir.New("Parameters", uuid()).With("meta", fhir.Resource{"profile": []string{profileStatus}}).With("parameter", params)
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
