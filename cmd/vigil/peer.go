package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/peer"
	"github.com/vigil-health/vigil/internal/server"
)

// peerCmd looks after other FHIR servers that records go to and come from.
type peerCmd struct {
	List  peerListCmd  `cmd:"" help:"Show the peers of a running Vigil: what goes through, what waits and why."`
	Test  peerTestCmd  `cmd:"" help:"Try step by step what an exchange with a peer of the configuration needs."`
	Key   peerKeyCmd   `cmd:"" help:"Print the public keys to hand to other servers, and make the first one when there is none."`
	Retry peerRetryCmd `cmd:"" help:"Have a running Vigil try again now what waits for a peer, or was refused."`
}

type peerListCmd struct {
	remoteFlags `embed:""`
	Queue       string `help:"List what waits for this peer too." placeholder:"NAME"`
}

// Run implements the command.
func (c *peerListCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "engineer")
	if err != nil {
		return err
	}
	var list []peer.State
	if err := r.call(ctx, "GET", "/api/peers", nil, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Println("no peers: name them under peers in vigil.yaml")
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, s := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", okWord(s.OK), s.Name, s.URL, s.Text)
	}
	if c.Queue != "" {
		var items []peer.Item
		if err := r.call(ctx, "GET", "/api/peers/"+c.Queue+"/queue", nil, &items); err != nil {
			return err
		}
		for _, it := range items {
			state := "waits"
			if it.Dead {
				state = "refused"
			}
			fmt.Fprintf(w, "%s\t%s\ttried %d times\t%s\n", state, it.Key, it.Tries, it.Error)
		}
	}
	return w.Flush()
}

func okWord(ok bool) string {
	if ok {
		return "ok"
	}
	return "TROUBLE"
}

type peerTestCmd struct {
	Data string `help:"Data directory, where the key is." placeholder:"DIR" env:"VIGIL_DATA_DIR"`
	Name string `arg:"" help:"Name of the peer under peers in the configuration."`
}

// Run implements the command.
func (c *peerTestCmd) Run(ctx context.Context, cfg server.Config) error {
	if c.Data != "" {
		cfg.Data = c.Data
	}
	steps, err := server.TestPeer(ctx, cfg, c.Name)
	if err != nil {
		return err
	}
	var bad []string
	for _, s := range steps {
		fmt.Printf("%-8s %-18s %s\n", okWord(s.OK), s.Name, s.Text)
		if !s.OK {
			bad = append(bad, s.Name)
		}
	}
	if len(bad) > 0 {
		return vigil.Errorf(vigil.Unavailable, "peer.test", "%s does not work yet: %s", c.Name, strings.Join(bad, ", "))
	}
	return nil
}

type peerKeyCmd struct {
	Data string `help:"Data directory, where the keys are kept." placeholder:"DIR" env:"VIGIL_DATA_DIR"`
	New  bool   `help:"Make a new key to sign with; older ones are shown on until --drop."`
	Drop bool   `help:"With --new: forget the older keys."`
	Alg  string `help:"Algorithm of a new key." enum:"ES384,RS384" default:"ES384"`
}

// Run implements the command. The set of public keys alone goes to the standard output.
func (c *peerKeyCmd) Run(cfg server.Config) error {
	if c.Data != "" {
		cfg.Data = c.Data
	}
	set, err := server.PeerKeys(cfg)
	if err == nil && (c.New || !strings.Contains(string(set), `"kid"`)) {
		if set, err = server.NewPeerKey(cfg, c.Alg, c.Drop); err == nil {
			fmt.Fprintf(os.Stderr, "a new %s key is kept in %s; a running Vigil signs with it after its next start. Hand this set, or the address /.well-known/jwks.json, to the other server:\n", c.Alg, cfg.Data)
		}
	}
	if err == nil {
		fmt.Println(string(set))
	}
	return err
}

type peerRetryCmd struct {
	remoteFlags `embed:""`
	Name        string `arg:"" help:"Name of the peer."`
	Key         string `arg:"" optional:"" help:"What to try again, from vigil peer list --queue; everything without it."`
}

// Run implements the command.
func (c *peerRetryCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "engineer")
	if err != nil {
		return err
	}
	var out struct{ Retried int }
	if err := r.call(ctx, "POST", "/api/peers/"+c.Name+"/retry", map[string]string{"key": c.Key}, &out); err != nil {
		return err
	}
	fmt.Printf("%d are tried again now\n", out.Retried)
	return nil
}
