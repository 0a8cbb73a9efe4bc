package webapi

import (
	"cmp"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// notifyView is how a person is reached and what he may choose from.
type notifyView struct {
	notify.Settings
	Name     string         `json:"name"`
	Channels []string       `json:"channels"`     // set up on this server
	Own      []string       `json:"own_channels"` // of them, those with addresses of one's own
	Routes   []routeView    `json:"routes"`       // in the order in which they are tried
	PushKey  string         `json:"push_key"`
	Floor    vigil.Priority `json:"quiet_floor"` // this priority and above are never held back
}

type routeView struct {
	Channel string `json:"channel"`
	Label   string `json:"label"`
	Device  string `json:"device,omitempty"` // id, "" where the site gives the address
}

// myKey is the key of who asks.
func (c *call) myKey() string { return cmp.Or(c.who.Person, c.who.ID) }

func (a *API) notifySettings(c *call) (any, error) {
	return a.viewSettings(c, cmp.Or(c.query("key"), c.myKey()))
}

func (a *API) viewSettings(c *call, key string) (any, error) {
	s, err := a.cfg.Directory.Get(c.ctx, key)
	if err != nil {
		return nil, err
	}
	v := notifyView{Settings: fill(s), Name: a.keyName(c, key), Channels: []string{}, Own: []string{}, Routes: []routeView{}, PushKey: a.cfg.PushKey, Floor: a.cfg.Directory.Floor()}
	for _, h := range a.cfg.Post.Health() {
		v.Channels = append(v.Channels, h.Channel)
		if slices.Contains(notify.OwnChannels(), h.Channel) {
			v.Own = append(v.Own, h.Channel)
		}
	}
	routes, err := a.cfg.Directory.Routes(c.ctx, alarm.Recipient{ID: key})
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		rv := routeView{Channel: r.Channel, Label: "set by the hospital"}
		if r.Channel == notify.AppChannel {
			rv.Label = "open screens"
		}
		if i := slices.IndexFunc(s.Devices, func(d notify.Device) bool { return d.Channel == r.Channel && d.To == r.To }); i >= 0 {
			rv.Label, rv.Device = s.Devices[i].Label, s.Devices[i].ID
		}
		v.Routes = append(v.Routes, rv)
	}
	return v, nil
}

func fill(s notify.Settings) notify.Settings {
	s.Order, s.Devices, s.Quiet = append([]string{}, s.Order...), append([]notify.Device{}, s.Devices...), append([]notify.Quiet{}, s.Quiet...)
	return s
}

func (a *API) keyName(c *call, key string) string {
	if key == c.myKey() {
		return c.who.Name
	}
	if unit, ok := strings.CutPrefix(key, "unit:"); ok {
		u, _ := a.cfg.Census.Unit(unit)
		return cmp.Or(u.Name, unit)
	}
	return a.staffName(key)
}

func (a *API) setNotifySettings(c *call) (any, error) {
	var s notify.Settings
	if err := c.body(&s); err != nil {
		return nil, err
	}
	s = fill(s)
	s.Key = cmp.Or(s.Key, c.myKey())
	for i, d := range s.Devices {
		if d.ID == "" {
			s.Devices[i].ID, s.Devices[i].Added = rand.Text(), a.cfg.Now().UTC().Truncate(time.Second)
		}
		if d.Channel == "push" {
			if err := a.cfg.CheckPush(d.To); err != nil {
				return nil, err
			}
		}
	}
	if err := a.cfg.Directory.Set(c.ctx, s); err != nil {
		return nil, err
	}
	return a.viewSettings(c, s.Key)
}

// testChannel sends a test to the person himself, or for an administrator to anybody, on one of his routes.
func (a *API) testChannel(c *call) (any, error) {
	var in struct {
		ID      string `json:"id"`
		Key     string `json:"key"`
		Channel string `json:"channel"`
		Device  string `json:"device"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	key := cmp.Or(in.Key, c.myKey())
	s, err := a.cfg.Directory.Get(c.ctx, key) // Denied when it is not one's own
	if err != nil {
		return nil, err
	}
	routes, err := a.cfg.Directory.Routes(c.ctx, alarm.Recipient{ID: key})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(routes, func(r notify.Route) bool {
		return r.Channel == in.Channel && (in.Device == "" || slices.ContainsFunc(s.Devices, func(d notify.Device) bool { return d.ID == in.Device && d.To == r.To }))
	})
	if i < 0 {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.test", "there is no such address on the channel %q", in.Channel)
	}
	return a.cfg.Post.Test(c.ctx, cmp.Or(in.ID, rand.Text()), alarm.Recipient{ID: key, Name: a.keyName(c, key)}, routes[i])
}

// testReceipts is what came back of a test since.
func (a *API) testReceipts(c *call) (any, error) {
	m, err := a.ownMessage(c, c.query("message"))
	if err != nil {
		return nil, err
	}
	return viewPages([]notify.Message{m})[0], nil
}

// ownMessage returns a message to who asks, or any to an administrator.
func (a *API) ownMessage(c *call, id string) (notify.Message, error) {
	m, err := a.cfg.Post.Message(c.ctx, id)
	if err == nil && m.To.ID != c.myKey() && m.To.ID != c.who.ID && !c.who.Has(access.Admin) {
		return m, vigil.Errorf(vigil.Denied, "webapi.message", "this message is somebody else's")
	}
	return m, err
}

// pushReceipt is a browser's word that a message was shown or opened.
func (a *API) pushReceipt(c *call) (any, error) {
	var in struct {
		ID      string       `json:"id"`
		Channel string       `json:"channel"`
		State   notify.State `json:"state"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.State != notify.Delivered && in.State != notify.Seen || in.Channel != "push" && in.Channel != notify.AppChannel {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.receipt", "a screen says delivered or seen, of push or app")
	}
	m, err := a.ownMessage(c, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Post.Receipt(c.ctx, m.ID, in.Channel, in.State)
}

func (a *API) notifyPeople(c *call) (any, error) {
	all, err := a.cfg.Directory.All(c.ctx)
	if err != nil {
		return nil, err
	}
	type person struct {
		notify.Settings
		Name string `json:"name"`
		Role string `json:"role,omitempty"`
	}
	out := []person{}
	for _, s := range a.cfg.Census.StaffOf("", "") {
		key := "Practitioner/" + s.ID
		p := person{Settings: notify.Settings{Key: key}, Name: s.Name, Role: s.Role}
		if i := slices.IndexFunc(all, func(x notify.Settings) bool { return x.Key == key }); i >= 0 {
			p.Settings = all[i]
		}
		p.Settings = fill(p.Settings)
		for i := range p.Devices { // whose addresses they are is enough
			p.Devices[i].To = ""
		}
		out = append(out, p)
	}
	return out, nil
}

// deadLetters is what reached nobody, and how the channels do.
func (a *API) deadLetters(c *call) (any, error) {
	list, err := a.cfg.Post.Dead(c.ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{"dead": viewPages(list), "channels": a.cfg.Post.Health()}, nil
}

func (a *API) retryLetter(c *call) (any, error) {
	var in struct {
		ID string `json:"id"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	return nil, a.cfg.Post.Again(c.ctx, in.ID)
}
