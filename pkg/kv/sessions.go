package kv

import (
	"crypto/sha256"

	"github.com/tidwall/btree"
)

// session remembers a client's last write, so that a repeat of it takes no second effect (§8, thesis §6.3).
type session struct {
	id       uint64 // index of the entry that created it
	ttl      uint64 // milliseconds of log time
	deadline uint64 // log time from which it is expired
	last     uint64 // sequence number of the last write; 0: none yet
	digest   [sha256.Size]byte
	answer   Result
}

func (s *session) remember(c Command, answer Result) {
	s.last, s.digest, s.answer = c.Sequence, c.digest(), answer
	s.answer.Replayed = true
}

// sessionTable holds the live sessions. Each takes a fixed number of bytes, so their number bounds them.
type sessionTable struct {
	byID       map[uint64]*session
	byDeadline *btree.BTreeG[*session]
	expired    uint64 // sessions expired so far
}

func newSessionTable() sessionTable {
	earlier := func(a, b *session) bool {
		return a.deadline < b.deadline || a.deadline == b.deadline && a.id < b.id
	}
	return sessionTable{
		byID:       map[uint64]*session{},
		byDeadline: btree.NewBTreeGOptions(earlier, btree.Options{NoLocks: true}),
	}
}

// expire drops the sessions whose deadline log time has reached.
func (t *sessionTable) expire(now uint64) {
	for {
		first, ok := t.byDeadline.Min()
		if !ok || first.deadline > now {
			return
		}
		t.drop(first)
		t.expired++
	}
}

func (t *sessionTable) create(id, now uint64, c Command) Result {
	if uint64(len(t.byID)) >= c.Limit {
		return Result{Verdict: SessionsFull}
	}
	s := &session{id: id, ttl: c.TTL, deadline: now + c.TTL}
	t.byID[id] = s
	t.byDeadline.Set(s)
	return Result{}
}

func (t *sessionTable) delete(id uint64) Result {
	s, ok := t.byID[id]
	if !ok {
		return Result{Verdict: SessionGone}
	}
	t.drop(s)
	return Result{}
}

func (t *sessionTable) drop(s *session) {
	delete(t.byID, s.id)
	t.byDeadline.Delete(s)
}

// admit returns the session if c is a new write of it, and otherwise nil and the answer.
func (t *sessionTable) admit(c Command, now uint64) (*session, Result) {
	s, ok := t.byID[c.Session]
	if !ok {
		return nil, Result{Verdict: SessionGone}
	}
	t.byDeadline.Delete(s)
	s.deadline = now + s.ttl
	t.byDeadline.Set(s)
	switch {
	case c.Sequence > s.last:
		return s, Result{}
	case c.Sequence < s.last:
		return nil, Result{Verdict: SequenceTooOld}
	case c.digest() != s.digest:
		return nil, Result{Verdict: SequenceReused}
	}
	return nil, s.answer
}
