package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/acm"
	"github.com/vigil-health/vigil/internal/driver/gateway"
	"github.com/vigil-health/vigil/internal/driver/push"
	"github.com/vigil-health/vigil/internal/driver/shout"
	"github.com/vigil-health/vigil/internal/driver/smtp"
	"github.com/vigil-health/vigil/internal/driver/webhook"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// NotifyConfig is how people are reached beside their screens.
type NotifyConfig struct {
	Link string `yaml:"link"` // address of the user interface as people and gateways reach it, https://vigil.example:8443
	// QuietFloor is the lowest priority that nobody's quiet hours hold back: high, or medium.
	QuietFloor string        `yaml:"quiet_floor"`
	Push       PushConfig    `yaml:"push"`
	SMS        GatewayConfig `yaml:"sms"`
	Voice      GatewayConfig `yaml:"voice"`
	Chat       ChatConfig    `yaml:"chat"`
	ACM        ACMConfig     `yaml:"acm"`
}

// PushConfig is web push, which needs no settings.
type PushConfig struct {
	Contact  string   `yaml:"contact"`  // mailto: of the hospital's IT, told to push services
	Services []string `yaml:"services"` // hosts of push services; default those of the known browsers
}

// GatewayConfig is a telephone gateway; without a URL there is none.
type GatewayConfig struct {
	gateway.Config `yaml:",inline"`
	To             map[string]string `yaml:"to"` // Practitioner/<id> or role → number, beside those that people enter themselves
}

// ChatConfig is chat services as shoutrrr addresses.
type ChatConfig struct {
	Services map[string]string `yaml:"services"` // name → address, a secret
	To       map[string]string `yaml:"to"`       // Practitioner/<id>, role, or "*" → name of a service
}

// ACMConfig is an alarm manager after IHE ACM; without an address there is none.
type ACMConfig struct {
	Address string            `yaml:"address"` // host:port, MLLP
	Listen  string            `yaml:"listen"`  // where it reports back
	Name    string            `yaml:"name"`
	To      map[string]string `yaml:"to"` // Practitioner/<id>, role, or "*" → person or group there
}

// ways are the channels that this site has.
type ways struct {
	keys     push.Keys
	push     *push.Channel
	acm      *acm.Channel // nil without an alarm manager
	gateways map[string]*gateway.Channel
}

// run takes what the alarm manager reports back.
func (w *ways) run(ctx context.Context) error {
	if w.acm != nil {
		return w.acm.Run(ctx)
	}
	<-ctx.Done()
	return nil
}

// routes are the ways to a recipient that the site configured for the person, his role or all.
type routes struct{ cfg Config }

// Routes implements notify.Book.
func (r routes) Routes(_ context.Context, to alarm.Recipient) ([]notify.Route, error) {
	n := r.cfg.Notify
	books := map[string]map[string]string{"webhook": r.cfg.Webhook.To, "email": r.cfg.SMTP.To, "sms": n.SMS.To, "voice": n.Voice.To, "chat": n.Chat.To, "acm": n.ACM.To}
	var out []notify.Route
	for _, channel := range slices.Sorted(maps.Keys(books)) {
		for _, key := range []string{to.ID, to.Role, "*"} {
			if addr := books[channel][key]; addr != "" {
				out = append(out, notify.Route{Channel: channel, To: addr})
				break
			}
		}
	}
	return out, nil
}

// openPost builds the channels that the site configured, the directory and the post.
func (e *Engines) openPost(cfg Config) error {
	e.App = notify.NewApp()
	channels, err := e.channels(cfg)
	if err != nil {
		return err
	}
	floor := vigil.PriorityHigh
	if q := cfg.Notify.QuietFloor; q != "" {
		if err := floor.UnmarshalText([]byte(q)); err != nil || floor < vigil.PriorityMedium {
			return vigil.Errorf(vigil.Invalid, "server.config", "notify.quiet_floor is medium or high")
		}
	}
	e.Directory = notify.NewDirectory(notify.DirectoryConfig{
		Book: e.db.NotifySettings(), Site: routes{cfg}, Floor: floor, Now: time.Now, Log: e.logger,
		Offers: func(channel string) bool { return channels[channel] != nil },
		Audit: func(ctx context.Context, action, what string) {
			if err := e.Audit.Later(ctx, audit.Entry{Action: action, What: what, Outcome: "ok"}); err != nil {
				e.logger.Warn("audit.notify", "error", err)
			}
		},
	})
	e.Post = notify.NewPost(notify.Config{
		Outbox: e.db.Outbox(), Channels: channels, Book: e.Directory, Hush: e.Directory, Now: time.Now, Log: e.logger,
		UnitName: e.unitName, Answered: e.answered, Lost: e.lose,
		Wanted: func(ctx context.Context, m notify.Message) bool {
			al, err := e.Desk.Get(access.AsSystem(ctx, "post"), m.Alarm)
			return err != nil || al.Open() && al.AckedBy == ""
		},
	})
	return nil
}

