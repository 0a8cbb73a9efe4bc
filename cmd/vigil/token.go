package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/server"
)

// tokenCmd manages the API tokens of programs.
type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token for a program and print it once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

// tokenFlags say whose tokens: of a running Vigil, by an administrator's sign-in, or of a data directory on this machine.
type tokenFlags struct {
	remoteFlags `embed:""`
	Data        string `help:"Data directory on this machine, its Vigil running or not (stopped when the records are on PostgreSQL): then nobody signs in." placeholder:"DIR" env:"VIGIL_DATA_DIR"`
}

// manage calls local with the accounts of the data directory when one is named, else remote as an administrator.
func (f tokenFlags) manage(ctx context.Context, cfg server.Config, local func(ctx context.Context, a *access.Accounts) error, remote func(r *remote) error) (err error) {
	if f.Data == "" {
		r, err := f.open(ctx, "admin")
		if err != nil {
			return err
		}
		return remote(r)
	}
	cfg.Data = f.Data
	if _, err := os.Stat(filepath.Join(f.Data, "records.db")); err != nil && cfg.Records == "" {
		return vigil.Errorf(vigil.Invalid, "user.token", "%s is no data directory of Vigil: %w", f.Data, err)
	}
	db, err := cfg.OpenRecords(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	trail := audit.New(audit.Config{Backend: db.Audit()})
	defer func() { err = errors.Join(err, trail.Close()) }()
	return local(system(ctx), access.NewAccounts(access.AccountsConfig{Backend: db.Accounts(), Tokens: db.Tokens(), Clients: db.Clients(), Audit: trail}))
}

type tokenCreateCmd struct {
	tokenFlags `embed:""`
	Name       string `arg:"" help:"Which program it is for, for example grafana."`
	Role       string `help:"What it may read: nurse and physician every chart, engineer places and devices." enum:"nurse,physician,engineer" default:"nurse"`
	Days       int    `help:"For how long, at most two years." default:"365"`
}

// Run implements the command. The token alone goes to the standard output.
func (c *tokenCreateCmd) Run(ctx context.Context, cfg server.Config) error {
	var made struct {
		access.Token
		Text string `json:"token"`
	}
	err := c.manage(ctx, cfg, func(ctx context.Context, a *access.Accounts) (err error) {
		made.Text, made.Token, err = a.CreateToken(ctx, c.Name, access.Role(c.Role), time.Now().Add(time.Duration(min(c.Days, 10_000))*24*time.Hour))
		return err
	}, func(r *remote) error {
		return r.call(ctx, "POST", "/api/tokens", map[string]any{"name": c.Name, "role": c.Role, "days": c.Days}, &made)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "token %s reads as %s until %s; it is shown once:\n", made.ID, made.Role, made.Expires.Format(time.DateOnly))
	fmt.Println(made.Text)
	return nil
}

type tokenListCmd struct {
	tokenFlags `embed:""`
}

// Run implements the command.
func (c *tokenListCmd) Run(ctx context.Context, cfg server.Config) error {
	var list []access.Token
	err := c.manage(ctx, cfg, func(ctx context.Context, a *access.Accounts) (err error) {
		list, err = a.Tokens(ctx)
		return err
	}, func(r *remote) error { return r.call(ctx, "GET", "/api/tokens", nil, &list) })
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, t := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\tuntil %s\n", t.ID, t.Name, t.Role, t.Expires.Format(time.DateOnly))
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	tokenFlags `embed:""`
	ID         string `arg:"" help:"Id of the token, from vigil user token list."`
}

// Run implements the command.
func (c *tokenRevokeCmd) Run(ctx context.Context, cfg server.Config) error {
	return c.manage(ctx, cfg, func(ctx context.Context, a *access.Accounts) error { return a.RevokeToken(ctx, c.ID) },
		func(r *remote) error { return r.call(ctx, "DELETE", "/api/tokens/"+url.PathEscape(c.ID), nil, nil) })
}
