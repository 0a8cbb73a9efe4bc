package relational_test

import (
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/peer"
)

// The queue, links and marks of peers, and the grants of programs, on both databases.
func TestPeerStores(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.open(t)
		ctx, q, l := t.Context(), h.db.PeerQueue(), h.db.PeerLinks()
		now := time.Now().UTC().Truncate(time.Second)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		item := func(key string, due time.Time) peer.Item { return peer.Item{Key: key, Added: now, Due: due} }
		must(q.Enqueue(ctx, "ehr", []peer.Item{item("a", now), item("b", now), item("later", now.Add(time.Hour))}, "records", "7"))
		next, err := q.Next(ctx, "ehr", now, 10)
		if err != nil || len(next) != 2 || next[0].Key != "a" || next[1].Key != "b" {
			t.Fatalf("%+v, %v", next, err)
		}
		must(q.Enqueue(ctx, "ehr", []peer.Item{item("a", now)}, "", "")) // asked for again while it is sent
		must(q.Done(ctx, next[0]))
		bad := next[1]
		bad.Tries, bad.Dead, bad.Error = 1, true, "422"
		must(q.Failed(ctx, bad))
		waiting, dead, oldest, err := q.Count(ctx, "ehr")
		if err != nil || waiting != 2 || dead != 1 || !oldest.Equal(now) {
			t.Errorf("%d wait, %d dead, since %s, %v", waiting, dead, oldest, err)
		}
		if list, err := q.List(ctx, "ehr", 10); err != nil || len(list) != 3 || list[0].Key != "b" || list[0].Error != "422" {
			t.Errorf("%+v, %v", list, err)
		}
		if n, err := q.Retry(ctx, "ehr", "b", now); n != 1 || err != nil {
			t.Error(n, err)
		}
		if _, dead, _, err := q.Count(ctx, "other"); dead != 0 || err != nil {
			t.Error(dead, err)
		}
		if at, err := l.Mark(ctx, "ehr", "records"); at != "7" || err != nil {
			t.Error(at, err)
		}
		must(l.Put(ctx, peer.Link{Peer: "ehr", Local: "Patient/x", Remote: "Patient/1", Own: true}))
		must(l.Put(ctx, peer.Link{Peer: "ehr", Local: "Patient/y", Remote: "Patient/1"})) // of both ends one link stays
		if _, err := l.Local(ctx, "ehr", "Patient/x"); vigil.KindOf(err) != vigil.NotFound {
			t.Error(err)
		}
		if got, err := l.Remote(ctx, "ehr", "Patient/1"); err != nil || got.Local != "Patient/y" || got.Own {
			t.Errorf("%+v, %v", got, err)
		}
		spend := access.Assertion{JTI: "1", Until: now.Add(time.Minute), Now: now}
		grant := access.Grant{Client: "c", Scopes: []access.Scope{{Type: "*", Read: true}}, Expires: now.Add(time.Minute)}
		must(h.db.Clients().Grant(ctx, [32]byte{1}, grant, spend))
		if err := h.db.Clients().Grant(ctx, [32]byte{2}, grant, spend); vigil.KindOf(err) != vigil.Conflict {
			t.Errorf("the same assertion twice: %v", err)
		}
		if g, err := h.db.Clients().Granted(ctx, [32]byte{1}); err != nil || access.JoinScopes(g.Scopes) != "system/*.read" || !g.Expires.Equal(grant.Expires) {
			t.Errorf("%+v, %v", g, err)
		}
	})
}