func (e *Engines) unitName(_ context.Context, unit string) string {
	u, _ := e.Census.Unit(unit)
	return u.Name
}

func (e *Engines) channels(cfg Config) (map[string]notify.Channel, error) {
	out := map[string]notify.Channel{notify.AppChannel: e.App}
	link := cmp.Or(cfg.Notify.Link, cfg.SMTP.Link)
	if len(cfg.Webhook.To) > 0 {
		hook, err := webhook.New(webhook.Config{Secret: []byte(cfg.Webhook.Secret), Now: time.Now})
		if err != nil {
			return nil, err
		}
		out["webhook"] = hook
	}
	if cfg.SMTP.Host != "" || len(cfg.SMTP.To) > 0 {
		s := cfg.SMTP
		mail, err := smtp.New(smtp.Config{Host: s.Host, Port: s.Port, From: s.From, Login: s.Login, Password: s.Password, Plain: s.Plain, Link: cmp.Or(s.Link, link)})
		if err != nil {
			return nil, err
		}
		out["email"], e.mail = mail, mail
	}
	if len(cfg.Notify.Chat.Services) > 0 {
		chat, err := shout.New(shout.Config{Services: cfg.Notify.Chat.Services, Link: link})
		if err != nil {
			return nil, err
		}
		out["chat"] = chat
	}
	if err := e.openPush(cfg, out); err != nil {
		return nil, err
	}
	if err := e.openGateways(cfg, link, out); err != nil {
		return nil, err
	}
	return out, e.openManager(cfg, out)
}

func (e *Engines) openPush(cfg Config, out map[string]notify.Channel) (err error) {
	if e.ways.keys, err = e.pushKeys(cfg.path("push.json")); err != nil {
		return err
	}
	c := cfg.Notify.Push
	e.ways.push, err = push.New(push.Config{Keys: e.ways.keys, Contact: c.Contact, Services: c.Services, Gone: func(ctx context.Context, to string) {
		if err := e.Directory.Forget(access.AsSystem(ctx, "push"), "push", to); err != nil {
			e.logger.Warn("push.subscription.not_forgotten", "error", err)
		}
	}})
	if err == nil {
		out["push"] = e.ways.push
	}
	return err
}

