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

// expiry orders the sessions by when they expire.
type expiry struct{ deadline, id uint64 }

// sessionTable holds the live sessions, as values, so that a copy of byID shares nothing that changes. Each takes a
// fixed number of bytes, so their number bounds them.
type sessionTable struct {
	byID       btree.Map[uint64, session]
	byDeadline *btree.BTreeG[expiry]
	expired    uint64 // sessions expired so far
}

func newSessionTable() sessionTable {
	earlier := func(a, b expiry) bool {
		return a.deadline < b.deadline || a.deadline == b.deadline && a.id < b.id
	}
	return sessionTable{byDeadline: btree.NewBTreeGOptions(earlier, btree.Options{NoLocks: true})}
}

// expire drops the sessions whose deadline log time has reached.
func (t *sessionTable) expire(now uint64) {
	for {
		first, ok := t.byDeadline.Min()
		if !ok || first.deadline > now {
			return
		}
		t.delete(first.id)
		t.expired++
	}
}

func (t *sessionTable) create(id, now uint64, c Command) Result {
	if uint64(t.byID.Len()) >= c.Limit {
		return Result{Verdict: SessionsFull}
	}
	t.put(session{id: id, ttl: c.TTL, deadline: now + c.TTL})
	return Result{}
}

func (t *sessionTable) delete(id uint64) Result {
	s, ok := t.byID.Delete(id)
	if !ok {
		return Result{Verdict: SessionGone}
	}
	t.byDeadline.Delete(expiry{s.deadline, s.id})
	return Result{}
}

// put stores a session as it is now.
func (t *sessionTable) put(s session) {
	old, existed := t.byID.Set(s.id, s)
	if existed && old.deadline != s.deadline {
		t.byDeadline.Delete(expiry{old.deadline, old.id})
	}
	t.byDeadline.Set(expiry{s.deadline, s.id})
}

// admit keeps the command's session alive. It returns that session if c is a new write of it; otherwise fresh is false
// and result the answer.
func (t *sessionTable) admit(c Command, now uint64) (s session, result Result, fresh bool) {
	s, ok := t.byID.Get(c.Session)
	if !ok {
		return s, Result{Verdict: SessionGone}, false
	}
	s.deadline = now + s.ttl
	t.put(s)
	switch {
	case c.Sequence > s.last:
		return s, Result{}, true
	case c.Sequence < s.last:
		return s, Result{Verdict: SequenceTooOld}, false
	case c.digest() != s.digest:
		return s, Result{Verdict: SequenceReused}, false
	}
	return s, s.answer, false
}

// remember keeps the answer to a new write of a session.
func (t *sessionTable) remember(s session, c Command, answer Result) {
	answer.Replayed = true
	s.last, s.digest, s.answer = c.Sequence, c.digest(), answer
	t.put(s)
}
