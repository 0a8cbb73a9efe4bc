package mqtt

import (
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"
)

// answers are the acknowledgements that a connection owes. They are written by a goroutine of their own while there
// are any, many in one write, in the order of the commits.
type answers struct {
	mu      sync.Mutex
	room    sync.Cond
	pending int    // publishes that wait for the disk or for their PUBACK to be written
	acks    []byte // PUBACK packets ready to be written
	writing bool
	ended   bool
}

// wait holds the reader of the connection while too many of its messages wait for the disk, and takes a place.
func (a *answers) wait(limit int) {
	a.mu.Lock()
	for a.pending >= limit && !a.ended {
		a.room.Wait()
	}
	a.pending++
	a.mu.Unlock()
}

// release gives a place back without an answer.
func (a *answers) release() {
	a.mu.Lock()
	a.pending--
	a.mu.Unlock()
	a.room.Signal()
}

// end wakes a reader that waits for room, for good.
func (a *answers) end() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	a.room.Broadcast()
}

// add owes a PUBACK. With a remaining length of 2 it means success in MQTT 3.1.1 (3.4) and 5 (3.4.2.1).
func (a *answers) add(s *session, id uint16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acks = append(a.acks, packets.Puback<<4, 2, byte(id>>8), byte(id))
	if !a.writing {
		a.writing = true
		go a.write(s)
	}
}

func (a *answers) write(s *session) {
	var buf []byte
	for {
		a.mu.Lock()
		a.pending -= len(buf) / 4
		buf, a.acks = a.acks, buf[:0]
		if len(buf) == 0 || a.ended {
			a.writing = false
			a.acks = nil // an idle connection holds none
			a.mu.Unlock()
			a.room.Signal()
			return
		}
		a.mu.Unlock()
		a.room.Signal()
		if _, err := s.conn.Write(buf); err != nil {
			s.cl.Stop(err)
		}
	}
}