// pushKeys reads the key pair for web push, and makes it on first start. A damaged one is put aside and told: a house that
// does not start is worse than browsers that subscribe anew.
func (e *Engines) pushKeys(path string) (push.Keys, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		keys, err := push.ReadKeys(text)
		if err == nil {
			return keys, nil
		}
		e.logger.Error("push.keys.damaged", "error", err, "kept", path+".damaged", "meaning", "a new pair is made; every browser has to switch notifications on again")
		if err := os.Rename(path, path+".damaged"); err != nil {
			return keys, vigil.Errorf(vigil.Unavailable, "push.keys", "put the damaged push keys aside: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return push.Keys{}, vigil.Errorf(vigil.Unavailable, "push.keys", "read the push keys: %w", err)
	}
	keys, err := push.MakeKeys()
	if err != nil {
		return keys, err
	}
	if text, err = json.Marshal(keys); err != nil {
		return keys, err
	}
	if err := writeFile(path, text, 0o600); err != nil {
		return keys, vigil.Errorf(vigil.Unavailable, "push.keys", "write the push keys: %w", err)
	}
	return keys, nil
}

func (e *Engines) openGateways(cfg Config, link string, out map[string]notify.Channel) error {
	e.ways.gateways = map[string]*gateway.Channel{}
	for name, g := range map[string]GatewayConfig{"sms": cfg.Notify.SMS, "voice": cfg.Notify.Voice} {
		if g.URL == "" {
			continue
		}
		secret, err := secretFile(cfg.path("notify.secret"))
		if err != nil {
			return err
		}
		g.Name, g.Link, g.Secret = name, link, []byte(secret)
		c, err := gateway.New(g.Config)
		if err != nil {
			return err
		}
		out[name], e.ways.gateways[name] = c, c
	}
	return nil
}

func (e *Engines) openManager(cfg Config, out map[string]notify.Channel) (err error) {
	m := cfg.Notify.ACM
	if m.Address == "" {
		return nil
	}
	e.ways.acm, err = acm.New(acm.Config{Address: m.Address, Listen: m.Listen, Name: m.Name, UnitName: e.unitName, Now: time.Now, Log: e.logger,
		Receipt: func(ctx context.Context, id string, state notify.State) error {
			return e.Post.Receipt(access.AsSystem(ctx, "acm"), id, "acm", state)
		}})
	if err == nil {
		out["acm"] = e.ways.acm
	}
	return err
}

// callback is where telephone gateways say what became of a message. The address they were given is signed.
func (d *doors) callback(w http.ResponseWriter, r *http.Request) {
	g := d.engines.ways.gateways[r.PathValue("channel")]
	if g == nil {
		http.NotFound(w, r)
		return
	}
	id, state, err := g.Callback(r)
	if err == nil && state != "" {
		err = d.engines.Post.Receipt(access.AsSystem(r.Context(), "gateway"), id, r.PathValue("channel"), state)
	}
	switch vigil.KindOf(err) {
	case "":
		w.WriteHeader(http.StatusNoContent)
	case vigil.Denied:
		http.Error(w, "denied", http.StatusForbidden)
	case vigil.Invalid, vigil.NotFound:
		http.Error(w, vigil.Message(err), http.StatusBadRequest)
	default:
		http.Error(w, "try again", http.StatusServiceUnavailable)
	}
}

// answered acknowledges for a person who answered on the channel itself.
func (e *Engines) answered(ctx context.Context, m notify.Message) {
	role := access.Nurse
	if strings.HasPrefix(m.To.Role, "physician") || m.To.Role == "rapid-response" {
		role = access.Physician
	}
	ctx = access.With(ctx, access.Principal{ID: m.To.ID, Person: m.To.ID, Name: m.To.Name, Initials: m.To.Initials, Roles: []access.Role{role}})
	_, err := e.Desk.Do(ctx, m.Alarm, alarm.Action{Kind: alarm.Acknowledge, Text: "answered the page", Command: m.ID})
	if err != nil && vigil.KindOf(err) != vigil.Conflict {
		e.logger.Error("notify.answer.not_taken", "message", m.ID, "error", err)
	}
}

const unreachedRule = "nobody-reached"

// lose takes note of a page whose every way has failed; watchGaps raises it.
func (e *Engines) lose(m notify.Message) {
	if strings.HasPrefix(m.Alarm, unreachedRule) {
		return // the alarm about it cannot be told either; it stands on every screen
	}
	select {
	case e.lost <- m:
	default: // many pages are lost for the same reason
	}
}

// raiseUnreached says that nobody could be reached, and has the chain go on at once.
func (e *Engines) raiseUnreached(ctx context.Context, m notify.Message) {
	if m.Unit != "" {
		now := time.Now()
		a := vigil.Alarm{Kind: vigil.KindAlarm, Class: vigil.Technical, Priority: max(m.Priority, vigil.PriorityMedium), Subject: vigil.LocationSubject(m.Unit), Unit: m.Unit,
			Rule: unreachedRule, Title: "Nobody could be reached", Text: "A page failed on every channel; see Notifications", Chain: "technical", Latched: true, Onset: now}
		a.ID = alarm.ID(a.Rule, a.Subject, "", now)
		if _, err := e.Desk.Raise(ctx, a); err != nil {
			e.logger.Error("notify.unreached.not_raised", "message", m.ID, "error", err)
		}
	}
	_, err := e.Desk.Do(ctx, m.Alarm, alarm.Action{Kind: alarm.Escalate, Text: "nobody could be reached", Command: "lost/" + m.ID})
	if err != nil && vigil.KindOf(err) != vigil.Conflict && vigil.KindOf(err) != vigil.NotFound {
		e.logger.Error("notify.unreached.not_escalated", "message", m.ID, "error", err)
	}
}

// endUnreached closes what somebody has taken note of.
func (e *Engines) endUnreached(ctx context.Context) {
	open, err := e.Desk.Open(ctx, alarm.Filter{})
	if err != nil {
		return // endGaps has said so
	}
	for _, a := range open {
		if a.Rule != unreachedRule || a.AckedBy == "" || !a.Active() {
			continue
		}
		if err := e.Desk.End(ctx, a.ID, time.Now()); err != nil {
			e.logger.Error("notify.unreached.not_ended", "alarm", a.ID, "error", err)
		}
	}
}
