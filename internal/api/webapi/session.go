package webapi

import (
	"cmp"
	"context"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

type sessionView struct {
	User *userView   `json:"user"`
	Site siteView    `json:"site"`
	Menu []MenuEntry `json:"menu"`
}

type siteView struct {
	Site
	SetupNeeded bool `json:"setup_needed"`
}

type userView struct {
	ID        string        `json:"id"`
	Login     string        `json:"login"`
	Name      string        `json:"name"`
	Initials  string        `json:"initials"`
	Role      access.Role   `json:"role"`
	Roles     []access.Role `json:"roles"`
	Person    string        `json:"person"`
	PatientID string        `json:"patient_id,omitempty"`
}

func (a *API) getSession(c *call) (any, error) {
	needed, err := a.cfg.Accounts.SetupNeeded(c.ctx)
	if err != nil {
		return nil, err
	}
	out := sessionView{Site: siteView{a.siteNow(c.ctx), needed}, Menu: []MenuEntry{}}
	if c.who.ID == "" {
		return out, nil
	}
	u := userView{ID: c.who.ID, Name: c.who.Name, Initials: c.who.Initials, Roles: c.who.Roles, Person: c.who.Person, PatientID: c.who.Subject.ID()}
	if len(u.Roles) > 0 {
		u.Role = u.Roles[0]
	}
	if acc, err := a.cfg.Accounts.Get(access.AsSystem(c.ctx, "webapi"), c.who.ID); err == nil {
		u.Login = acc.Login
	}
	out.User = &u
	for _, m := range a.cfg.Menu {
		if c.who.Has(m.Roles...) {
			out.Menu = append(out.Menu, m)
		}
	}
	return out, nil
}

// siteNow is the site under the name that its Organization record has; before there is one, under the configured name.
func (a *API) siteNow(ctx context.Context) Site {
	site := a.cfg.Site
	if name := a.site.Load(); name != nil {
		site.Name = *name
		return site
	}
	rec, err := a.cfg.Records.Read(access.AsSystem(ctx, "webapi"), "Organization", siteRecord)
	if err != nil {
		return site
	}
	if r, err := rec.Resource(); err == nil && r.Str("name") != "" {
		site.Name = r.Str("name")
		a.site.Store(&site.Name)
	}
	return site
}

// Hospital is the name of the hospital as it is now.
func (a *API) Hospital(ctx context.Context) string { return a.siteNow(ctx).Name }

// siteRecord is the id of the Organization that is the hospital itself.
const siteRecord = "hospital"

// nameSite writes the hospital's name to its record.
func (a *API) nameSite(ctx context.Context, name string) error {
	r := fhir.New("Organization", siteRecord).With("active", true).With("name", name)
	if _, err := a.cfg.Records.Update(access.AsSystem(ctx, "webapi"), r, 0); err != nil {
		return err
	}
	a.site.Store(&name)
	return nil
}

func (a *API) signIn(c *call) (any, error) {
	var in struct{ Login, Password string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	token, _, err := a.cfg.Accounts.SignIn(c.ctx, in.Login, in.Password, remote(c.r))
	if err != nil {
		return nil, err
	}
	return a.begin(c, token)
}

// begin sets the cookie and answers with the session as it now is.
func (a *API) begin(c *call, token string) (any, error) {
	http.SetCookie(c.w, &http.Cookie{Name: cookieName, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.r.TLS != nil, MaxAge: 7 * 24 * 3600})
	who, err := a.cfg.Accounts.Session(c.ctx, token)
	if err != nil {
		return nil, err
	}
	c.who, c.ctx = who, access.With(c.ctx, who)
	return a.getSession(c)
}

// visit signs a visitor of the simulated hospital in as somebody of the role, from this machine only.
func (a *API) visit(c *call) (any, error) {
	var in struct {
		Role  access.Role
		Login string
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if !a.cfg.Site.Demo || !loopback(c.r) {
		return nil, vigil.Errorf(vigil.Denied, "webapi.visit", "visitors are welcome in the simulated hospital only, from the machine it runs on")
	}
	sys := access.AsSystem(c.ctx, "webapi")
	all, err := a.cfg.Accounts.List(sys)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y access.Account) int { return cmp.Compare(a.onCallOrder(x), a.onCallOrder(y)) })
	// Who is first on call is the one whom the stories of the simulated hospital speak to.
	order := map[string]int{}
	for i, s := range a.cfg.Census.StaffOf("", string(in.Role)) {
		order["Practitioner/"+s.ID] = i - 1000
	}
	slices.SortStableFunc(all, func(x, y access.Account) int { return order[x.Person] - order[y.Person] })
	for _, acc := range all {
		if slices.Contains(acc.Roles, access.Admin) {
			continue // whoever made one in the simulated hospital gave it a password
		}
		if !acc.Disabled && (in.Login == acc.Login || in.Login == "" && slices.Contains(acc.Roles, in.Role)) {
			token, _, err := a.cfg.Accounts.SignInAs(sys, acc.ID)
			if err != nil {
				return nil, err
			}
			return a.begin(c, token)
		}
	}
	if in.Login != "" {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.visit", "nobody in the simulated hospital is called %q", in.Login)
	}
	return nil, vigil.Errorf(vigil.Invalid, "webapi.visit", "nobody in the simulated hospital is a %q", in.Role)
}

// onCallOrder is the account's place on call, so that a visiting physician is the one who is paged first.
func (a *API) onCallOrder(acc access.Account) int {
	if s, ok := a.cfg.Census.Staff(strings.TrimPrefix(acc.Person, "Practitioner/")); ok {
		return s.Order
	}
	return math.MaxInt
}

func (a *API) signOut(c *call) (any, error) {
	old := token(c.r)
	if old == "" {
		return nil, nil
	}
	http.SetCookie(c.w, &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, MaxAge: -1})
	return nil, a.cfg.Accounts.SignOut(c.ctx, old)
}

func (a *API) setup(c *call) (any, error) {
	var in struct{ Token, Site, Login, Name, Password string }
	if err := c.body(&in); err != nil {
		return nil, err
	}
	_, err := a.cfg.Accounts.Setup(c.ctx, in.Token, access.NewAccount{Login: in.Login, Name: in.Name, Password: in.Password, Roles: []access.Role{access.Admin}})
	if err != nil {
		return nil, err
	}
	if name := strings.TrimSpace(in.Site); name != "" {
		if err := a.nameSite(c.ctx, name); err != nil {
			return nil, err
		}
	}
	token, _, err := a.cfg.Accounts.SignIn(c.ctx, in.Login, in.Password, remote(c.r))
	if err != nil {
		return nil, err
	}
	return a.begin(c, token)
}

func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func loopback(r *http.Request) bool {
	ip := net.ParseIP(remote(r))
	return ip != nil && ip.IsLoopback()
}
