package kv

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/tidwall/btree"

	"whitewater/pkg/raft/protocol"
)

// view is the state at one position. It shares its memory with the state, each of whose later changes copies what it
// touches, so taking a view costs the same however much there is.
type view struct {
	applied  protocol.Position
	now      uint64
	keys     *btree.Map[string, record]
	sessions *btree.Map[uint64, session]
}

func (s *state) view() view {
	v := view{applied: s.applied, now: s.now, keys: s.keys.Copy(), sessions: s.sessions.byID.Copy()}
	if s.mutation.Is("snap-no-sessions") {
		v.sessions.Clear()
	}
	return v
}

// View takes a view of the state, at once, and the position that it is of; write writes it, at any time, from any
// goroutine, beside later calls of Apply. Equal states are written as equal bytes, on every node.
func (m *Machine) View() (at protocol.Position, write func(io.Writer) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.state.view()
	return v.applied, v.write
}

// Snapshot is View for the replica, which knows the position.
func (m *Machine) Snapshot() (write func(io.Writer) error, err error) {
	_, write = m.View()
	return write, nil
}

func (v view) write(w io.Writer) error {
	b := newBlockWriter(w)
	for _, n := range []uint64{uint64(v.applied.Term), uint64(v.applied.Index), v.now, uint64(v.keys.Len()), uint64(v.sessions.Len())} {
		b.number(n)
	}
	v.keys.Scan(func(key string, r record) bool {
		b.number(uint64(len(key)))
		fill(b, key)
		b.number(uint64(r.revision))
		b.number(uint64(len(r.value)))
		fill(b, r.value)
		return b.err == nil
	})
	v.sessions.Scan(func(_ uint64, s session) bool {
		s.write(b)
		return b.err == nil
	})
	b.flush()
	if b.err != nil {
		return fmt.Errorf("write the state at %v: %w", v.applied, b.err)
	}
	return nil
}

func (s session) write(b *blockWriter) {
	for _, n := range []uint64{s.id, s.ttl, s.deadline, s.last} {
		b.number(n)
	}
	if s.last == 0 {
		return
	}
	fill(b, s.digest[:])
	for _, n := range []uint64{uint64(s.answer.Verdict), uint64(s.answer.Position.Term), uint64(s.answer.Position.Index), uint64(s.answer.Revision)} {
		b.number(n)
	}
}

// Restore replaces the state by that of a snapshot taken at a position, not below the one that is applied. Until the
// snapshot has been read whole and found good, and after an error, the state stays as it is. Errors: ErrGap for an older
// position, a *SnapshotError, the context's. Like Apply, it is called by one goroutine at a time.
func (m *Machine) Restore(ctx context.Context, at protocol.Position, data io.Reader) error {
	if applied := m.Applied(); at.Index < applied.Index {
		return fmt.Errorf("restore the state at %v over that at %v: %w", at, applied, ErrGap)
	}
	restored, err := readState(newBlockReader(ctx, data), at)
	if err != nil {
		return fmt.Errorf("restore the state at %v: %w", at, err)
	}
	m.replace(restored)
	m.proposals.covered(at.Index)
	return nil
}

// replace puts another state in the place of this one and wakes who waits for it.
func (m *Machine) replace(s state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.sessions.expired = m.state.sessions.expired // counts what this process saw
	s.mutation = m.state.mutation
	if s.mutation.Is("snap-merges") {
		s.adopt(&m.state)
	}
	m.state = s
	m.wakeLocked()
}

// readState reads what view.write wrote. Whatever the bytes, what it returns is a state that a log could have led to,
// as far as one can see.
func readState(b *blockReader, at protocol.Position) (state, error) {
	s := state{applied: at, sessions: newSessionTable()}
	b.number("term", uint64(at.Term), uint64(at.Term))
	b.number("index", uint64(at.Index), uint64(at.Index))
	s.now = b.number("log time", 0, math.MaxInt64)
	keys := b.number("number of keys", 0, uint64(at.Index))
	sessions := b.number("number of sessions", 0, uint64(at.Index))
	before := ""
	for ; keys > 0 && b.err == nil; keys-- {
		before = s.readKey(b, before)
	}
	var id uint64
	for ; sessions > 0 && b.err == nil; sessions-- {
		id = s.readSession(b, id)
	}
	b.end()
	return s, b.err
}

// readKey reads one key and returns it; it must come behind the one before.
func (s *state) readKey(b *blockReader, before string) string {
	start := b.at()
	key := string(b.bytes(b.number("length of a key", 1, MaxKeyBytes)))
	revision := protocol.Index(b.number("revision", 1, uint64(s.applied.Index)))
	value := b.bytes(b.number("length of a value", 0, MaxValueBytes))
	if key <= before {
		b.fail(start, "key %q comes behind %q", key, before)
	}
	if b.err == nil {
		s.keys.Load(key, record{value: value, revision: revision})
		s.bytes += int64(len(key) + len(value))
	}
	return key
}

// readSession reads one session and returns its id, which must be above the one before.
func (s *state) readSession(b *blockReader, before uint64) uint64 {
	applied := uint64(s.applied.Index)
	r := session{id: b.number("session", before+1, applied), ttl: b.number("time to live", 0, math.MaxInt64)}
	r.deadline = b.number("deadline", s.now, s.now+r.ttl)
	r.last = b.number("sequence", 0, math.MaxUint64)
	if r.last > 0 {
		copy(r.digest[:], b.bytes(uint64(len(r.digest))))
		r.answer = Result{
			Verdict: Verdict(b.number("verdict", uint64(Done), uint64(TooLarge))),
			Position: protocol.Position{
				Term:  protocol.Term(b.number("term of an answer", 0, uint64(s.applied.Term))),
				Index: protocol.Index(b.number("index of an answer", r.id, applied)),
			},
			Revision: protocol.Index(b.number("revision of an answer", 0, applied)),
			Replayed: true,
		}
	}
	if b.err == nil {
		s.sessions.put(r)
	}
	return r.id
}
