package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/server"
)

// clientCmd manages programs of other systems that prove themselves with a key (SMART Backend Services).
type clientCmd struct {
	Add    clientAddCmd    `cmd:"" help:"Register a program by its public keys, or replace its scopes and keys."`
	List   clientListCmd   `cmd:"" help:"List the programs."`
	Remove clientRemoveCmd `cmd:"" help:"End a program's access at once."`
}

type clientAddCmd struct {
	tokenFlags `embed:""`
	ID         string `arg:"" help:"The client_id that the program will sign with."`
	JWKS       string `required:"" help:"File with its public keys as a JSON Web Key Set." type:"existingfile" placeholder:"FILE"`
	Name       string `help:"Which program it is; the id without one."`
	Scopes     string `help:"The most that it may ask for, separated by spaces." default:"system/*.read"`
}

// Run implements the command.
func (c *clientAddCmd) Run(ctx context.Context, cfg server.Config) error {
	keys, err := os.ReadFile(c.JWKS)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "user.client", "the keys cannot be read: %w", err)
	}
	if !json.Valid(keys) {
		return vigil.Errorf(vigil.Invalid, "user.client", "%s is no JSON Web Key Set", c.JWKS)
	}
	n := access.NewClient{ID: c.ID, Name: c.Name, Scopes: c.Scopes, Keys: keys}
	if n.Name == "" {
		n.Name = c.ID
	}
	err = c.manage(ctx, cfg, func(ctx context.Context, a *access.Accounts) error {
		_, err := a.Register(ctx, n)
		return err
	}, func(r *remote) error { return r.call(ctx, "POST", "/api/clients", n, nil) })
	if err == nil {
		fmt.Printf("%s may ask for %s\n", n.ID, n.Scopes)
	}
	return err
}

type clientListCmd struct {
	tokenFlags `embed:""`
}

// Run implements the command.
func (c *clientListCmd) Run(ctx context.Context, cfg server.Config) error {
	type line struct {
		ID, Name, Scopes string
		Keys             []string
	}
	var list []line
	err := c.manage(ctx, cfg, func(ctx context.Context, a *access.Accounts) error {
		clients, err := a.Clients(ctx)
		for _, x := range clients {
			l := line{ID: x.ID, Name: x.Name, Scopes: access.JoinScopes(x.Scopes)}
			for i := range x.Keys.Keys {
				l.Keys = append(l.Keys, x.Keys.Keys[i].KeyID)
			}
			list = append(list, l)
		}
		return err
	}, func(r *remote) error { return r.call(ctx, "GET", "/api/clients", nil, &list) })
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\tkeys %s\n", x.ID, x.Name, x.Scopes, strings.Join(x.Keys, " "))
	}
	return w.Flush()
}

type clientRemoveCmd struct {
	tokenFlags `embed:""`
	ID         string `arg:"" help:"The client_id."`
}

// Run implements the command.
func (c *clientRemoveCmd) Run(ctx context.Context, cfg server.Config) error {
	return c.manage(ctx, cfg, func(ctx context.Context, a *access.Accounts) error { return a.Unregister(ctx, c.ID) },
		func(r *remote) error { return r.call(ctx, "DELETE", "/api/clients/"+url.PathEscape(c.ID), nil, nil) })
}
