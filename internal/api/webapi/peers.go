package webapi

import (
	"context"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/peer"
)

// Peers is the desk that exchanges records with other servers: peer.Desk, whose documentation holds.
type Peers interface {
	State(ctx context.Context) ([]peer.State, error)
	List(ctx context.Context, name string) ([]peer.Item, error)
	Retry(ctx context.Context, name, key string) (int, error)
}

// peerStates are the other servers, none where none is configured.
func (a *API) peerStates(ctx context.Context) ([]peer.State, error) {
	if a.cfg.Peers == nil {
		return []peer.State{}, nil
	}
	return a.cfg.Peers.State(ctx)
}

func (a *API) peers(c *call) (any, error) { return a.peerStates(c.ctx) }

// peerQueue lists what waits for a peer, what was refused for good first.
func (a *API) peerQueue(c *call) (any, error) {
	if a.cfg.Peers == nil {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.peers", "there are no peers here")
	}
	return a.cfg.Peers.List(c.ctx, c.r.PathValue("name"))
}

// retryPeer tries one item again now, or all of a peer.
func (a *API) retryPeer(c *call) (any, error) {
	var in struct {
		Key string `json:"key"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if a.cfg.Peers == nil {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.peers", "there are no peers here")
	}
	n, err := a.cfg.Peers.Retry(c.ctx, c.r.PathValue("name"), in.Key)
	return map[string]int{"retried": n}, err
}
