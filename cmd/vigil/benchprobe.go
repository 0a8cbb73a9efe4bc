package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

// probeQueryable publishes messages whose value is their number and asks the API for the patient's newest numbers until
// it answers with that value: the time from publish to queryable as a reader meets it, the reading included.
func probeQueryable(ctx context.Context, h *benchHouse, gateway, device int) (spread, error) {
	var took latencies
	acked := make(chan struct{}, 1)
	conn, err := sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: h.ward.Gateways[gateway], Token: h.ward.Tokens[gateway], Window: 1,
		Acked: func(uint64, time.Time) { acked <- struct{}{} }})
	if err != nil {
		return spread{}, err
	}
	defer conn.Close()
	id := h.ward.Devices[device]
	for n := 0; ctx.Err() == nil; n++ {
		value := float64(60 + n%30)
		sent := time.Now()
		conn.Publish("vigil/"+id+"/data", fmt.Appendf(nil, `{"ts":%d,"hr":%g}`, sent.UnixMilli(), value), 0, sent)
		if err := conn.Flush(); err != nil {
			return spread{}, err
		}
		select {
		case <-acked: // what is not acknowledged yet need not be asked for
		case <-ctx.Done():
			return took.spread(), nil
		}
		ok, err := untilQueryable(ctx, h, id, sent.UnixMilli(), value)
		if err != nil {
			return spread{}, err
		}
		if ok {
			took.add(time.Since(sent))
		}
		time.Sleep(20 * time.Millisecond)
	}
	return took.spread(), nil
}

func untilQueryable(ctx context.Context, h *benchHouse, patient string, at int64, value float64) (bool, error) {
	for {
		var numbers []struct {
			Metric vigil.Metric `json:"metric"`
			Value  float64      `json:"value"`
			TimeMS int64        `json:"time_ms"`
		}
		if err := h.get(ctx, "/api/patients/"+patient+"/numbers", &numbers); err != nil {
			if ctx.Err() != nil {
				return false, nil
			}
			return false, err
		}
		for _, n := range numbers {
			if n.Metric == "heart-rate" && n.TimeMS == at && n.Value == value {
				return true, nil
			}
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return false, nil
		}
	}
}

const checkedDevices = 20

// check counts the stored values of some devices and compares them with what was acknowledged: everything that was sent.
func (l *load) check(ctx context.Context) (checked, missing int, err error) {
	for i, s := range l.senders {
		if i >= checkedDevices {
			break
		}
		want, have := int(s.count[0])*min(l.spec.values, 5)*max(l.spec.batch, 1), 0
		id := l.house.ward.Devices[l.spec.first+i]
		for from := l.began.Add(-checkSlice); from.Before(time.Now().Add(checkSlice)); from = from.Add(checkSlice) {
			n, err := l.stored(ctx, id, from, from.Add(checkSlice))
			if err != nil {
				return checked, missing, err
			}
			have += n
		}
		checked, missing = checked+want, missing+max(want-have, 0)
	}
	return checked, missing, nil
}

const (
	checkPoints = 5000
	checkSlice  = 4 * time.Second // a point is then shorter than the millisecond that parts two values
)

// stored counts the values of a patient's five load metrics in [from, to).
func (l *load) stored(ctx context.Context, patient string, from, to time.Time) (n int, err error) {
	q := url.Values{"from_ms": {fmt.Sprint(from.UnixMilli())}, "to_ms": {fmt.Sprint(to.UnixMilli())}, "points": {fmt.Sprint(checkPoints)},
		"metrics": {"heart-rate,spo2,respiratory-rate,bp-systolic,bp-diastolic"}}
	var trend struct {
		Series []struct {
			Points [][4]float64 `json:"points"`
		} `json:"series"`
	}
	if err := l.house.get(ctx, "/api/patients/"+patient+"/trend?"+q.Encode(), &trend); err != nil {
		return 0, err
	}
	for _, s := range trend.Series {
		n += len(s.Points)
	}
	return n, nil
}
