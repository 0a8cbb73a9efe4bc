package webapi

import (
	"time"

	"github.com/vigil-health/vigil/internal/engine/access"
)

// tokens lists the API tokens of programs.
func (a *API) tokens(c *call) (any, error) {
	list, err := a.cfg.Accounts.Tokens(c.ctx)
	if list == nil {
		list = []access.Token{}
	}
	return list, err
}

type createdToken struct {
	access.Token
	Text string `json:"token"`
}

// createToken makes an API token; its text is in this answer and nowhere else.
func (a *API) createToken(c *call) (any, error) {
	var in struct {
		Name string      `json:"name"`
		Role access.Role `json:"role"`
		Days int         `json:"days"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Days == 0 {
		in.Days = 365
	}
	text, t, err := a.cfg.Accounts.CreateToken(c.ctx, in.Name, in.Role, a.cfg.Now().Add(time.Duration(min(in.Days, 10_000))*24*time.Hour))
	return createdToken{t, text}, err
}

// revokeToken ends an API token.
func (a *API) revokeToken(c *call) (any, error) {
	return nil, a.cfg.Accounts.RevokeToken(c.ctx, c.r.PathValue("id"))
}
