package relational

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/peer"
)

// PeerQueue returns what peers shall have.
func (db *DB) PeerQueue() peer.Queue { return peerQueue{db} }

// PeerLinks returns what is the same here and at peers.
func (db *DB) PeerLinks() peer.Links { return peerLinks{db} }

type peerQueue struct{ db *DB }

// Enqueue implements peer.Queue.
func (q peerQueue) Enqueue(ctx context.Context, name string, items []peer.Item, mark, at string) error {
	return q.db.Write(ctx, func(tx *Tx) error {
		var seq int64
		if err := tx.QueryRow(`SELECT COALESCE(MAX(seq), 0) FROM peer_item WHERE peer = ?`, name).Scan(&seq); err != nil {
			return err
		}
		for i, it := range items {
			_, err := tx.Exec(`INSERT INTO peer_item (peer, key, seq, added, due, tries, error, dead) VALUES (?,?,?,?,?,?,?,?)
				ON CONFLICT (peer, key) DO UPDATE SET gen = peer_item.gen + 1, due = excluded.due, tries = excluded.tries, error = excluded.error, dead = excluded.dead,
				added = CASE WHEN peer_item.dead = 1 THEN excluded.added ELSE peer_item.added END`,
				name, it.Key, seq+int64(i)+1, it.Added.UnixNano(), it.Due.UnixNano(), it.Tries, it.Error, oneIf(it.Dead))
			if err != nil {
				return err
			}
		}
		if mark == "" {
			return nil
		}
		return putMark(tx, name, mark, at)
	})
}

func putMark(tx *Tx, name, mark, at string) error {
	_, err := tx.Exec(`INSERT INTO peer_mark (peer, name, at) VALUES (?,?,?) ON CONFLICT (peer, name) DO UPDATE SET at = excluded.at`, name, mark, at)
	return err
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Next implements peer.Queue.
func (q peerQueue) Next(ctx context.Context, name string, now time.Time, limit int) ([]peer.Item, error) {
	return q.items(ctx, `SELECT peer, key, gen, added, due, tries, error, dead FROM peer_item WHERE peer = ? AND dead = 0 AND due <= ? ORDER BY seq LIMIT ?`, name, now.UnixNano(), limit)
}

// List implements peer.Queue.
func (q peerQueue) List(ctx context.Context, name string, limit int) ([]peer.Item, error) {
	return q.items(ctx, `SELECT peer, key, gen, added, due, tries, error, dead FROM peer_item WHERE peer = ? ORDER BY dead DESC, seq LIMIT ?`, name, limit)
}

func (q peerQueue) items(ctx context.Context, query string, args ...any) ([]peer.Item, error) {
	rows, err := q.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []peer.Item{}
	for rows.Next() {
		var it peer.Item
		var added, due, dead int64
		if err := rows.Scan(&it.Peer, &it.Key, &it.Gen, &added, &due, &it.Tries, &it.Error, &dead); err != nil {
			return nil, err
		}
		it.Added, it.Due, it.Dead = time.Unix(0, added).UTC(), time.Unix(0, due).UTC(), dead == 1
		out = append(out, it)
	}
	return out, rows.Err()
}

// Done implements peer.Queue.
func (q peerQueue) Done(ctx context.Context, it peer.Item) error {
	return q.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`DELETE FROM peer_item WHERE peer = ? AND key = ? AND gen = ?`, it.Peer, it.Key, it.Gen)
		return err
	})
}

// Failed implements peer.Queue.
func (q peerQueue) Failed(ctx context.Context, it peer.Item) error {
	return q.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE peer_item SET tries = ?, due = ?, error = ?, dead = ? WHERE peer = ? AND key = ? AND gen = ?`,
			it.Tries, it.Due.UnixNano(), it.Error, oneIf(it.Dead), it.Peer, it.Key, it.Gen)
		return err
	})
}

// Count implements peer.Queue.
func (q peerQueue) Count(ctx context.Context, name string) (waiting, dead int, oldest time.Time, err error) {
	var first int64
	row := q.db.Read().QueryRowContext(ctx, `SELECT COUNT(CASE WHEN dead = 0 THEN 1 END), COUNT(CASE WHEN dead = 1 THEN 1 END), COALESCE(MIN(CASE WHEN dead = 0 THEN added ELSE NULL END), 0) FROM peer_item WHERE peer = ?`, name)
	if err := row.Scan(&waiting, &dead, &first); err != nil {
		return 0, 0, oldest, err
	}
	if first != 0 {
		oldest = time.Unix(0, first).UTC()
	}
	return waiting, dead, oldest, nil
}

// Retry implements peer.Queue. What is tried anew gets the whole time again.
func (q peerQueue) Retry(ctx context.Context, name, key string, now time.Time) (n int, err error) {
	err = q.db.Write(ctx, func(tx *Tx) error {
		query, args := `UPDATE peer_item SET dead = 0, tries = 0, due = ?, added = ?, gen = gen + 1 WHERE peer = ?`, []any{now.UnixNano(), now.UnixNano(), name}
		if key != "" {
			query, args = query+` AND key = ?`, append(args, key)
		}
		res, err := tx.Exec(query, args...)
		if err != nil {
			return err
		}
		count, err := res.RowsAffected()
		n = int(count)
		return err
	})
	return n, err
}

type peerLinks struct{ db *DB }

// Local implements peer.Links.
func (b peerLinks) Local(ctx context.Context, name, local string) (peer.Link, error) {
	return b.link(ctx, `SELECT peer, local, remote, version, own FROM peer_link WHERE peer = ? AND local = ?`, name, local)
}

// Remote implements peer.Links.
func (b peerLinks) Remote(ctx context.Context, name, remote string) (peer.Link, error) {
	return b.link(ctx, `SELECT peer, local, remote, version, own FROM peer_link WHERE peer = ? AND remote = ?`, name, remote)
}

func (b peerLinks) link(ctx context.Context, query, name, end string) (l peer.Link, err error) {
	var own int64
	err = b.db.Read().QueryRowContext(ctx, query, name, end).Scan(&l.Peer, &l.Local, &l.Remote, &l.Version, &own)
	if errors.Is(err, sql.ErrNoRows) {
		return l, vigil.Errorf(vigil.NotFound, "relational.peer", "%s is not linked", end)
	}
	l.Own = own == 1
	return l, err
}

// Put implements peer.Links.
func (b peerLinks) Put(ctx context.Context, l peer.Link) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`DELETE FROM peer_link WHERE peer = ? AND (local = ? OR remote = ?)`, l.Peer, l.Local, l.Remote); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO peer_link (peer, local, remote, version, own) VALUES (?,?,?,?,?)`, l.Peer, l.Local, l.Remote, l.Version, oneIf(l.Own))
		return err
	})
}

// Drop implements peer.Links.
func (b peerLinks) Drop(ctx context.Context, name, local string) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`DELETE FROM peer_link WHERE peer = ? AND local = ?`, name, local)
		return err
	})
}

// Mark implements peer.Links.
func (b peerLinks) Mark(ctx context.Context, name, mark string) (at string, err error) {
	err = b.db.Read().QueryRowContext(ctx, `SELECT at FROM peer_mark WHERE peer = ? AND name = ?`, name, mark).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return at, err
}

// SetMark implements peer.Links.
func (b peerLinks) SetMark(ctx context.Context, name, mark, at string) error {
	return b.db.Write(ctx, func(tx *Tx) error { return putMark(tx, name, mark, at) })
}
