package relational

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Frames of the journal -wal (SQLite file format 4.1): a header of 32 bytes, then frames of a header of 24 and a page. A
// frame counts when its salts are the header's and its sum fits to all before it. SQLite ends its reading at the first one
// that does not, without a word; readJournal tells an end from damage.
const (
	journalHead = 32
	frameHead   = 24
	frameSize   = frameHead + pageSize
)

// readJournal looks at the journal of a database that nobody has open and says in plain words what of it SQLite will
// leave out although it was written; "" when nothing is.
func readJournal(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, journalHead)
	if _, err := io.ReadFull(f, head); err != nil {
		return "", nil // not one whole frame: nothing was acknowledged out of it
	}
	s, ok := newSums(head)
	if !ok {
		info, err := f.Stat()
		if err != nil || info.Size() < journalHead+frameSize {
			return "", err
		}
		return "the head of the record store's journal is damaged; what was written since it last was folded into records.db is left out", nil
	}
	frame := make([]byte, frameSize)
	for good := 0; ; good++ {
		if _, err := io.ReadFull(f, frame); err != nil {
			return "", nil // the end of the file is the end of the journal
		}
		if s.next(frame) {
			continue
		}
		for number := good + 1; ; { // behind the end lie frames of earlier rounds, unless the one at the end is damaged
			if s.mine(frame) {
				return fmt.Sprintf("the record store's journal is damaged at frame %d; what was written from there on is left out. "+
					"After a loss of power this may be a write that nobody was told of; else restore from a backup what is missing", number), nil
			}
			if _, err := io.ReadFull(f, frame); err != nil {
				return "", nil
			}
		}
	}
}

// sums follows the running sum of a journal.
type sums struct {
	order binary.ByteOrder
	salt  [2]uint32
	a, b  uint32
}

// newSums returns false when the head is not one or its sum is wrong.
func newSums(head []byte) (*sums, bool) {
	s := &sums{order: binary.LittleEndian, salt: [2]uint32{binary.BigEndian.Uint32(head[16:]), binary.BigEndian.Uint32(head[20:])}}
	switch binary.BigEndian.Uint32(head) {
	case 0x377f0682:
	case 0x377f0683:
		s.order = binary.BigEndian
	default:
		return s, false
	}
	s.add(head[:24])
	return s, s.a == binary.BigEndian.Uint32(head[24:]) && s.b == binary.BigEndian.Uint32(head[28:]) && binary.BigEndian.Uint32(head[8:]) == pageSize
}

// add is the sum of the file format, section 4.2.
func (s *sums) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.a += s.order.Uint32(b) + s.b
		s.b += s.order.Uint32(b[4:]) + s.a
	}
}

// next takes the frame into the sum and says whether it is good.
func (s *sums) next(frame []byte) bool {
	if !s.salted(frame, 0) || !s.salted(frame, 1) {
		return false
	}
	was := *s
	s.add(frame[:8])
	s.add(frame[frameHead:])
	if s.a != binary.BigEndian.Uint32(frame[16:]) || s.b != binary.BigEndian.Uint32(frame[20:]) {
		*s = was
		return false
	}
	return true
}

func (s *sums) salted(frame []byte, i int) bool {
	return binary.BigEndian.Uint32(frame[8+4*i:]) == s.salt[i]
}

// mine says whether a frame was written in this round of the journal: earlier rounds have both salts different.
func (s *sums) mine(frame []byte) bool { return s.salted(frame, 0) || s.salted(frame, 1) }
