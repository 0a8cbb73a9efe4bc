package webapi

import "github.com/vigil-health/vigil/internal/engine/access"

// clientView is a program of another system, without its keys but their names.
type clientView struct {
	access.Client
	Scopes string   `json:"scopes"`
	Keys   []string `json:"keys"`
	JWKS   any      `json:"jwks,omitempty"` // shadows the keys themselves
}

func viewClient(c access.Client) clientView {
	v := clientView{Client: c, Scopes: access.JoinScopes(c.Scopes), Keys: []string{}}
	for i := range c.Keys.Keys {
		v.Keys = append(v.Keys, c.Keys.Keys[i].KeyID)
	}
	return v
}

// clients lists the programs that prove themselves with a key.
func (a *API) clients(c *call) (any, error) {
	list, err := a.cfg.Accounts.Clients(c.ctx)
	out := []clientView{}
	for _, x := range list {
		out = append(out, viewClient(x))
	}
	return out, err
}

// registerClient registers a program, or replaces its name, scopes and keys.
func (a *API) registerClient(c *call) (any, error) {
	var in access.NewClient
	if err := c.body(&in); err != nil {
		return nil, err
	}
	made, err := a.cfg.Accounts.Register(c.ctx, in)
	return viewClient(made), err
}

// removeClient ends a program's access at once.
func (a *API) removeClient(c *call) (any, error) {
	return nil, a.cfg.Accounts.Unregister(c.ctx, c.r.PathValue("id"))
}
