package relational

import (
	"context"
	"encoding/json"
	"runtime"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/report"
)

var _ report.Book = (*Alarms)(nil)

// eachBatch is how many alarms are decoded at once, so that reading and decoding go side by side.
const eachBatch = 256

// decoding is a batch on its way from bytes to alarms.
type decoding struct {
	bodies [][]byte
	alarms []vigil.Alarm
	err    error
	done   chan struct{}
}

// Each implements report.Book.
//
//	rows ─► batches ─┬─► decoders ─┐
//	                 └─► in order ─┴─► fn
func (b *Alarms) Each(ctx context.Context, q report.Query, fn func(a *vigil.Alarm) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers := runtime.GOMAXPROCS(0)
	todo, order := make(chan *decoding, workers), make(chan *decoding, 2*workers)
	for range workers {
		go func() {
			for d := range todo {
				d.decode()
			}
		}()
	}
	read := make(chan error, 1)
	go func() {
		defer close(order)
		defer close(todo)
		read <- b.batches(ctx, q, todo, order)
	}()
	var err error
	for d := range order {
		<-d.done
		for i := range d.alarms {
			if err == nil {
				err = fn(&d.alarms[i])
			}
		}
		if err == nil {
			err = d.err
		}
		if err != nil {
			stop()
		}
	}
	if err != nil {
		<-read
		return err
	}
	return <-read
}

// batches reads the rows and hands them on, first to who decodes, then to who waits for them.
func (b *Alarms) batches(ctx context.Context, q report.Query, todo, order chan<- *decoding) error {
	query, args := `SELECT body FROM alarm WHERE raised >= ? AND raised < ?`, []any{q.From.UnixNano(), q.To.UnixNano()}
	if q.Unit != "" {
		query, args = query+` AND unit = ?`, append(args, q.Unit)
	}
	rows, err := b.db.Read().QueryContext(ctx, query+` ORDER BY raised, id`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	d := &decoding{done: make(chan struct{})}
	hand := func() error {
		select {
		case todo <- d:
		case <-ctx.Done():
			return ctx.Err()
		}
		order <- d // the reader of order waits for it until it is closed
		d = &decoding{done: make(chan struct{})}
		return nil
	}
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return err
		}
		if d.bodies = append(d.bodies, body); len(d.bodies) < eachBatch {
			continue
		}
		if err := hand(); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return about(err, "the alarms of a report")
	}
	return hand()
}

func (d *decoding) decode() {
	defer close(d.done)
	d.alarms = make([]vigil.Alarm, len(d.bodies))
	for i, body := range d.bodies {
		if d.err = json.Unmarshal(body, &d.alarms[i]); d.err != nil {
			d.alarms = d.alarms[:i]
			return
		}
	}
}
