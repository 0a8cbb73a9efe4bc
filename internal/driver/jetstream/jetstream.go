// Package jetstream keeps the telemetry log in a stream of NATS JetStream, so that it outlives the machine.
//
// An offset is the sequence of a message in the stream; nobody else may write to it, and every append says which sequence
// it expects. What an erasure puts in a record's place stands in a second stream under the offset, since messages cannot be
// changed. The servers must run with sync_interval: always, or an acknowledgement promises nothing. The package holds no
// series (driver/pebble). Start at OpenLog.
package jetstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	stream "github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Config says which servers and which stream.
type Config struct {
	URL         string        // nats://host:4222 or tls://…, several separated by commas
	Stream      string        // default VIGIL_LOG; its replaced records are in <Stream>_REPLACED
	Replicas    int           // 1 or 3, default 1; of an existing stream it is not changed
	Credentials string        // file made by nsc, "" for none
	CA          string        // file with the authority of the servers' certificates, "" for the system's
	Patience    time.Duration // how long an append waits for a server, default 10 s
	Name        string        // of this connection, for the servers' operators
}

// minPayload is what the servers must take in one message: a batch of the store with one large report.
const minPayload = 4 << 20

func (c *Config) fill() error {
	if c.Stream == "" {
		c.Stream = "VIGIL_LOG"
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Patience <= 0 {
		c.Patience = 10 * time.Second
	}
	if c.URL == "" || strings.ContainsAny(c.Stream, ". *>\t/\\") || !slices.Contains([]int{1, 3, 5}, c.Replicas) {
		return vigil.Errorf(vigil.Invalid, op, "a log needs the URL of a NATS server, a stream name without dots, and 1, 3 or 5 replicas")
	}
	return nil
}

const op = "telemetry.log"

// Log is a telemetry.Log in a stream.
type Log struct {
	cfg         Config
	conn        *nats.Conn
	js          stream.JetStream
	main, aside stream.Stream
	first, next atomic.Uint64
	bytes       atomic.Int64
	lost        atomic.Uint64
	fault       atomic.Pointer[vigil.Error]
	closed      atomic.Bool

	mu       sync.RWMutex
	replaced []uint64 // offsets whose record stands aside, ascending
}

var _ telemetry.Log = (*Log)(nil)

// OpenLog connects and makes the streams where they are missing. It returns Unavailable when no server answers and Invalid
// when they cannot keep a log.
func OpenLog(ctx context.Context, cfg Config) (_ *Log, err error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg}
	defer func() {
		if err != nil && l.conn != nil {
			l.conn.Close()
		}
	}()
	if err := l.connect(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*cfg.Patience)
	defer cancel()
	if l.main, err = l.stream(ctx, stream.StreamConfig{Name: cfg.Stream, Subjects: []string{l.subject()}}); err != nil {
		return nil, err
	}
	if l.aside, err = l.stream(ctx, stream.StreamConfig{Name: cfg.Stream + "_REPLACED", Subjects: []string{l.asideSubject("*")}}); err != nil {
		return nil, err
	}
	return l, l.look(ctx)
}

func (l *Log) connect() (err error) {
	options := []nats.Option{nats.Name(l.cfg.Name), nats.MaxReconnects(-1), nats.ReconnectWait(500 * time.Millisecond), nats.Timeout(l.cfg.Patience)}
	if l.cfg.Credentials != "" {
		options = append(options, nats.UserCredentials(l.cfg.Credentials))
	}
	if l.cfg.CA != "" {
		options = append(options, nats.RootCAs(l.cfg.CA))
	}
	if l.conn, err = nats.Connect(l.cfg.URL, options...); err != nil {
		return vigil.Errorf(vigil.Unavailable, op, "no NATS server answers at %s: %w", l.address(), err)
	}
	if n := l.conn.MaxPayload(); n < minPayload {
		return vigil.Errorf(vigil.Invalid, op, "the NATS servers take messages of %d bytes; set max_payload to at least %d there", n, minPayload)
	}
	l.js, err = stream.New(l.conn, stream.WithDefaultTimeout(l.cfg.Patience))
	return err
}

// address is the URL without a password in it.
func (l *Log) address() string {
	list := strings.Split(l.cfg.URL, ",")
	for i, u := range list {
		scheme, rest, there := strings.Cut(u, "://")
		if !there {
			scheme, rest = "nats", u
		}
		list[i] = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
	}
	return strings.Join(list, ",")
}

func (l *Log) subject() string { return "vigil." + l.cfg.Stream }

func (l *Log) asideSubject(offset string) string {
	return "vigil." + l.cfg.Stream + "_REPLACED." + offset
}

