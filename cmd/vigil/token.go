package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"text/tabwriter"

	"github.com/vigil-health/vigil/internal/engine/access"
)

// tokenCmd manages the API tokens of programs in a running Vigil.
type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token for a program and print it once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokenCreateCmd struct {
	remoteFlags `embed:""`
	Name        string `arg:"" help:"Which program it is for, for example grafana."`
	Role        string `help:"What it may read: nurse and physician every chart, engineer places and devices." enum:"nurse,physician,engineer" default:"nurse"`
	Days        int    `help:"For how long, at most two years." default:"365"`
}

// Run implements the command. The token alone goes to the standard output.
func (c *tokenCreateCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "admin")
	if err != nil {
		return err
	}
	var made struct {
		access.Token
		Text string `json:"token"`
	}
	if err := r.call(ctx, "POST", "/api/tokens", map[string]any{"name": c.Name, "role": c.Role, "days": c.Days}, &made); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "token %s reads as %s until %s; it is shown once:\n", made.ID, made.Role, made.Expires.Format("2006-01-02"))
	fmt.Println(made.Text)
	return nil
}

type tokenListCmd struct {
	remoteFlags `embed:""`
}

// Run implements the command.
func (c *tokenListCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "admin")
	if err != nil {
		return err
	}
	var list []access.Token
	if err := r.call(ctx, "GET", "/api/tokens", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, t := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\tuntil %s\n", t.ID, t.Name, t.Role, t.Expires.Format("2006-01-02"))
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	remoteFlags `embed:""`
	ID          string `arg:"" help:"Id of the token, from vigil user token list."`
}

// Run implements the command.
func (c *tokenRevokeCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "admin")
	if err != nil {
		return err
	}
	return r.call(ctx, "DELETE", "/api/tokens/"+url.PathEscape(c.ID), nil, nil)
}
