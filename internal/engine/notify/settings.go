package notify

import (
	"cmp"
	"context"
	"log/slog"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Device is one address of a person: a phone number, a mailbox, a browser.
type Device struct {
	ID      string    `json:"id"`
	Channel string    `json:"channel"` // push, sms, voice or email
	To      string    `json:"to"`
	Label   string    `json:"label"` // "My phone"
	Added   time.Time `json:"added"`
}

// Quiet is a time of the week in which alarms up to a priority are held back.
type Quiet struct {
	Days []string       `json:"days"` // mon … sun: the day on which it begins; none is every day
	From string         `json:"from"` // "22:00", by the hospital's clock
	To   string         `json:"to"`
	Hold vigil.Priority `json:"hold"` // low or medium; high is never held
}

// Settings are how one person, or a unit for all its people, wants to be reached.
type Settings struct {
	Key     string   `json:"key"`   // "Practitioner/<id>", an account id, or "unit:<Location id>"
	Order   []string `json:"order"` // channels, the first is tried first; those left out follow
	Devices []Device `json:"devices"`
	Quiet   []Quiet  `json:"quiet"`
}

// SettingsBook keeps settings. Calls may be concurrent.
type SettingsBook interface {
	// Settings returns those of a key, empty ones when there are none.
	Settings(ctx context.Context, key string) (Settings, error)
	// PutSettings replaces those of a key; it returns once they are on disk.
	PutSettings(ctx context.Context, s Settings) error
	// AllSettings returns every key's, in order of the keys.
	AllSettings(ctx context.Context) ([]Settings, error)
}

// DirectoryConfig is what the directory needs.
type DirectoryConfig struct {
	Book SettingsBook
	Site Book // routes that the site's configuration gives; nil for none
	// Floor is the lowest priority that quiet hours never hold, at most high.
	Floor vigil.Priority
	Zone  *time.Location // of the hospital; nil is the machine's
	Now   func() time.Time
	Log   *slog.Logger
	// Offers reports whether a channel is set up.
	Offers func(channel string) bool
	Audit  func(ctx context.Context, action, what string)
}

// Directory knows how each person wants to be reached. It is the Book and the Hush of Post.
type Directory struct{ cfg DirectoryConfig }

// NewDirectory returns a directory over its book.
func NewDirectory(cfg DirectoryConfig) *Directory {
	if cfg.Floor == vigil.PriorityNone || cfg.Floor > vigil.PriorityHigh {
		cfg.Floor = vigil.PriorityHigh
	}
	if cfg.Zone == nil {
		cfg.Zone = time.Local
	}
	if cfg.Audit == nil {
		cfg.Audit = func(context.Context, string, string) {}
	}
	return &Directory{cfg}
}

// OwnChannels are those on which a person may enter an address himself; the others lead where the site says.
func OwnChannels() []string { return []string{"push", "sms", "voice", "email"} }

// usual is the order for who has chosen none.
func usual() []string {
	return []string{AppChannel, "push", "acm", "sms", "webhook", "chat", "email", "voice"}
}

// Routes implements Book: the person's own devices and what the site gives, in the person's order, the usual one behind.
func (d *Directory) Routes(ctx context.Context, to alarm.Recipient) ([]Route, error) {
	own, err := d.cfg.Book.Settings(ctx, to.ID)
	if err != nil {
		d.cfg.Log.Error("notify.settings.unreadable", "error", err) // the site's routes still reach him
	}
	out := []Route{{Channel: AppChannel, To: to.ID}}
	for _, dev := range own.Devices {
		out = append(out, Route{dev.Channel, dev.To})
	}
	if d.cfg.Site != nil {
		site, err := d.cfg.Site.Routes(ctx, to)
		if err != nil {
			return out, err
		}
		for _, r := range site {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	order := append(slices.Clone(own.Order), usual()...)
	slices.SortStableFunc(out, func(a, b Route) int { return cmp.Compare(place(order, a.Channel), place(order, b.Channel)) })
	return out, nil
}

func place(order []string, channel string) int {
	if i := slices.Index(order, channel); i >= 0 {
		return i
	}
	return len(order)
}

// Held implements Hush: alarms below the site's floor wait for the end of the person's or his unit's quiet hours.
func (d *Directory) Held(ctx context.Context, m Message, now time.Time) (until time.Time, held bool) {
	if m.Kind != string(vigil.KindAlarm) || m.Priority < vigil.PriorityLow || m.Priority >= d.cfg.Floor {
		return until, false
	}
	for _, key := range []string{m.To.ID, UnitKey(m.Unit)} {
		s, err := d.cfg.Book.Settings(ctx, key)
		if err != nil {
			d.cfg.Log.Error("notify.settings.unreadable", "error", err) // then nothing is held
			continue
		}
		for _, q := range s.Quiet {
			if end, ok := q.covers(now.In(d.cfg.Zone)); ok && m.Priority <= q.Hold && end.After(until) {
				until, held = end, true
			}
		}
	}
	if held {
		until = now.Add(until.Sub(now)) // on the running clock
	}
	return until, held
}

// UnitKey is the key of a unit's settings.
func UnitKey(unit string) string { return "unit:" + unit }

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// covers returns when the quiet hours around a time of the hospital's clock end.
func (q Quiet) covers(at time.Time) (end time.Time, ok bool) {
	from, err1 := time.Parse("15:04", q.From)
	to, err2 := time.Parse("15:04", q.To)
	if err1 != nil || err2 != nil {
		return end, false
	}
	for _, back := range []int{0, -1} {
		day := at.AddDate(0, 0, back)
		if len(q.Days) > 0 && !slices.Contains(q.Days, weekdays[day.Weekday()]) {
			continue
		}
		next := 0
		if !to.After(from) {
			next = 1
		}
		begin := time.Date(day.Year(), day.Month(), day.Day(), from.Hour(), from.Minute(), 0, 0, at.Location())
		end = time.Date(day.Year(), day.Month(), day.Day()+next, to.Hour(), to.Minute(), 0, 0, at.Location())
		if !at.Before(begin) && at.Before(end) {
			return end, true
		}
	}
	return time.Time{}, false
}

// Floor is the lowest priority that quiet hours never hold.
func (d *Directory) Floor() vigil.Priority { return d.cfg.Floor }

// Get returns the settings of a key: one's own, or anybody's for administrators. It returns Denied.
func (d *Directory) Get(ctx context.Context, key string) (Settings, error) {
	if err := mayChange(ctx, key); err != nil {
		return Settings{}, err
	}
	return d.cfg.Book.Settings(ctx, key)
}

// All returns everybody's settings. It is for administrators.
func (d *Directory) All(ctx context.Context) ([]Settings, error) {
	if p, ok := access.From(ctx); !ok || !p.Has(access.Admin, access.System) {
		return nil, vigil.Errorf(vigil.Denied, "notify.settings", "everybody's channels are for administrators")
	}
	return d.cfg.Book.AllSettings(ctx)
}

// Set replaces the settings of a key. It returns Invalid with every fault, or Denied.
func (d *Directory) Set(ctx context.Context, s Settings) error {
	if err := mayChange(ctx, s.Key); err != nil {
		return err
	}
	bad := vigil.Errorf(vigil.Invalid, "notify.settings", "these settings cannot be used")
	fault := func(path, msg string) { bad.Faults = append(bad.Faults, vigil.Fault{Path: path, Msg: msg}) }
	if len(s.Devices) > 20 || len(s.Quiet) > 20 {
		fault("/devices", "at most 20 addresses and 20 quiet hours")
	}
	for _, dev := range s.Devices {
		if msg := d.checkDevice(dev); msg != "" {
			fault("/devices/"+dev.Label, msg)
		}
	}
	for _, q := range s.Quiet {
		if msg := d.checkQuiet(q); msg != "" {
			fault("/quiet", msg)
		}
	}
	if len(bad.Faults) > 0 {
		bad.Msg += ": " + strings.TrimPrefix(bad.Faults[0].Path, "/") + " " + bad.Faults[0].Msg
		return bad
	}
	if err := d.cfg.Book.PutSettings(ctx, s); err != nil {
		return err
	}
	d.cfg.Audit(ctx, "notify.settings", s.Key)
	return nil
}

var phone = regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`) // E.164

func (d *Directory) checkDevice(dev Device) string {
	switch {
	case dev.ID == "":
		return "has no id"
	case !slices.Contains(OwnChannels(), dev.Channel):
		return "is on a channel whose addresses the site gives"
	case d.cfg.Offers != nil && !d.cfg.Offers(dev.Channel):
		return "is on a channel that is not set up on this server"
	case len(dev.To) > 2000:
		return "is too long"
	case (dev.Channel == "sms" || dev.Channel == "voice") && !phone.MatchString(dev.To):
		return "is a number such as +34600123456, without spaces"
	case dev.Channel == "email":
		if a, err := mail.ParseAddress(dev.To); err != nil || a.Address != dev.To {
			return "is no mail address"
		}
	}
	return ""
}

func (d *Directory) checkQuiet(q Quiet) string {
	if _, err := time.Parse("15:04", q.From); err != nil {
		return "begin with a time such as 22:00"
	}
	if _, err := time.Parse("15:04", q.To); err != nil {
		return "end with a time such as 06:00"
	}
	if slices.ContainsFunc(q.Days, func(x string) bool { return !slices.Contains(weekdays[:], x) }) {
		return "fall on mon, tue, wed, thu, fri, sat or sun"
	}
	if q.Hold < vigil.PriorityLow || q.Hold >= d.cfg.Floor {
		return "hold alarms of a priority below " + d.cfg.Floor.String() + ": this hospital never holds that one or more urgent ones"
	}
	return ""
}

// Forget removes a device that answers no more, whoever's it is.
func (d *Directory) Forget(ctx context.Context, channel, to string) error {
	all, err := d.cfg.Book.AllSettings(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		n := len(s.Devices)
		s.Devices = slices.DeleteFunc(s.Devices, func(x Device) bool { return x.Channel == channel && x.To == to })
		if len(s.Devices) == n {
			continue
		}
		if err := d.cfg.Book.PutSettings(ctx, s); err != nil {
			return err
		}
		d.cfg.Audit(ctx, "notify.device_gone", s.Key)
	}
	return nil
}

func mayChange(ctx context.Context, key string) error {
	p, ok := access.From(ctx)
	switch {
	case !ok || p.Has(access.Patient):
		return vigil.Errorf(vigil.Denied, "notify.settings", "channels are for staff")
	case p.Has(access.Admin, access.System), key != "" && (key == p.Person || key == p.ID):
		return nil
	}
	return vigil.Errorf(vigil.Denied, "notify.settings", "you change your own channels only")
}
