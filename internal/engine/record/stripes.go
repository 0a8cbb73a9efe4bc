package record

import (
	"hash/maphash"
	"sync"
)

// stripes lets the writers of one resource wait for each other instead of losing against each other's versions;
// another process is still met by Conflict and another attempt.
type stripes struct {
	once sync.Once
	seed maphash.Seed
	mu   [256]sync.Mutex
}

// lock takes the locks of all updates and deletions in one order, so that two batches cannot block each other.
func (s *stripes) lock(writes []Write) (unlock func()) {
	s.once.Do(func() { s.seed = maphash.MakeSeed() })
	var want [256]bool
	for _, w := range writes {
		if w.Op != OpCreate {
			want[maphash.String(s.seed, w.Type+"/"+w.ID)%256] = true
		}
	}
	for i := range want {
		if want[i] {
			s.mu[i].Lock()
		}
	}
	return func() {
		for i := range want {
			if want[i] {
				s.mu[i].Unlock()
			}
		}
	}
}