// stream makes a stream or takes the one that is there, after a look at what it would do to the records.
func (l *Log) stream(ctx context.Context, c stream.StreamConfig) (stream.Stream, error) {
	c.Storage, c.Retention, c.Discard, c.Replicas = stream.FileStorage, stream.LimitsPolicy, stream.DiscardNew, l.cfg.Replicas
	c.AllowDirect, c.Description = false, "telemetry of Vigil; written by Vigil alone"
	s, err := l.js.Stream(ctx, c.Name)
	if errors.Is(err, stream.ErrStreamNotFound) {
		s, err = l.js.CreateStream(ctx, c)
	}
	if err != nil {
		return nil, l.wrap(err)
	}
	have := s.CachedInfo().Config
	if have.Storage != stream.FileStorage || have.Retention != stream.LimitsPolicy || have.MaxAge != 0 || have.MaxMsgs > 0 || have.MaxBytes > 0 && have.Discard != stream.DiscardNew ||
		have.DenyDelete || have.DenyPurge || !slices.Equal(have.Subjects, c.Subjects) || have.MaxMsgsPerSubject > 0 {
		return nil, vigil.Errorf(vigil.Invalid, op, "the stream %s is no log of Vigil's, or would drop records by itself; give Vigil a stream of its own", c.Name)
	}
	return s, nil
}

// look reads the bounds, and does what a crash left of a replacement: the record that was replaced goes.
func (l *Log) look(ctx context.Context) error {
	info, err := l.main.Info(ctx, stream.WithDeletedDetails(true))
	if err != nil {
		return l.wrap(err)
	}
	l.bounds(info.State)
	aside, err := l.aside.Info(ctx, stream.WithSubjectFilter(l.asideSubject("*")))
	if err != nil {
		return l.wrap(err)
	}
	for subject, n := range aside.State.Subjects {
		if err := l.keepNewest(ctx, subject, n); err != nil {
			return err
		}
		offset, err := strconv.ParseUint(subject[strings.LastIndexByte(subject, '.')+1:], 10, 64)
		if err == nil {
			l.replaced = append(l.replaced, offset)
		}
	}
	slices.Sort(l.replaced)
	for _, offset := range l.replaced {
		if offset < info.State.FirstSeq || offset > info.State.LastSeq || slices.Contains(info.State.Deleted, offset) {
			continue
		}
		if err := erase(ctx, l.main, offset); err != nil {
			return l.wrap(err)
		}
	}
	if len(l.replaced) > 0 { // the first messages of the stream may have been replaced
		l.first.Store(min(l.first.Load(), l.replaced[0]))
	}
	return nil
}

// keepNewest erases all but the newest of n messages under the subject: an interrupted second replacement leaves two.
func (l *Log) keepNewest(ctx context.Context, subject string, n uint64) error {
	for seq := uint64(1); n > 1; n-- {
		msg, err := l.aside.GetMsg(ctx, seq, stream.WithGetMsgSubject(subject))
		if err != nil {
			return l.wrap(err)
		}
		if err := erase(ctx, l.aside, msg.Sequence); err != nil {
			return l.wrap(err)
		}
		seq = msg.Sequence + 1
	}
	return nil
}

func (l *Log) bounds(s stream.StreamState) {
	l.next.Store(s.LastSeq + 1)
	l.first.Store(max(min(s.FirstSeq, s.LastSeq+1), 1))
	l.bytes.Store(int64(s.Bytes))
}

func (l *Log) wrap(err error) *vigil.Error {
	return vigil.Errorf(vigil.Unavailable, op, "the NATS stream %s: %w", l.cfg.Stream, err)
}

func (l *Log) enter() error {
	if l.closed.Load() {
		return vigil.Errorf(vigil.Unavailable, op, "closed")
	}
	return nil
}

// writable is enter for what changes the log.
func (l *Log) writable() error {
	if f := l.fault.Load(); f != nil {
		return f
	}
	return l.enter()
}

func (l *Log) fail(err error) error {
	f := l.wrap(err)
	l.fault.CompareAndSwap(nil, f)
	return l.fault.Load()
}

// A message is: version 1, At, CRC32C of offset, At and data, data. Numbers are big-endian.
const (
	version  = 1
	headSize = 1 + 8 + 4
)

func sum(offset uint64, at int64, data []byte) uint32 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], offset)
	binary.BigEndian.PutUint64(b[8:], uint64(at))
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(b[:], table), table, data)
}

func encode(offset uint64, at int64, data []byte) []byte {
	b := append(make([]byte, 0, headSize+len(data)), version)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = binary.BigEndian.AppendUint32(b, sum(offset, at, data))
	return append(b, data...)
}

// decode returns false for what is not as it was written under the offset.
func decode(offset uint64, b []byte) (r telemetry.Record, ok bool) {
	if len(b) < headSize || b[0] != version {
		return r, false
	}
	r = telemetry.Record{Offset: offset, At: int64(binary.BigEndian.Uint64(b[1:])), Data: b[headSize:]}
	return r, binary.BigEndian.Uint32(b[9:]) == sum(offset, r.At, r.Data)
}

// publish writes one message and returns once the servers have it on disk. While no server leads the stream, nobody takes it
// and it is offered again; every other failure is final, because the message may be there.
func (l *Log) publish(ctx context.Context, subject string, data []byte, opts ...stream.PublishOpt) (*stream.PubAck, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.Patience)
	defer cancel()
	const pause = 250 * time.Millisecond
	opts = append(opts, stream.WithRetryWait(pause), stream.WithRetryAttempts(int(l.cfg.Patience/pause)))
	return l.js.Publish(ctx, subject, data, opts...)
}

// Append writes one record. The sequence that it expects keeps a second writer, and a message that arrives twice, out.
func (l *Log) Append(ctx context.Context, at int64, data []byte) (uint64, error) {
	if err := l.writable(); err != nil {
		return 0, err
	}
	offset := l.next.Load()
	ack, err := l.publish(ctx, l.subject(), encode(offset, at, data), stream.WithExpectStream(l.cfg.Stream), stream.WithExpectLastSequence(offset-1))
	if err != nil {
		return 0, l.fail(err)
	}
	if ack.Sequence != offset {
		return 0, l.fail(fmt.Errorf("a record got number %d instead of %d: somebody else writes to the stream", ack.Sequence, offset))
	}
	l.next.Store(offset + 1)
	l.bytes.Add(int64(len(data)) + headSize)
	return offset, nil
}

// Replace puts the record aside, then overwrites the message that it replaces.
func (l *Log) Replace(ctx context.Context, r telemetry.Record) error {
	if err := l.writable(); err != nil {
		return err
	}
	if r.Offset < l.first.Load() || r.Offset >= l.next.Load() {
		return vigil.Errorf(vigil.NotFound, op, "no record %d", r.Offset)
	}
	subject := l.asideSubject(strconv.FormatUint(r.Offset, 10))
	before, err := l.aside.GetLastMsgForSubject(ctx, subject)
	if err != nil && !gone(err) {
		return l.wrap(err)
	}
	if _, err := l.publish(ctx, subject, encode(r.Offset, r.At, r.Data), stream.WithExpectStream(l.cfg.Stream+"_REPLACED")); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	if i, there := slices.BinarySearch(l.replaced, r.Offset); !there {
		l.replaced = slices.Insert(l.replaced, i, r.Offset)
	}
	l.mu.Unlock()
	if before != nil {
		if err := erase(ctx, l.aside, before.Sequence); err != nil {
			return l.fail(err)
		}
	}
	if err := erase(ctx, l.main, r.Offset); err != nil {
		return l.fail(err)
	}
	return nil
}

// erase overwrites a message, unless it is gone already.
func erase(ctx context.Context, s stream.Stream, seq uint64) error {
	err := s.SecureDeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, missing := s.GetMsg(ctx, seq); gone(missing) {
		return nil
	}
	return err
}

// gone says that there is no such message.
func gone(err error) bool { return errors.Is(err, stream.ErrMsgNotFound) }

// Truncate purges what stands aside before the offset, then the stream: so that what is found aside at a start always counts.
func (l *Log) Truncate(ctx context.Context, before uint64) error {
	if err := l.writable(); err != nil {
		return err
	}
	before = min(before, l.next.Load())
	if before <= l.first.Load() {
		return nil
	}
	l.mu.Lock()
	i, _ := slices.BinarySearch(l.replaced, before)
	old := slices.Clone(l.replaced[:i])
	l.replaced = slices.Delete(l.replaced, 0, i)
	l.mu.Unlock()
	for _, offset := range old {
		if err := l.aside.Purge(ctx, stream.WithPurgeSubject(l.asideSubject(strconv.FormatUint(offset, 10)))); err != nil {
			return l.fail(err)
		}
	}
	if err := l.main.Purge(ctx, stream.WithPurgeSequence(before)); err != nil {
		return l.fail(err)
	}
	l.first.Store(before)
	if info, err := l.main.Info(ctx); err == nil {
		l.bytes.Store(int64(info.State.Bytes))
	}
	return nil
}

// Stats says what the log holds, as far as this process knows.
func (l *Log) Stats() telemetry.LogStats {
	s := telemetry.LogStats{First: l.first.Load(), Next: l.next.Load(), Bytes: l.bytes.Load(), Lost: l.lost.Load()}
	if f := l.fault.Load(); f != nil {
		s.Fault = f
	} else if !l.closed.Load() && !l.conn.IsConnected() {
		s.Trouble = "the connection to NATS is broken and is being made again"
	}
	return s
}

// Close ends the connection.
func (l *Log) Close() error {
	if !l.closed.Swap(true) {
		l.conn.Close()
	}
	return nil
}
